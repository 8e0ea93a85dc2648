"""What runs ask of an artifact store, whatever its flavour."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from zenbook.errors import StoreError


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of an artifact store, as a listing shows it; ``modified_at`` is in seconds since the epoch."""

    address: str
    size: int  # bytes
    modified_at: float


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What `ArtifactStore.put` wrote: the blake3 digest (64 hex digits), the address, the size in bytes."""

    digest: str
    address: str
    size: int


class ArtifactStore(ABC):
    """Keeps artifacts, addressed by the digest of their content. Writing the same bytes twice stores them once."""

    on_this_machine: ClassVar[bool] = False  # whether `local_path` names the stored file itself

    @abstractmethod
    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what a function writes, atomically, and hash it while it is written.

        Args:
            write: Gets a binary file and writes the artifact to it. Its own exceptions pass through, and nothing is
                left behind.
            suffix: The end of the artifact's address, with the dot, as ``.arrow``.

        Returns:
            The digest, address and size.

        Raises:
            StoreError: The store cannot be written (full, read-only); nothing is left behind.
        """

    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        """Store bytes that are in memory already.

        Args:
            data: The artifact.
            suffix: The end of the artifact's address, with the dot.

        Returns:
            The digest, address and size.
        """
        return self.put(lambda file: file.write(data), suffix=suffix)

    @abstractmethod
    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open an artifact for reading.

        Args:
            address: As `put` returned it.

        Returns:
            A context manager that gives a binary file.

        Raises:
            ArtifactError: No artifact is at that address.
        """

    @abstractmethod
    def local_path(self, address: str) -> Path:
        """Find a file in which the artifact can be read and memory-mapped; a remote store downloads it first.

        Args:
            address: As `put` returned it.

        Returns:
            The file's path.

        Raises:
            ArtifactError: No artifact is at that address.
        """

    @abstractmethod
    def exists(self, address: str) -> bool:
        """Whether an artifact is in the store.

        Args:
            address: As `put` returned it.

        Returns:
            True if it is.
        """

    @abstractmethod
    def uri(self, address: str) -> str:
        """The artifact's address for people and other programs.

        Args:
            address: As `put` returned it.

        Returns:
            A path or a URL.
        """

    def describe(self) -> str:
        """One line for people."""
        return type(self).__name__

    @abstractmethod
    def listing(self) -> Iterator[StoredFile]:
        """List all files of the store, ordered by address."""

    @abstractmethod
    def delete(self, address: str) -> None:
        """Remove an artifact. To remove one that does not exist is not an error.

        Args:
            address: As `put` returned it.
        """

    def together(self) -> AbstractContextManager[None]:
        """Within the block `put` may return before the bytes have arrived; at the block's end all have arrived.

        Returns:
            A context manager; leaving it raises the `StoreError` of the first artifact that did not arrive.
        """
        return nullcontext()

    def fetch(self, addresses: Sequence[str]) -> None:  # noqa: B027  # local files need no fetching
        """Bring several artifacts to this machine at once, where `local_path` would bring them one by one.

        An artifact that cannot be brought is not an error here; `local_path` reports it.

        Args:
            addresses: As `put` returned them.
        """

    def check(self) -> str:
        """Write, read and remove a small object.

        Returns:
            One line for people.

        Raises:
            StoreError: What is wrong (credentials, bucket, rights), and how to fix it.
        """
        probe = f"zenbook probe {os.urandom(8).hex()}".encode()
        written = self.put_bytes(probe, suffix=".txt")
        try:
            with self.open(written.address) as file:
                same = file.read() == probe
        finally:
            self.delete(written.address)
        if not same:
            raise StoreError(
                f"{self.uri(written.address)} does not contain the bytes that were written to it.",
                "Look at the store by hand.",
            )
        return f"{self.describe()}: writes and reads"
