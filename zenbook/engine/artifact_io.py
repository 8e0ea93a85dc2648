"""Store values as artifacts and read them back; only artifacts that the metadata store knows are opened."""

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
_SMALL = 64 * 1024  # bytes up to which a value is written in memory, and remembered


def store_value(artifacts: ArtifactStore, value: Any, annotation: Any = None) -> Stored:
    """Store a value in the format of its type.

    Args:
        artifacts: Where to store it.
        value: Any object.
        annotation: Its annotation, which may choose the format.

    Returns:
        The artifact.
    """
    chosen = format_for(value, annotation)
    return _stored(artifacts, value, chosen)


def store_bundle(artifacts: ArtifactStore, values: Mapping[str, Any]) -> dict[str, Stored]:
    """Store values that share objects as one artifact.

    Args:
        artifacts: Where to store it.
        values: The objects by name.

    Returns:
        A member of the artifact for each name.
    """
    whole = _stored(artifacts, dict(values), BundleFormat())
    return {
        name: Stored(
            whole.digest, whole.format, name, whole.address, whole.size, type_name(value), _preview(value), whole.note
        )
        for name, value in values.items()
    }


def store_bytes(artifacts: ArtifactStore, data: bytes) -> Stored:
    """Store bytes, for example a random state.

    Args:
        artifacts: Where to store them.
        data: The bytes.

    Returns:
        The artifact.
    """
    return _stored(artifacts, data, format_named("bytes"))


def _stored(artifacts: ArtifactStore, value: Any, chosen: Format) -> Stored:
    if type(value) in IMMUTABLE and (not isinstance(value, str | bytes) or len(value) < _SMALL):
        buffer = io.BytesIO()
        chosen.write(value, buffer)
        written = artifacts.put_bytes(buffer.getvalue(), suffix=chosen.suffix)
    else:
        written = artifacts.put(lambda file: chosen.write(value, file), suffix=chosen.suffix)
        if artifacts.on_this_machine:  # this process need not verify what it wrote
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
    """Reads artifacts of one stack; remembers small immutable values.

    Args:
        artifacts: The artifact store.
        metadata: The metadata store, which vouches for the artifacts.
    """

    def __init__(self, artifacts: ArtifactStore, metadata: MetadataStore) -> None:
        self.artifacts = artifacts
        self.metadata = metadata
        self._remembered: dict[str, Any] = {}

    def keep(self, stored: Stored, value: Any) -> None:
        """Remember a value that was just stored, if it is small and immutable.

        Args:
            stored: The artifact.
            value: The object.
        """
        if type(value) in IMMUTABLE and stored.size <= _SMALL:
            self._remembered[stored.key] = value

    def read(self, stored: Stored) -> Any:
        """Read one artifact.

        Args:
            stored: The artifact.

        Returns:
            The value; it shares no object with other values that were read.
        """
        return self.read_all({"": stored})[""]

    def read_all(self, wanted: Mapping[str, Stored]) -> dict[str, Any]:
        """Read several artifacts; members of one bundle share the objects that they shared when they were stored.

        Args:
            wanted: The artifacts by name.

        Returns:
            The values by name.

        Raises:
            ArtifactError: An artifact is missing or corrupt, or the metadata store does not know it.
            FormatError: An artifact's bytes cannot be read as a value.
        """
        if len(wanted) > 1 and not self.artifacts.on_this_machine:
            self.artifacts.fetch(
                [self._address(stored) for stored in wanted.values() if stored.key not in self._remembered]
            )
        values: dict[str, Any] = {}
        bundles: dict[tuple[str, str], Any] = {}
        for name, stored in wanted.items():
            if stored.key in self._remembered:
                values[name] = self._remembered[stored.key]
                continue
            if stored.member:
                bundle = (stored.digest, stored.format)
                if bundle not in bundles:
                    bundles[bundle] = self._read(stored)
                values[name] = bundles[bundle][stored.member]
            else:
                values[name] = self._read(stored)
        return values

    def exists(self, stored: Stored) -> bool:
        """Whether an artifact is still in the store.

        Args:
            stored: The artifact.

        Returns:
            False if it has been deleted.
        """
        return self.artifacts.exists(stored.address)

    def _read(self, stored: Stored) -> Any:
        path = self.artifacts.local_path(self._address(stored))
        verify(path, stored)
        return read_file(path, stored)

    def _address(self, stored: Stored) -> str:
        address = stored.address or self.metadata.address_of(stored.digest, stored.format)
        if not address:
            raise ArtifactError(
                f"The metadata store does not know the artifact {stored.digest[:12]}, so it is not opened.",
                "Run the step that produces it again with --no-cache.",
            )
        return address


def read_file(path: Path, stored: Stored) -> Any:
    """Read the value of an artifact's file.

    Args:
        path: The file, whose digest was verified.
        stored: The artifact.

    Returns:
        The value.

    Raises:
        FormatError: The file cannot be read as a value.
        ArtifactError: Another artifact that the value refers to is missing or corrupt.
    """
    try:
        return format_named(stored.format).read(MappedFile(path))
    except (ArtifactError, FormatError):
        raise
    except Exception as error:
        raise FormatError(
            f"The artifact {stored.digest[:12]} ({stored.type or stored.format}) cannot be read: "
            f"{type(error).__name__}: {error}.",
            "Install the packages that it needs, in the versions with which it was stored.",
        ) from error


def verify(path: Path, stored: Stored) -> None:
    """Compare a file with the digest that was recorded, once for each state of the file in this process.

    Args:
        path: The file.
        stored: The artifact.

    Raises:
        ArtifactError: The file's content has changed.
    """
    digest = digest_of_file(path)
    if digest != stored.digest:
        raise ArtifactError(
            f"The artifact file {path} is not what was stored (its digest is {digest[:12]} and not "
            f"{stored.digest[:12]}).",
            "Delete the file and run the pipeline again: the step that produces it runs again.",
        )


def type_name(value: Any) -> str:
    """Name a value's class for people.

    Args:
        value: Any object.

    Returns:
        The name with the top package, as ``pandas.DataFrame``.
    """
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
