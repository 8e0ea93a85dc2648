"""Has the content of an object changed since it was read from the store? Seen by its digest, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from blake3 import blake3

from zenbook.core.events import Stored
from zenbook.errors import FormatError
from zenbook.runs.artifacts import IMMUTABLE, Reader
from zenbook.runs.formats import BundleFormat, Format, format_named


def changed_content(reader: Reader, stored: Mapping[str, Stored], objects: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the objects whose content is no longer the one under which they are stored.

    Members of a bundle count as one object: if one has changed, all have.
    """
    changed: dict[str, Any] = {}
    bundles: dict[str, list[str]] = {}
    for name, one in stored.items():
        if name not in objects or type(objects[name]) in IMMUTABLE:
            continue
        if one.member:
            bundles.setdefault(one.digest, []).append(name)
        elif _differs(reader, one, objects[name]):
            changed[name] = objects[name]
    for names in bundles.values():
        if _bundle_differs(reader, {name: stored[name] for name in names}, objects):
            changed |= {name: objects[name] for name in names}
    return changed


def _differs(reader: Reader, one: Stored, value: Any) -> bool:
    form = format_named(one.format)
    now = _digest(form, value)
    if now == one.digest:
        return False
    return now is None or now != _digest(form, reader.read(one))  # a round trip alone may change the bytes


def _bundle_differs(reader: Reader, members: Mapping[str, Stored], objects: Mapping[str, Any]) -> bool:
    form = BundleFormat()
    now = _digest(form, {name: objects[name] for name in members})
    return now is None or now != _digest(form, reader.read_all(members))


class _Hash:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.hash = blake3(max_threads=blake3.AUTO)
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.hash.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""

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
