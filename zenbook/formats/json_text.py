"""Plain values as text that people and other programs can read: JSON, text, bytes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any, BinaryIO

from zenbook.errors import FormatError
from zenbook.formats.format import Format, Source

_BIG = 2000  # bits; Python refuses to read decimal integers of more than 4300 digits, or fewer where so configured
_SHOWN = 200  # characters in a preview


class InexactError(Exception):
    """A value that would not come back exactly as it was."""


class JsonFormat(Format):
    """None, numbers, booleans, lists and dicts as JSON; tuples, sets, other keys and bytes by small tags in it.

    A tag is an object whose only key begins with ``~``: ``{"~tuple": [1, 2]}``, ``{"~float": "nan"}``.
    """

    name = "json"
    suffix = ".json"
    types = tuple(
        f"builtins.{kind}"
        for kind in ("NoneType", "bool", "int", "float", "complex", "list", "dict", "tuple", "set", "frozenset")
    )

    def accepts(self, value: Any) -> bool:
        """Whether all parts are exact builtin types, and no list, dict or set is met twice."""
        kind = type(value)
        if kind is int or kind is float or value is None or kind is bool:
            return True
        try:
            to_json_bytes(value)
        except InexactError:
            return False
        return True

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write compact JSON in UTF-8. Raises `FormatError` for what `accepts` refuses."""
        try:
            file.write(to_json_bytes(value))
        except InexactError as error:
            raise FormatError(
                f"JSON cannot hold {error}.", "Leave the format to zenbook, or return plain values."
            ) from None

    def read(self, source: Source) -> Any:
        """Read the value."""
        with source.open() as file:
            return from_json_bytes(file.read())

    def preview(self, value: Any) -> dict[str, Any]:
        """The value itself if it is a number, a boolean or None, else its length and beginning."""
        if value is None or isinstance(value, bool):
            return {"value": value}
        if isinstance(value, float):
            return {"value": value if math.isfinite(value) else repr(value)}
        if isinstance(value, int):
            return {"value": value if value.bit_length() <= 53 else shorten(hex(value))}
        if isinstance(value, complex):
            return {"value": repr(value)}
        return {"type": type(value).__name__, "length": len(value), "value": short_repr(value)}


class TextFormat(Format):
    """A str as a text file in UTF-8."""

    name = "text"
    suffix = ".txt"
    types = ("builtins.str",)

    def accepts(self, value: Any) -> bool:
        """Whether the text is a plain str that UTF-8 can hold, so without lone surrogates."""
        return type(value) is str and (value.isascii() or _encodable(value))

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the text as it is; line ends are kept."""
        file.write(value.encode("utf-8"))

    def read(self, source: Source) -> str:
        """The text."""
        with source.open() as file:
            return file.read().decode("utf-8")

    def preview(self, value: Any) -> dict[str, Any]:
        """The beginning of the text and its length."""
        return {"length": len(value), "value": shorten(value)}


class BytesFormat(Format):
    """Bytes as they are."""

    name = "bytes"
    suffix = ".bin"
    types = ("builtins.bytes",)

    def accepts(self, value: Any) -> bool:
        """Whether these are plain bytes."""
        return type(value) is bytes

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the bytes."""
        file.write(value)

    def read(self, source: Source) -> bytes:
        """The bytes."""
        with source.open() as file:
            return file.read()

    def preview(self, value: Any) -> dict[str, Any]:
        """The length and the first bytes."""
        return {"length": len(value), "value": repr(value[:32]) + ("…" if len(value) > 32 else "")}


def to_json_bytes(value: Any) -> bytes:
    """Encode plain values as exact JSON.

    Args:
        value: None, numbers, booleans, texts, bytes, and lists, tuples, sets and dicts of such.

    Returns:
        Compact JSON in UTF-8.

    Raises:
        InexactError: JSON cannot hold a part exactly; the error names it.
    """
    kind = type(value)
    if (kind is int and -(2**63) <= value < 2**63) or (kind is float and math.isfinite(value)):
        return repr(value).encode()
    try:
        return _dumps(_encode(value, set())).encode("utf-8")
    except UnicodeEncodeError:
        raise InexactError("a str with a lone surrogate") from None
    except RecursionError:
        raise InexactError("values nested this deep") from None


