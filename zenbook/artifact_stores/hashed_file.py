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

BUFFER_BYTES = 256 * 1024  # a pickle of many small objects comes in pieces of a few bytes
ASIDE_BYTES = 1024 * 1024  # hashing this takes 0.15 ms, starting a thread for it 0.05
READ_ONLY = 0o444  # nobody changes an artifact by mistake; deleting asks the folder's permissions, not the file's


class Temporary:
    """A new file, on the bare descriptor: `open` and `pathlib` cost more than writing small data does.

    ``failure`` is the disk's own error, to be told from those of whoever writes.
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
        """Write all of it; the system takes at most 2 GiB at once."""
        done = 0
        try:
            while done < len(view):
                done += os.write(self._descriptor, view[done:] if done else view)
        except OSError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Close the descriptor; a network disk may say only now that it is full."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.close(descriptor)
        except OSError as error:
            self.failure = error
            raise

    def rename(self, target: str) -> None:
        """Give the file its name; the folder is made when it turns out to be missing."""
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
        """Close and remove the file; the error that led here matters more than one on the way out."""
        with contextlib.suppress(OSError):
            self.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class HashingFile(io.BufferedIOBase):
    """A file for writing only that hashes what it writes; closing it is left to the store.

    One thread hashes 7 GB/s, faster than disks write; while large data is written, another one hashes it. blake3 has
    threads of its own, but they aren't in a forked child, where hashing with them waits for ever.
    """

    def __init__(self, temporary: Temporary) -> None:
        self._temporary = temporary
        self._hash = blake3()
        self._pending = bytearray()
        self._written = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of the data, without a copy if it is large."""
        if self.closed:
            raise ValueError("write to closed file")
        view = flat(data)
        if len(view) + len(self._pending) < BUFFER_BYTES:
            self._pending += view
        else:
            self._drain()
            self._out(view)
        return len(view)

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def tell(self) -> int:
        """How much was written."""
        return self._written + len(self._pending)

    def finish(self) -> tuple[str, int]:
        """The digest and size of all that was written; raises the disk's error if a writer has swallowed it."""
        self._drain()
        if self._temporary.failure is not None:
            raise self._temporary.failure
        return self._hash.hexdigest(), self._written

    def _drain(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, bytearray()
            self._out(memoryview(pending))

    def _out(self, view: memoryview) -> None:
        if len(view) < ASIDE_BYTES:
            self._hash.update(view)
            self._temporary.write(view)
        else:
            self._out_in_two_threads(view)
        self._written += len(view)

    def _out_in_two_threads(self, view: memoryview) -> None:
        hashed: list[bool] = []

        def digest() -> None:
            self._hash.update(view)  # lets go of the interpreter's lock, as writing does
            hashed.append(True)

        hashing = threading.Thread(target=digest, name="zenbook-digest", daemon=True)
        hashing.start()
        try:
            self._temporary.write(view)
        finally:
            hashing.join()
        if not hashed:
            raise StoreError("An artifact's digest could not be computed.", "Run the step again.")


def flat(data: ReadableBuffer) -> memoryview:
    """The data's bytes where they are, in the order in which they lie in memory."""
    view = memoryview(data)
    if view.format == "B" and view.ndim == 1 and view.contiguous:
        return view
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
