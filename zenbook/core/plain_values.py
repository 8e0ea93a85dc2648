"""Plain values as JSON, exactly: what a parameter may be.

JSON's own types are written as they are; others are an object with one key that starts with ``$``.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import fractions
import importlib
import json
import math
import sys
import types
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from zenbook.core.graph import Json
from zenbook.core.tracing.placeholders import ParameterPlaceholder

PLACEHOLDER = "$parameter"  # the tag of a parameter's placeholder; a plan never has it


class NotPlainError(Exception):
    """The value is not a plain value; it has to be stored as an artifact instead."""


def encode(value: Any) -> Json:
    """Encode a plain value as JSON. Raises `NotPlainError`.

    Args:
        value: The value.

    Returns:
        What `json.dumps` takes.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if kind is list:
        return [encode(part) for part in value]
    if kind is dict:  # JSON of a plan is sorted by key, so a dict in another order is written as pairs
        if all(type(key) is str and not key.startswith("$") for key in value) and list(value) == sorted(value):
            return {key: encode(part) for key, part in value.items()}
        return {"$dict": [[encode(key), encode(part)] for key, part in value.items()]}
    return _encode_other(value, kind)


def _encode_other(value: Any, kind: type) -> Json:
    if kind is ParameterPlaceholder:
        return {PLACEHOLDER: value.parameter}
    if kind is tuple:
        return {"$tuple": [encode(part) for part in value]}
    if kind in (set, frozenset):
        return {
            f"${kind.__name__}": sorted(
                (encode(part) for part in value), key=lambda part: json.dumps(part, sort_keys=True)
            )
        }
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode()}
    if kind is complex:
        return {"$complex": [encode(value.real), encode(value.imag)]}
    if isinstance(value, PurePath):
        return {"$path": str(value)}
    if kind in _BY_TEXT and _is_exact_in_text(value):
        return {f"${kind.__name__}": _BY_TEXT[kind][0](value)}
    if isinstance(value, enum.Enum) and _is_installed(kind) and value.name in getattr(kind, "__members__", {}):
        return {"$enum": [kind.__module__, kind.__qualname__, value.name, _version(kind)]}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        return {"$numpy": [kind.__name__, encode(value.item())]}
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) and _is_installed(value):
        return {"$ref": [value.__module__, value.__qualname__, _version(value)]}
    raise NotPlainError(f"{kind.__module__}.{kind.__qualname__}")


def decode(value: Json) -> Any:
    """Decode what `encode` returned.

    Args:
        value: The JSON.

    Returns:
        The value.
    """
    if isinstance(value, list):
        return [decode(part) for part in value]
    if isinstance(value, Mapping):
        if len(value) == 1:
            tag, body = next(iter(value.items()))
            if tag.startswith("$"):
                return _DECODERS[tag](body)
        return {key: decode(part) for key, part in value.items()}
    return value


def paths_in(value: Json) -> list[Path]:
    """Find the paths in an encoded value.

    Args:
        value: The JSON.

    Returns:
        The paths, in order.
    """
    if isinstance(value, list):
        return [path for part in value for path in paths_in(part)]
    if isinstance(value, Mapping):
        if len(value) == 1 and "$path" in value:
            return [Path(value["$path"])]
        return [path for part in value.values() for path in paths_in(part)]
    return []


def show(value: Json) -> str:
    """Write an encoded value for people, in one line.

    Args:
        value: The JSON.

    Returns:
        The text.
    """
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)).startswith("$"):
        (tag, body) = next(iter(value.items()))
        if tag == "$input":
            return "…"
        if tag in ("$path", "$float", "$Decimal", "$UUID", "$datetime", "$date", "$time", "$timedelta"):
            return str(body)
        if tag in ("$enum", "$ref"):
            return ".".join(str(part) for part in body[1 : 3 if tag == "$enum" else 2])
        try:
            return repr(decode(value))
        except Exception:  # noqa: BLE001  # a class that is not here: the JSON still says what it is
            return str(body)
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _is_exact_in_text(value: Any) -> bool:
    zone = getattr(value, "tzinfo", None)
    return (zone is None or type(zone) is datetime.timezone) and not getattr(value, "fold", 0)


def _timedelta(text: str) -> datetime.timedelta:
    days, seconds, microseconds = (int(part) for part in text.split(","))
    return datetime.timedelta(days, seconds, microseconds)


_BY_TEXT: dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    datetime.datetime: (lambda moment: moment.isoformat(), datetime.datetime.fromisoformat),
    datetime.date: (lambda moment: moment.isoformat(), datetime.date.fromisoformat),
    datetime.time: (lambda moment: moment.isoformat(), datetime.time.fromisoformat),
    datetime.timedelta: (lambda delta: f"{delta.days},{delta.seconds},{delta.microseconds}", _timedelta),
    decimal.Decimal: (str, decimal.Decimal),
    fractions.Fraction: (str, fractions.Fraction),
    uuid.UUID: (str, uuid.UUID),
}


def _is_importable(kind: Any) -> bool:
    module = sys.modules.get(kind.__module__)
    return kind.__module__ != "__main__" and getattr(module, kind.__qualname__, None) is kind


def _is_installed(value: Any) -> bool:
    from zenbook.core.distributions import project_file

    return _is_importable(value) and project_file(value.__module__) is None


def _version(value: Any) -> str:
    """The distribution that a class or function comes from: another version may behave differently."""
    from zenbook.core.distributions import version_of

    name, version = version_of(value.__module__) or ("", "")
    return f"{name}=={version}" if name else ""


def _named(module: str, qualname: str) -> Any:
    value: Any = importlib.import_module(module)
    for part in qualname.split("."):
        value = getattr(value, part)
    return value


def _numpy_scalar(body: list[Any]) -> Any:
    return getattr(importlib.import_module("numpy"), body[0])(decode(body[1]))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$dict": lambda body: {decode(key): decode(part) for key, part in body},
    "$tuple": lambda body: tuple(decode(part) for part in body),
    "$set": lambda body: {decode(part) for part in body},
    "$frozenset": lambda body: frozenset(decode(part) for part in body),
    "$bytes": base64.b64decode,
    "$complex": lambda body: complex(decode(body[0]), decode(body[1])),
    "$path": Path,
    "$enum": lambda body: _named(body[0], body[1])[body[2]],
    "$numpy": _numpy_scalar,
    "$ref": lambda body: _named(body[0], body[1]),
    **{f"${kind.__name__}": both[1] for kind, both in _BY_TEXT.items()},
}
