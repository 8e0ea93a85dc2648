"""Pickles in one file with their large buffers beside the stream, so that reading one maps it instead of copying.

The file: magic, number of buffers, place and length of the stream; place and length of each buffer; the buffers, each
at a multiple of 64 bytes; the stream. Integers are little-endian and unsigned, of 8 bytes.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

from zenbook.errors import FormatError, ZenbookError
from zenbook.formats.format import Source
from zenbook.pickle_support import load

_MAGIC = b"ZENPKL\x00\x01"  # the last byte is the version
_HEAD = struct.Struct("<8sQQQ")
_ENTRY = struct.Struct("<QQ")
_ALIGN = 64  # bytes: what the widest vector instructions like


def write_container(value: Any, file: BinaryIO, *, name: str = "output") -> None:
    """Pickle a value into a file. A `FormatError` names what cannot be pickled, before anything is written.

    Args:
        value: The value.
        file: The binary file to write to.
        name: The value in error messages.
    """
    stream, buffers = _to_pickle(value, name)
    views = [buffer.raw() for buffer in buffers]
    place = _aligned(_HEAD.size + _ENTRY.size * len(views))
    entries = []
    for view in views:
        entries.append((place, view.nbytes))
        place = _aligned(place + view.nbytes)
    file.write(_HEAD.pack(_MAGIC, len(views), place, len(stream)) + b"".join(_ENTRY.pack(*entry) for entry in entries))
    written = _HEAD.size + _ENTRY.size * len(views)
    for (start, length), view in zip(entries, views, strict=True):
        file.write(bytes(start - written))
        file.write(view)
        written = start + length
    file.write(bytes(place - written))
    file.write(stream)


def read_container(source: Source) -> Any:
    """Read a value; its large buffers use a private, writable map of the file.

    Args:
        source: The file.

    Returns:
        A new value.

    Raises:
        FormatError: It cannot be read, or a package that it needs is missing.
        ZenbookError: An object in it raised the error when it was loaded.
    """
    view = source.map()
    try:
        magic, count, place, length = _HEAD.unpack_from(view)
        if magic != _MAGIC:
            raise FormatError(f"{source.name} is not a pickle that this zenbook can read.")
        entries = [_ENTRY.unpack_from(view, _HEAD.size + _ENTRY.size * number) for number in range(count)]
    except struct.error as error:
        raise FormatError(f"{source.name} ends in the middle of its header.") from error
    buffers = [view[start : start + size] for start, size in entries]
    try:
        return load(view[place : place + length], buffers)
    except ZenbookError:
        raise
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{source.name} contains an object of the package {error.name!r}, which is not installed here.",
            f"Install {(error.name or '').partition('.')[0]!r}, and load it again.",
        ) from error
    except Exception as error:
        raise FormatError(
            f"{source.name} cannot be unpickled: {type(error).__name__}: {error}.",
            "Load it with the versions of the packages that it was stored with.",
        ) from error


def _to_pickle(value: Any, name: str) -> tuple[bytes, list[pickle.PickleBuffer]]:
    from zenbook.formats.pickler import find_unpicklable_part, to_pickle

    try:
        return to_pickle(value)
    except MemoryError:
        raise
    except Exception as error:
        path, part = find_unpicklable_part(value, name)
        kind = type(part)
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise FormatError(
            f"{path} cannot be stored: a {kind.__module__}.{kind.__qualname__} ({reason}).", _hint(kind)
        ) from error


def _hint(kind: type) -> str:
    known = {
        "generator": "Return its items: `list(…)`.",
        "lock": "Leave the lock out of the object: give its class a `__getstate__` that drops it.",
        "RLock": "Leave the lock out of the object: give its class a `__getstate__` that drops it.",
        "Connection": "Open the connection inside the step that uses it, and return what you read through it.",
        "socket": "Open the socket inside the step that uses it, and return what you read through it.",
        "BufferedReader": "Return the path or what you read from the file.",
        "BufferedWriter": "Close the file, and return its path.",
        "TextIOWrapper": "Return the path, or what you read from the file.",
    }
    general = (
        "Return something that can be stored, such as data, a path or a fitted model, or write a format for the type."
    )
    return known.get(kind.__name__, general)


def _aligned(place: int) -> int:
    return -(-place // _ALIGN) * _ALIGN
