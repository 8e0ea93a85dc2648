"""The artifact store in a folder of the local machine."""

# pathlib costs as much as writing a small file does:
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from zenbook.artifact_stores.content_addressed import AddressedFolder, address_of
from zenbook.artifact_stores.hashed_file import flat
from zenbook.errors import ArtifactError, StoreError
from zenbook.stack.artifact_store import ArtifactStore, StoredBytes, StoredFile


class LocalArtifactStore(ArtifactStore):
    """Artifacts as read-only files ``ab/cdef….suffix`` below a folder, which is made when the first is stored."""

    on_this_machine = True

    def __init__(self, root: Path) -> None:
        self._folder = AddressedFolder(
            str(root), called="artifact store", otherwise="or choose another place: zen config artifacts set DIR."
        )

    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to the file it is given, atomically, hashing on the way."""
        with self._folder.temporary() as temporary:
            stored = self._folder.write(write, temporary, suffix)
            self._folder.publish(temporary, stored)
        return stored

    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        """Store bytes that are in memory already; nothing is written if they are there."""
        view = flat(data)
        digest = blake3(view).hexdigest()
        stored = StoredBytes(digest, address_of(digest, suffix), len(view))
        if not self._folder.has_object_of_size(stored):
            with self._folder.temporary() as temporary:
                temporary.write(view)
                self._folder.publish(temporary, stored)
        return stored

    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open an artifact for reading. Raises `ArtifactError` when there is none at that address."""
        path = self._folder.path(address)
        try:
            return open(path, "rb")
        except FileNotFoundError as error:
            raise self._missing(address) from error
        except OSError as error:
            raise StoreError(
                f"The artifact {path!r} can't be read: {error.strerror}.", "See who may read it: ls -l."
            ) from error

    def local_path(self, address: str) -> Path:
        """Where the artifact is. Raises `ArtifactError` when there is none at that address."""
        path = self._folder.path(address)
        if not os.path.exists(path):
            raise self._missing(address)
        return Path(path)

    def exists(self, address: str) -> bool:
        """Whether an artifact is there."""
        return os.path.exists(self._folder.path(address))

    def describe(self) -> str:
        """Where the files are."""
        return f"files in {self._folder.root}"

    def uri(self, address: str) -> str:
        """The artifact's absolute path."""
        return self._folder.path(address)

    def listing(self) -> Iterator[StoredFile]:
        """All that is stored, by address."""
        return self._folder.listing()

    def delete(self, address: str) -> None:
        """Remove an artifact; removing what is not there is no error."""
        self._folder.delete(address)

    def _missing(self, address: str) -> ArtifactError:
        return ArtifactError(
            f"The artifact {address} isn't in the store {self._folder.root!r} any more.",
            "Run the step that made it again with --no-cache to make it anew.",
        )
