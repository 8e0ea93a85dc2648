"""Write a new file while its content is hashed."""

# pathlib costs as much as writing a small file does:
# ruff: noqa: PTH103, PTH104, PTH108, PTH120

from __future__ import annotations

import contextlib
import io
import os
import threading
from typing import TYPE_CHECKING

from blake3 import blake3

from zenbook.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BUFFER_BYTES = 256 * 1024  # a pickle of many small objects is written in pieces of a few bytes
PARALLEL_BYTES = 1024 * 1024  # hashing this takes 0.15 ms, starting a thread for it 0.05
# Nobody changes an artifact by mistake; deleting needs the permissions of the folder, not of the file.
READ_ONLY = 0o444


class TemporaryFile:
    """A new file, on the bare descriptor: `open` and `pathlib` cost more than writing small data does.

    ``failure`` is the last error of the disk itself, so that it can be distinguished from errors of the code that
    writes.

    Args:
        path: Where the file is created; a missing folder is created too.
    """

    def __init__(self, path: str) -> None:
        self.failure: OSError | None = None
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, READ_ONLY)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._descriptor = os.open(path, flags, READ_ONLY)

    def write(self, view: memoryview) -> None:
        """Write all bytes; the system takes at most 2 GiB at once.

        Args:
            view: Contiguous bytes.

        Raises:
            OSError: Of the disk; also in `failure`.
        """
        done = 0
        try:
            while done < len(view):
                done += os.write(self._descriptor, view[done:] if done else view)
        except OSError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Close the descriptor; a network disk may report only now that it is full."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.close(descriptor)
        except OSError as error:
            self.failure = error
            raise

    def rename(self, target: str) -> None:
        """Give the file its name.

        Args:
            target: The new path; a missing folder is created.

        Raises:
            OSError: Of the disk; also in `failure`.
        """
        try:
            try:
                os.rename(self.path, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(self.path, target)
        except OSError as error:
            self.failure = error
            raise

    def discard(self) -> None:
        """Close and remove the file; the error that led here matters more than one of this clean-up."""
        with contextlib.suppress(OSError):
            self.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class HashingFile(io.BufferedIOBase):
    """A write-only file that hashes what it writes; the store closes it.

    One thread hashes 7 GB/s, faster than disks write; while large data is written, another one hashes it. blake3 has
    threads of its own, but a forked child does not have them, and hashing there would wait forever.

    Args:
        temporary: The file that receives the bytes.
    """

    def __init__(self, temporary: TemporaryFile) -> None:
        self._temporary = temporary
        self._hash = blake3()
        self._pending = bytearray()
        self._written = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all data, without a copy if it is large.

        Args:
            data: Bytes, or any object that gives its memory as bytes.

        Returns:
            How many bytes were taken: all.

        Raises:
            ValueError: When the file is closed.
        """
        if self.closed:
            raise ValueError("write to closed file")
        view = contiguous_bytes(data)
        if len(view) + len(self._pending) < BUFFER_BYTES:
            self._pending += view
        else:
            self._write_pending()
            self._write_and_hash(view)
        return len(view)

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._written + len(self._pending)

    def finish(self) -> tuple[str, int]:
        """Digest and size of all that was written; raises the disk's error if the writer ignored it."""
        self._write_pending()
        if self._temporary.failure is not None:
            raise self._temporary.failure
        return self._hash.hexdigest(), self._written

    def _write_pending(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, bytearray()
            self._write_and_hash(memoryview(pending))

    def _write_and_hash(self, view: memoryview) -> None:
        if len(view) < PARALLEL_BYTES:
            self._hash.update(view)
            self._temporary.write(view)
        else:
            self._write_and_hash_in_parallel(view)
        self._written += len(view)

    def _write_and_hash_in_parallel(self, view: memoryview) -> None:
        hashed: list[bool] = []

        def digest() -> None:
            self._hash.update(view)  # releases the interpreter's lock, as writing does
            hashed.append(True)

        hashing = threading.Thread(target=digest, name="zenbook-digest", daemon=True)
        hashing.start()
        try:
            self._temporary.write(view)
        finally:
            hashing.join()
        if not hashed:
            raise StoreError("Could not compute the digest of an artifact.", "Run the step again.")


def contiguous_bytes(data: ReadableBuffer) -> memoryview:
    """The bytes of an object in the order in which they lie in memory, copied only if they have gaps.

    Args:
        data: Bytes, or any object that gives its memory as bytes, like an array.

    Returns:
        A one-dimensional view of bytes.
    """
    view = memoryview(data)
    if view.format == "B" and view.ndim == 1 and view.contiguous:
        return view
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