def from_json_bytes(data: bytes) -> Any:
    """Decode what `to_json_bytes` returned.

    Args:
        data: The JSON.

    Returns:
        A new value, equal to the encoded one.
    """
    value = json.loads(data)
    return _decode(value) if b'"~' in data else value


def shorten(text: str) -> str:
    """Shorten a text for a preview, and escape what UTF-8 cannot hold.

    Args:
        text: The text.

    Returns:
        Its beginning, at most 200 characters before escaping.
    """
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def short_repr(value: object) -> str:
    """Compute a short repr, quickly even for a large value.

    Args:
        value: Any value.

    Returns:
        The text, shortened.
    """
    import reprlib

    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 60
    return shorten(brief.repr(value))


_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _encode(value: Any, met: set[int]) -> Any:
    """JSON's own types for a value. ``met`` holds the ids of mutable containers: sharing would be lost."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind in _LEAVES:
        return _LEAVES[kind](value)
    if kind not in _CONTAINERS:
        raise InexactError(f"a {kind.__module__}.{kind.__qualname__}")
    if kind is list or kind is dict or kind is set:
        if id(value) in met:
            raise InexactError(f"a {kind.__name__} that occurs twice")
        met.add(id(value))
    return _CONTAINERS[kind](value, met)


def _encode_list(value: list[Any] | tuple[Any, ...], met: set[int]) -> list[Any]:
    kinds = set(map(type, value))  # a long list of one plain type needs no look at each
    if kinds <= {str, bool, type(None)} or (kinds == {float} and all(map(math.isfinite, value))):
        return list(value)
    return [_encode(item, met) for item in value]


def _encode_tuple(value: tuple[Any, ...], met: set[int]) -> Any:
    return {"~tuple": _encode_list(value, met)}


def _encode_set(value: set[Any] | frozenset[Any], met: set[int]) -> Any:
    # The order of a set depends on the hash seed, the bytes must not.
    return {f"~{type(value).__name__}": sorted((_encode(item, met) for item in value), key=_dumps)}


def _encode_dict(value: dict[Any, Any], met: set[int]) -> Any:
    if all(type(key) is str for key in value) and not (len(value) == 1 and next(iter(value)).startswith("~")):
        return {key: _encode(item, met) for key, item in value.items()}
    return {"~dict": [[_encode(key, met), _encode(item, met)] for key, item in value.items()]}


_LEAVES: dict[type, Callable[[Any], Any]] = {
    int: lambda value: value if value.bit_length() <= _BIG else {"~int": hex(value)},
    float: lambda value: value if math.isfinite(value) else {"~float": repr(value)},
    bytes: lambda value: {"~bytes": base64.b64encode(value).decode()},
    complex: lambda value: {"~complex": [repr(value.real), repr(value.imag)]},
}
_CONTAINERS: dict[type, Callable[[Any, set[int]], Any]] = {
    list: _encode_list,
    dict: _encode_dict,
    tuple: _encode_tuple,
    set: _encode_set,
    frozenset: _encode_set,
}


def _decode(value: Any) -> Any:
    if type(value) is list:
        return [_decode(item) for item in value]
    if type(value) is not dict:
        return value
    if len(value) == 1:
        ((tag, body),) = value.items()
        if tag in _DECODERS:
            return _DECODERS[tag](body)
    return {key: _decode(item) for key, item in value.items()}


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "~int": lambda body: int(body, 16),
    "~float": float,
    "~tuple": lambda body: tuple(map(_decode, body)),
    "~set": lambda body: set(map(_decode, body)),
    "~frozenset": lambda body: frozenset(map(_decode, body)),
    "~dict": lambda body: {_decode(key): _decode(item) for key, item in body},
    "~bytes": base64.b64decode,
    "~complex": lambda body: complex(float(body[0]), float(body[1])),
}
