"""Find out by its digest whether an object has changed since it was read from the store."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, cast

from blake3 import blake3

from zenbook.core.events import Stored
from zenbook.engine.artifact_io import IMMUTABLE, Reader
from zenbook.errors import FormatError
from zenbook.formats import BundleFormat, Format, format_named
from zenbook.formats.figures import FigureFormat
from zenbook.formats.pickled import PickleFormat


def changed_content(reader: Reader, stored: Mapping[str, Stored], objects: Mapping[str, Any]) -> dict[str, Any]:
    """Find the objects that have changed, or may have.

    Members of a bundle count as one object: if one has changed, all have. An object that differs whenever it is loaded
    (it opens a socket of a random name) may have changed.

    Args:
        reader: What reads artifacts.
        stored: The artifacts from which the objects were read, by name.
        objects: The objects as they are now, by name.

    Returns:
        The changed objects by name.
    """
    return _unlike_stored(reader, stored, objects, {Likeness.OTHER, Likeness.UNKNOWN})


def surely_changed(reader: Reader, stored: Mapping[str, Stored], objects: Mapping[str, Any]) -> dict[str, Any]:
    """Find the objects that have certainly changed.

    Args:
        reader: What reads artifacts.
        stored: The artifacts from which the objects were read, by name.
        objects: The objects as they are now, by name.

    Returns:
        The changed objects by name.
    """
    return _unlike_stored(reader, stored, objects, {Likeness.OTHER})


class Likeness(Enum):
    """How an object compares with what is stored of it."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


def _unlike_stored(
    reader: Reader, stored: Mapping[str, Stored], objects: Mapping[str, Any], wanted: Collection[Likeness]
) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    bundles: dict[str, list[str]] = {}
    for name, artifact in stored.items():
        if name not in objects or type(objects[name]) in IMMUTABLE:
            continue
        if artifact.member:
            bundles.setdefault(artifact.digest, []).append(name)
        elif _compared(reader, artifact, objects[name]) in wanted:
            changed[name] = objects[name]
    for names in bundles.values():
        if _bundle_compared(reader, {name: stored[name] for name in names}, objects) in wanted:
            changed |= {name: objects[name] for name in names}
    return changed


def _compared(reader: Reader, stored: Stored, value: Any) -> Likeness:
    form = format_named(stored.format)
    now = _digest(form, value)
    if now == stored.digest:
        return Likeness.SAME
    return Likeness.OTHER if now is None else _likeness(form, now, value, lambda: reader.read(stored))


def _bundle_compared(reader: Reader, members: Mapping[str, Stored], objects: Mapping[str, Any]) -> Likeness:
    form, value = BundleFormat(), {name: objects[name] for name in members}
    now = _digest(form, value)
    return Likeness.OTHER if now is None else _likeness(form, now, value, lambda: reader.read_all(members))


def _likeness(form: Format, now: str, value: Any, read: Callable[[], Any]) -> Likeness:
    """Compare a value whose digest is ``now`` with the stored one: a round trip alone may change the bytes."""
    stored = read()
    if now == _digest(form, stored):
        return Likeness.SAME
    if not isinstance(form, PickleFormat | FigureFormat):
        return Likeness.OTHER
    blind = _text_blind(stored)
    if blind == _text_blind(value):
        return Likeness.SAME
    return Likeness.OTHER if blind == _text_blind(read()) else Likeness.UNKNOWN


def _text_blind(value: Any) -> str:
    # In a pickle, two equal texts differ from one text used twice. Which of them Python has for an attribute's name is
    # chance, so this digest does not depend on it.
    from zenbook.formats.pickler import Pickler

    class TextBlind(Pickler):
        def persistent_id(self, obj: Any) -> int | None:
            return int.from_bytes(b"\1" + obj.encode("utf-8", "surrogatepass")) if type(obj) is str else None

    file = _Hash()
    buffers: list[pickle.PickleBuffer] = []

    def set_aside(buffer: pickle.PickleBuffer) -> bool:
        buffers.append(buffer)
        return not memoryview(buffer).contiguous  # then it goes into the stream

    TextBlind(file, set_aside).dump(value)
    for buffer in buffers:
        if memoryview(buffer).contiguous:
            file.write(buffer.raw())
    return file.hash.hexdigest()


class _Hash:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.hash = blake3()
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if view.nbytes:
            self.hash.update(view.cast("B"))
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def _digest(form: Format, value: Any) -> str | None:
    """The digest under which a value would be stored; None where the format does not take it any more."""
    file = _Hash()
    try:
        if not isinstance(form, BundleFormat) and not form.accepts(value):
            return None
        form.write(value, cast("Any", file))
    except FormatError:
        return None
    return file.hash.hexdigest()
