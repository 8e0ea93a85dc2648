"""Files of this machine that are addressed by the digest of their content."""

# pathlib costs as much as writing a small file does:
# ruff: noqa: PTH100, PTH108, PTH116, PTH118, PTH208

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from zenbook.artifact_stores.hashed_file import HashingFile, Temporary
from zenbook.errors import ArtifactError, StoreError
from zenbook.stack.artifact_store import StoredBytes, StoredFile

ADDRESS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}(\.[A-Za-z0-9_-]+)*")
SUFFIX = re.compile(r"(\.[A-Za-z0-9_-]+)*")
STALE_SECONDS = 24 * 3600.0


class AddressedFolder:
    """Read-only files ``ab/cdef….suffix`` below a folder, which is made when the first is written.

    A file is written in ``tmp`` and then renamed, so it is there in whole or not at all, and two writers of the same
    bytes don't disturb each other. It isn't flushed to the disk (2 ms): a file that lost its end in a power cut is
    replaced when it is stored again. ``called`` is what errors say of it, ``otherwise`` the way out besides freeing
    space.
    """

    def __init__(self, root: str, *, called: str, otherwise: str) -> None:
        self.root = os.path.abspath(root)
        self._called = called
        self._otherwise = otherwise
        self._tmp = os.path.join(self.root, "tmp")
        self._swept_by = 0  # the process that has removed what killed ones left

    def write(self, write: Callable[[BinaryIO], object], temporary: Temporary, suffix: str) -> StoredBytes:
        """Fill a temporary file, hashing on the way."""
        file = HashingFile(temporary)
        write(cast(BinaryIO, file))
        digest, size = file.finish()
        return StoredBytes(digest, address_of(digest, suffix), size)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Temporary]:
        """A temporary file that is gone if anything goes wrong; errors of the disk become `StoreError`."""
        try:
            temporary = Temporary(self.temporary_path())
        except OSError as error:
            raise self.unwritable(error) from error
        try:
            yield temporary
        except BaseException:
            temporary.discard()
            if temporary.failure is None:
                raise
            raise self.unwritable(temporary.failure) from temporary.failure

    def temporary_path(self) -> str:
        """Where a new file can be written before it has its name; its folder may be missing."""
        if self._swept_by != os.getpid():
            self._swept_by = os.getpid()
            self._sweep()
        return f"{self._tmp}/{os.urandom(8).hex()}"

    def publish(self, temporary: Temporary, stored: StoredBytes) -> None:
        """Give a file its name, unless it is there already."""
        temporary.close()
        if self.has_object_of_size(stored):
            temporary.discard()
        else:
            temporary.rename(os.path.join(self.root, stored.address))

    def has_object_of_size(self, stored: StoredBytes) -> bool:
        """Whether a file of that name and size is there."""
        try:
            return os.stat(os.path.join(self.root, stored.address)).st_size == stored.size
        except OSError:
            return False

    def path(self, address: str) -> str:
        """Where a file is, if it is there. Raises `ArtifactError` for what is no address."""
        return os.path.join(self.root, checked(address))

    def listing(self) -> Iterator[StoredFile]:
        """All files, by address."""
        try:
            folders = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return
        for folder in folders:
            if not re.fullmatch("[0-9a-f]{2}", folder):
                continue
            for name in sorted(os.listdir(os.path.join(self.root, folder))):
                address = f"{folder}/{name}"
                if ADDRESS.fullmatch(address):
                    facts = os.stat(os.path.join(self.root, address))
                    yield StoredFile(address, facts.st_size, facts.st_mtime)

    def delete(self, address: str) -> None:
        """Remove a file; removing what is not there is no error."""
        try:
            os.unlink(self.path(address))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self.unwritable(error) from error

    def unwritable(self, error: OSError) -> StoreError:
        """What the disk's error means, and the way out."""
        store = f"The {self._called} {self.root!r} can't be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "the disk is full" if error.errno == errno.ENOSPC else "your disk quota is used up"
            return StoreError(f"{store}: {what}.", f"Free some space (zen gc, `df -h {self.root}`), {self._otherwise}")
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            what = "the disk is read-only" if error.errno == errno.EROFS else "you may not write there"
            return StoreError(f"{store}: {what}.", f"Make the folder writable, {self._otherwise}")
        if error.errno == errno.EFBIG:
            return StoreError(
                f"{store}: the file is larger than allowed.", f"Raise the limit (`ulimit -f`), {self._otherwise}"
            )
        return StoreError(
            f"{store}: {error.strerror or error}.", f"Look at the folder (`ls -ld {self.root}`), {self._otherwise}"
        )

    def _sweep(self) -> None:
        """Remove what killed processes left; what is younger than a day may still be written."""
        old = time.time() - STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(self._tmp) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # another process may be sweeping too
                    if entry.stat().st_mtime < old:
                        os.unlink(entry.path)


def address_of(digest: str, suffix: str) -> str:
    """``ab/cdef….suffix``."""
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"an artifact's suffix is like '.arrow', not {suffix!r}")
    return f"{digest[:2]}/{digest[2:]}{suffix}"


def digest_in(address: str) -> str:
    """The digest that an address is made of."""
    return address[:2] + address[3:65]


def checked(address: str) -> str:
    """The address itself. Raises `ArtifactError` for what is none."""
    if not ADDRESS.fullmatch(address):
        raise ArtifactError(
            f"{address!r} is no artifact's address.", "An address has the form ab/cdef….suffix, with 64 hex digits."
        )
    return address
