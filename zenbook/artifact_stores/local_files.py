"""The flavour `local` of artifact stores: files in a folder, by default in the workspace."""

# pathlib costs as much as writing a small file does:
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field

from zenbook.artifact_stores.content_addressed import AddressedFolder, address_of
from zenbook.artifact_stores.hashed_file import contiguous_bytes
from zenbook.errors import ArtifactError, StoreError
from zenbook.stack.artifact_store import ArtifactStore, StoredBytes, StoredFile
from zenbook.stack.flavour import ComponentKind, Flavour


class LocalFilesSettings(BaseModel):
    """Where the files are."""

    model_config = ConfigDict(extra="forbid")
    path: Path = Field(Path("artifacts"), description="The folder; a relative path counts from the .zen folder.")


class LocalFilesFlavour(Flavour):
    """Artifacts as files of this machine."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "local"
    settings = LocalFilesSettings

    def make(self, settings: LocalFilesSettings, home: Path) -> ArtifactStore:
        """The store of that folder, which is created on first use."""
        return LocalArtifactStore(home / settings.path)


class LocalArtifactStore(ArtifactStore):
    """Artifacts as read-only files ``ab/cdef….suffix`` below a folder, which is created with the first one.

    Args:
        root: The folder.
    """

    on_this_machine = True

    def __init__(self, root: Path) -> None:
        self._folder = AddressedFolder(
            str(root), label="artifact store", alternative="or choose another place: zen config artifacts set DIR."
        )

    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to its file, atomically, and hash it meanwhile."""
        with self._folder.temporary() as temporary:
            stored = self._folder.write(write, temporary, suffix)
            self._folder.publish(temporary, stored)
        return stored

    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        """Store bytes that are in memory; nothing is written if the store has them."""
        view = contiguous_bytes(data)
        digest = blake3(view).hexdigest()
        stored = StoredBytes(digest, address_of(digest, suffix), len(view))
        if not self._folder.has_object_of_size(stored):
            with self._folder.temporary() as temporary:
                temporary.write(view)
                self._folder.publish(temporary, stored)
        return stored

    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open an artifact for reading. Raises `ArtifactError` if there is none at that address."""
        path = self._folder.path(address)
        try:
            return open(path, "rb")
        except FileNotFoundError as error:
            raise self._missing(address) from error
        except OSError as error:
            raise StoreError(
                f"Cannot read the artifact {path!r}: {error.strerror}.", "Check its permissions: ls -l."
            ) from error

    def local_path(self, address: str) -> Path:
        """Where the artifact is. Raises `ArtifactError` if there is none at that address."""
        path = self._folder.path(address)
        if not os.path.exists(path):
            raise self._missing(address)
        return Path(path)

    def exists(self, address: str) -> bool:
        """Whether the store has an artifact."""
        return os.path.exists(self._folder.path(address))

    def describe(self) -> str:
        """Where the files are."""
        return f"files in {self._folder.root}"

    def uri(self, address: str) -> str:
        """The artifact's absolute path."""
        return self._folder.path(address)

    def listing(self) -> Iterator[StoredFile]:
        """All stored files, by address."""
        return self._folder.listing()

    def delete(self, address: str) -> None:
        """Remove an artifact; it is not an error if there is none."""
        self._folder.delete(address)

    def _missing(self, address: str) -> ArtifactError:
        return ArtifactError(
            f"The artifact {address} isn't in the store {self._folder.root!r} any more.",
            "Run the step that produced it again, with --no-cache.",
        )
