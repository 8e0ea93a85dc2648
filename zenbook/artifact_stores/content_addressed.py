"""A folder of files whose names are the digests of their content."""

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

from zenbook.artifact_stores.hashed_file import HashingFile, TemporaryFile
from zenbook.errors import ArtifactError, StoreError
from zenbook.stack.artifact_store import StoredBytes, StoredFile

ADDRESS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}(\.[A-Za-z0-9_-]+)*")
SUFFIX = re.compile(r"(\.[A-Za-z0-9_-]+)*")
STALE_SECONDS = 24 * 3600.0


class AddressedFolder:
    """Read-only files ``ab/cdef….suffix`` below a folder, which is created when the first file is written.

    A file is written in ``tmp`` and then renamed, so readers see all of it or nothing, and two writers of the same
    bytes don't disturb each other. It isn't flushed to the disk (2 ms): a file that lost its end in a power cut is
    replaced when it is stored again.

    Args:
        root: The folder.
        label: What error messages call it, like ``artifact store``.
        alternative: What the user can do besides freeing space, as the end of a sentence.
    """

    def __init__(self, root: str, *, label: str, alternative: str) -> None:
        self.root = os.path.abspath(root)
        self._label = label
        self._alternative = alternative
        self._tmp = os.path.join(self.root, "tmp")
        self._cleaned_by = 0  # id of the process that has removed the files which killed processes left

    def write(self, write: Callable[[BinaryIO], object], temporary: TemporaryFile, suffix: str) -> StoredBytes:
        """Fill a temporary file and hash its content while it is written.

        Args:
            write: Called with a binary file, to which it writes the content.
            temporary: The file that is filled; `publish` gives it its name.
            suffix: End of the address, like ``.arrow``.

        Returns:
            Digest, address and size of the content.
        """
        file = HashingFile(temporary)
        write(cast(BinaryIO, file))
        digest, size = file.finish()
        return StoredBytes(digest, address_of(digest, suffix), size)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[TemporaryFile]:
        """A temporary file that is removed if the block fails; errors of the disk become `StoreError`."""
        try:
            temporary = TemporaryFile(self.temporary_path())
        except OSError as error:
            raise self.to_store_error(error) from error
        try:
            yield temporary
        except BaseException:
            temporary.discard()
            if temporary.failure is None:
                raise
            raise self.to_store_error(temporary.failure) from temporary.failure

    def temporary_path(self) -> str:
        """Path for a new file that has no name yet; its folder may be missing."""
        if self._cleaned_by != os.getpid():
            self._cleaned_by = os.getpid()
            self._remove_stale_files()
        return f"{self._tmp}/{os.urandom(8).hex()}"

    def publish(self, temporary: TemporaryFile, stored: StoredBytes) -> None:
        """Give a temporary file its name, or remove it if the folder has the content already.

        Args:
            temporary: A file that was filled.
            stored: What `write` returned for it.
        """
        temporary.close()
        if self.has_object_of_size(stored):
            temporary.discard()
        else:
            temporary.rename(os.path.join(self.root, stored.address))

    def has_object_of_size(self, stored: StoredBytes) -> bool:
        """Whether the folder has the file, and not a shorter one.

        Args:
            stored: Address and size of the file.

        Returns:
            False also where the file could not be looked at.
        """
        try:
            return os.stat(os.path.join(self.root, stored.address)).st_size == stored.size
        except OSError:
            return False

    def path(self, address: str) -> str:
        """Path of a file, which need not exist. Raises `ArtifactError` for text that is not an address.

        Args:
            address: ``ab/cdef….suffix``.

        Returns:
            The absolute path.
        """
        return os.path.join(self.root, checked_address(address))

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
                    status = os.stat(os.path.join(self.root, address))
                    yield StoredFile(address, status.st_size, status.st_mtime)

    def delete(self, address: str) -> None:
        """Remove a file; it is not an error if the file does not exist. Raises `StoreError` when the disk refuses.

        Args:
            address: ``ab/cdef….suffix``.
        """
        try:
            os.unlink(self.path(address))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self.to_store_error(error) from error

    def to_store_error(self, error: OSError) -> StoreError:
        """Say what an error of the disk means, and what to do.

        Args:
            error: The disk's error while a file was written or removed.

        Returns:
            The error to raise.
        """
        store = f"Cannot write to the {self._label} {self.root!r}"
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            return StoreError(
                f"{store}: {error.strerror or error}.",
                f"Look at the folder (`ls -ld {self.root}`), {self._alternative}",
            )
        message, hint = reason
        return StoreError(f"{store}: {message}.", f"{hint.format(root=self.root)}, {self._alternative}")

    def _remove_stale_files(self) -> None:
        """Remove the files of killed processes; a file younger than a day may still be written."""
        oldest = time.time() - STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(self._tmp) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # another process may be removing them too
                    if entry.stat().st_mtime < oldest:
                        os.unlink(entry.path)


_FREE_SPACE = "Free some space (zen gc, `df -h {root}`)"
_MAKE_WRITABLE = "Make the folder writable"
_REASONS = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("your disk quota is used up", _FREE_SPACE),
    errno.EROFS: ("the disk is read-only", _MAKE_WRITABLE),
    errno.EACCES: ("you do not have write permission", _MAKE_WRITABLE),
    errno.EPERM: ("you do not have write permission", _MAKE_WRITABLE),
    errno.EFBIG: ("the file is larger than allowed", "Raise the limit (`ulimit -f`)"),
}


def address_of(digest: str, suffix: str) -> str:
    """The address of content.

    Args:
        digest: The blake3 digest, 64 hex digits.
        suffix: Empty, or any number of parts like ``.arrow``.

    Returns:
        ``ab/cdef….suffix``.

    Raises:
        ValueError: For a suffix of another form.
    """
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"an artifact's suffix is like '.arrow', not {suffix!r}")
    return f"{digest[:2]}/{digest[2:]}{suffix}"


def digest_of_address(address: str) -> str:
    """The digest that an address contains.

    Args:
        address: ``ab/cdef….suffix``.

    Returns:
        64 hex digits.
    """
    return address[:2] + address[3:65]


def checked_address(address: str) -> str:
    """The address itself, so that no path outside the store is ever opened.

    Args:
        address: Text that should be an address.

    Returns:
        The same text.

    Raises:
        ArtifactError: For text that is not an address.
    """
    if not ADDRESS.fullmatch(address):
        raise ArtifactError(
            f"{address!r} is not the address of an artifact.",
            "An address has the form ab/cdef….suffix, with 64 hex digits.",
        )
    return address
