"""The artifact store in a folder of the local machine."""

# pathlib costs as much as writing a small file does:
# ruff: noqa: PTH100, PTH103, PTH104, PTH108, PTH110, PTH116, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from blake3 import blake3

from zenbook.errors import ArtifactError, StoreError
from zenbook.stack.components import ArtifactStore, StoredBytes, StoredFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ADDRESS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}(\.[A-Za-z0-9_-]+)*")
SUFFIX = re.compile(r"(\.[A-Za-z0-9_-]+)*")
BUFFER_BYTES = 256 * 1024  # a pickle of many small objects comes in pieces of a few bytes
ASIDE_BYTES = 1024 * 1024  # hashing this takes 0.15 ms, starting a thread for it 0.05
STALE_SECONDS = 24 * 3600.0
READ_ONLY = 0o444  # nobody changes an artifact by mistake; deleting asks the folder's permissions, not the file's


class LocalArtifactStore(ArtifactStore):
    """Artifacts as read-only files ``ab/cdef….suffix`` below a folder, which is made when the first is stored.

    A file is written in ``tmp`` and then renamed, so it is there in whole or not at all, and two writers of the same
    bytes don't disturb each other. It isn't flushed to the disk (2 ms): a file that lost its end in a power cut is
    replaced when it is stored again.
    """

    on_this_machine = True

    def __init__(self, root: Path) -> None:
        self._root = os.path.abspath(root)
        self._tmp = os.path.join(self._root, "tmp")
        self._swept_by = 0  # the process that has removed what killed ones left

    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to the file it is given, atomically, hashing on the way."""
        with self._temporary() as temporary:
            file = _HashingFile(temporary)
            write(cast(BinaryIO, file))
            digest, size = file.finish()
            stored = StoredBytes(digest, _address(digest, suffix), size)
            self._publish(temporary, stored)
        return stored

    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        """Store bytes that are in memory already; nothing is written if they are there."""
        view = _flat(data)
        digest = blake3(view).hexdigest()
        stored = StoredBytes(digest, _address(digest, suffix), len(view))
        if not self._holds(stored):
            with self._temporary() as temporary:
                temporary.write(view)
                self._publish(temporary, stored)
        return stored

    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open an artifact for reading. Raises `ArtifactError` when there is none at that address."""
        path = self._path(address)
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
        path = self._path(address)
        if not os.path.exists(path):
            raise self._missing(address)
        return Path(path)

    def exists(self, address: str) -> bool:
        """Whether an artifact is there."""
        return os.path.exists(self._path(address))

    def describe(self) -> str:
        """Where the files are."""
        return f"files in {self._root}"

    def uri(self, address: str) -> str:
        """The artifact's absolute path."""
        return self._path(address)

    def listing(self) -> Iterator[StoredFile]:
        """All that is stored, by address."""
        try:
            folders = sorted(os.listdir(self._root))
        except FileNotFoundError:
            return
        for folder in folders:
            if not re.fullmatch("[0-9a-f]{2}", folder):
                continue
            for name in sorted(os.listdir(os.path.join(self._root, folder))):
                address = f"{folder}/{name}"
                if ADDRESS.fullmatch(address):
                    facts = os.stat(os.path.join(self._root, address))
                    yield StoredFile(address, facts.st_size, facts.st_mtime)

    def delete(self, address: str) -> None:
        """Remove an artifact; removing what is not there is no error."""
        try:
            os.unlink(self._path(address))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unwritable(error) from error

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[_Temporary]:
        """A temporary file that is gone in the end, whatever happens; errors of the disk become `StoreError`."""
        if self._swept_by != os.getpid():
            self._swept_by = os.getpid()
            self._sweep()
        try:
            temporary = _Temporary(self._tmp)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield temporary
        except BaseException:
            temporary.discard()
            if temporary.failure is None:
                raise
            raise self._unwritable(temporary.failure) from temporary.failure

    def _publish(self, temporary: _Temporary, stored: StoredBytes) -> None:
        temporary.close()
        if self._holds(stored):
            temporary.discard()
        else:
            temporary.rename(os.path.join(self._root, stored.address))

    def _holds(self, stored: StoredBytes) -> bool:
        try:
            return os.stat(os.path.join(self._root, stored.address)).st_size == stored.size
        except OSError:
            return False

    def _sweep(self) -> None:
        """Remove what killed processes left; what is younger than a day may still be written."""
        old = time.time() - STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(self._tmp) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # another process may be sweeping too
                    if entry.stat().st_mtime < old:
                        os.unlink(entry.path)

    def _path(self, address: str) -> str:
        if not ADDRESS.fullmatch(address):
            raise ArtifactError(
                f"{address!r} is no artifact's address.", "An address has the form ab/cdef….suffix, with 64 hex digits."
            )
        return os.path.join(self._root, address)

    def _missing(self, address: str) -> ArtifactError:
        return ArtifactError(
            f"The artifact {address} isn't in the store {self._root!r} any more.",
            "Run the step that made it again with --no-cache to make it anew.",
        )

    def _unwritable(self, error: OSError) -> StoreError:
        store = f"The artifact store {self._root!r} can't be written"
        elsewhere = "or choose another place: zen config artifacts set DIR."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "the disk is full" if error.errno == errno.ENOSPC else "your disk quota is used up"
            return StoreError(f"{store}: {what}.", f"Free some space (zen gc, `df -h {self._root}`), {elsewhere}")
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            what = "the disk is read-only" if error.errno == errno.EROFS else "you may not write there"
            return StoreError(f"{store}: {what}.", f"Make the folder writable, {elsewhere}")
        if error.errno == errno.EFBIG:
            return StoreError(
                f"{store}: the file is larger than allowed.", f"Raise the limit (`ulimit -f`), {elsewhere}"
            )
        return StoreError(
            f"{store}: {error.strerror or error}.", f"Look at the folder (`ls -ld {self._root}`), {elsewhere}"
        )


class _Temporary:
    """A new file in a folder, on the bare descriptor: `open` and `pathlib` cost more than writing small data does.

    ``failure`` is the disk's own error, to be told from those of whoever writes.
    """

    def __init__(self, folder: str) -> None:
        self.failure: OSError | None = None
        self._path = f"{folder}/{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._path, flags, READ_ONLY)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            self._descriptor = os.open(self._path, flags, READ_ONLY)

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
                os.rename(self._path, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(self._path, target)
        except OSError as error:
            self.failure = error
            raise

    def discard(self) -> None:
        """Close and remove the file; the error that led here matters more than one on the way out."""
        with contextlib.suppress(OSError):
            self.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


class _HashingFile(io.BufferedIOBase):
    """A file for writing only that hashes what it writes; closing it is left to the store.

    One thread hashes 7 GB/s, faster than disks write; while large data is written, another one hashes it. blake3 has
    threads of its own, but they aren't in a forked child, where hashing with them waits for ever.
    """

    def __init__(self, temporary: _Temporary) -> None:
        self._temporary = temporary
        self._hash = blake3()
        self._pending = bytearray()
        self._written = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of the data, without a copy if it is large."""
        if self.closed:
            raise ValueError("write to closed file")
        view = _flat(data)
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


def _flat(data: ReadableBuffer) -> memoryview:
    """The data's bytes where they are, in the order in which they lie in memory."""
    view = memoryview(data)
    if view.format == "B" and view.ndim == 1 and view.contiguous:
        return view
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def _address(digest: str, suffix: str) -> str:
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"an artifact's suffix is like '.arrow', not {suffix!r}")
    return f"{digest[:2]}/{digest[2:]}{suffix}"
