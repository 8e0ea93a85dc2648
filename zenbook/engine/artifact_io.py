"""Artifacts of a stack: store a value, read one back, trust only what the metadata store knows."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zenbook.core.digest import digest_of_file, remember_digest
from zenbook.core.events import Stored
from zenbook.errors import ArtifactError, FormatError
from zenbook.formats import BundleFormat, Format, MappedFile, format_for, format_named
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.metadata_store import MetadataStore

IMMUTABLE = frozenset({bool, int, float, complex, str, bytes, type(None)})
_SMALL = 64 * 1024  # bytes up to which a value is stored by way of memory


def store_value(artifacts: ArtifactStore, value: Any, annotation: Any = None) -> Stored:
    """Store a value in the format of its type. Raises `FormatError` for one that can't be stored."""
    chosen = format_for(value, annotation)
    return _stored(artifacts, value, chosen)


def store_bundle(artifacts: ArtifactStore, values: Mapping[str, Any]) -> dict[str, Stored]:
    """Store values that share objects as one artifact; each is a member of it."""
    whole = _stored(artifacts, dict(values), BundleFormat())
    return {
        name: Stored(
            whole.digest, whole.format, name, whole.address, whole.size, type_name(value), _preview(value), whole.note
        )
        for name, value in values.items()
    }


def store_bytes(artifacts: ArtifactStore, data: bytes) -> Stored:
    """Store bytes of our own (a random state)."""
    return _stored(artifacts, data, format_named("bytes"))


def _stored(artifacts: ArtifactStore, value: Any, chosen: Format) -> Stored:
    if type(value) in IMMUTABLE and (not isinstance(value, str | bytes) or len(value) < _SMALL):
        buffer = io.BytesIO()
        chosen.write(value, buffer)
        written = artifacts.put_bytes(buffer.getvalue(), suffix=chosen.suffix)
    else:
        written = artifacts.put(lambda file: chosen.write(value, file), suffix=chosen.suffix)
        if artifacts.on_this_machine:  # what this process wrote it need not verify
            remember_digest(artifacts.local_path(written.address), written.digest)
    return Stored(
        written.digest,
        chosen.name,
        "",
        written.address,
        written.size,
        type_name(value),
        _preview(value, chosen),
        chosen.note,
    )


def _preview(value: Any, chosen: Format | None = None) -> str:
    if type(value) in IMMUTABLE and (not isinstance(value, str | bytes) or len(value) < 200):
        return json.dumps({"value": value if not isinstance(value, bytes | complex) else repr(value)})
    try:
        facts = (chosen or format_for(value)).preview(value)
    except Exception:  # noqa: BLE001  # a preview is a courtesy: a strange object must not fail the step
        facts = {}
    return json.dumps(facts, default=str) if facts else ""


class Reader:
    """Reads artifacts of one stack; keeps small immutable values, since nobody can change those."""

    def __init__(self, artifacts: ArtifactStore, metadata: MetadataStore) -> None:
        self.artifacts = artifacts
        self.metadata = metadata
        self._kept: dict[str, Any] = {}

    def keep(self, stored: Stored, value: Any) -> None:
        """Remember a value that was just stored, if nobody can change it."""
        if type(value) in IMMUTABLE and stored.size <= _SMALL:
            self._kept[stored.key] = value

    def read(self, stored: Stored) -> Any:
        """The value of an artifact, sharing nothing with any other reader."""
        return self.read_all({"": stored})[""]

    def read_all(self, wanted: Mapping[str, Stored]) -> dict[str, Any]:
        """Several values; members of one bundle share what they shared when they were stored.

        Raises `ArtifactError` for a missing or corrupt artifact, `FormatError` for bytes that no value can be made of.
        """
        if len(wanted) > 1 and not self.artifacts.on_this_machine:
            self.artifacts.fetch([self._address(one) for one in wanted.values() if one.key not in self._kept])
        values: dict[str, Any] = {}
        wholes: dict[tuple[str, str], Any] = {}
        for name, stored in wanted.items():
            if stored.key in self._kept:
                values[name] = self._kept[stored.key]
                continue
            if stored.member:
                place = (stored.digest, stored.format)
                if place not in wholes:
                    wholes[place] = self._read(stored)
                values[name] = wholes[place][stored.member]
            else:
                values[name] = self._read(stored)
        return values

    def exists(self, stored: Stored) -> bool:
        """Whether an artifact is still in the store."""
        return self.artifacts.exists(stored.address)

    def _read(self, stored: Stored) -> Any:
        path = self.artifacts.local_path(self._address(stored))
        verify(path, stored)
        return read_file(path, stored)

    def _address(self, stored: Stored) -> str:
        address = stored.address or self.metadata.address_of(stored.digest, stored.format)
        if not address:
            raise ArtifactError(
                f"The artifact {stored.digest[:12]} is not known to the metadata store, so it is not opened.",
                "Run the step that makes it again with --no-cache.",
            )
        return address


def read_file(path: Path, stored: Stored) -> Any:
    """Make the value of an artifact's file, whose digest was verified."""
    try:
        return format_named(stored.format).read(MappedFile(path))
    except (ArtifactError, FormatError):
        raise
    except Exception as error:
        raise FormatError(
            f"The artifact {stored.digest[:12]} ({stored.type or stored.format}) can't be read: "
            f"{type(error).__name__}: {error}.",
            "Is a package that it needs missing, or of another version than when it was stored?",
        ) from error


def verify(path: Path, stored: Stored) -> None:
    """Compare a file with the digest that was recorded, once for each state of the file in this process.

    Raises `ArtifactError` when its content is another.
    """
    digest = digest_of_file(path)
    if digest != stored.digest:
        raise ArtifactError(
            f"The artifact file {path} is not what was stored (its digest is {digest[:12]} and not "
            f"{stored.digest[:12]}).",
            "Delete the file and run the pipeline again: the step that makes it then runs once more.",
        )


def type_name(value: Any) -> str:
    """A value's class for people: ``pandas.DataFrame``."""
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
