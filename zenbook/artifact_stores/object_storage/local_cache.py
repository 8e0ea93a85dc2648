"""Local copies of remote artifacts: their total size is limited, their digests are checked, processes share them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from zenbook.artifact_stores.content_addressed import AddressedFolder, digest_of_address
from zenbook.artifact_stores.hashed_file import READ_ONLY, TemporaryFile
from zenbook.core.digest import digest_of_file, digest_of_path, remember_digest
from zenbook.errors import ArtifactError
from zenbook.stack.artifact_store import StoredBytes

KEEP_SECONDS = 600.0  # a copy that was used within this time is not removed: somebody may be about to open it
TOUCH_SECONDS = 60.0  # precision of the time at which a copy was last used
COUNTS_PER_LIMIT = 20  # a twentieth of the limit may be written before all copies are counted again


class DownloadCache:
    """Read-only copies ``ab/cdef….suffix``; the least recently used are removed first.

    The access time of a copy says when it was last used. It is set explicitly, since many disks don't keep it. Setting
    it and removing a copy need one lock, so that no copy is removed between `path` and its opening; a copy that is
    open or mapped stays readable.

    Args:
        folder: Where the copies are.
        limit: Total size of the copies, in bytes.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.folder = AddressedFolder(
            str(folder), label="download cache", alternative="or set a smaller cache_size for the artifact store."
        )
        self._limit = limit
        self._uncounted = limit  # bytes written since all copies were counted; unknown at first

    def path(self, address: str) -> Path | None:
        """The copy of an artifact, verified and safe from removal for some minutes.

        Args:
            address: ``ab/cdef….suffix``.

        Returns:
            Its path; None without an intact copy.
        """
        path = self.folder.path(address)
        try:
            if time.time() - os.stat(path).st_atime > TOUCH_SECONDS:  # noqa: PTH116
                with self._locked():
                    os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))  # noqa: PTH116
            if digest_of_file(Path(path)) == digest_of_address(address):
                return Path(path)
        except FileNotFoundError:
            return None
        self.folder.delete(address)
        return None

    def add(self, temporary: TemporaryFile, stored: StoredBytes) -> None:
        """Turn a file that was just written into a copy.

        Args:
            temporary: The file.
            stored: Digest, address and size of its content.
        """
        self.folder.publish(temporary, stored)
        with contextlib.suppress(OSError):  # a copy that existed before may be removed at this moment
            remember_digest(Path(self.folder.path(stored.address)), stored.digest)
        self._count(stored.size)

    def download(self, address: str, fetch: Callable[[str], None]) -> Path:
        """Download a copy, and check its digest; a wrong one is downloaded once more.

        An error of this machine's disk becomes a `StoreError`.

        Args:
            address: ``ab/cdef….suffix``.
            fetch: Writes the object to the path that it gets; raises `FileNotFoundError` for a missing object, and
                another `OSError` for an error of this machine's disk.

        Returns:
            The path of the copy.

        Raises:
            FileNotFoundError: If the object is missing.
            ArtifactError: For bytes of another digest.
        """
        digest = digest_of_address(address)
        downloaded = ""
        for _ in range(2):
            path = self.folder.temporary_path()
            try:
                downloaded, size = self._fetch(fetch, path)
                if downloaded == digest:
                    target = Path(self.folder.path(address))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    Path(path).replace(target)
                    remember_digest(target, digest)
                    self._count(size)
                    return target
            except FileNotFoundError:  # in the store
                raise
            except OSError as error:
                raise self.folder.to_store_error(error) from error
            finally:
                Path(path).unlink(missing_ok=True)
        raise ArtifactError(
            f"The artifact {address} is damaged: its bytes have the digest {downloaded[:12]}….",
            "Remove the object, and run the step that produced it again, with --no-cache.",
        )

    def _fetch(self, fetch: Callable[[str], None], path: str) -> tuple[str, int]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        fetch(path)
        Path(path).chmod(READ_ONLY)
        return digest_of_path(Path(path)), Path(path).stat().st_size

    # --- the limit ----------------------------------------------------------------------------------------------

    def _count(self, size: int) -> None:
        self._uncounted += size
        if self._uncounted >= self._limit // COUNTS_PER_LIMIT:
            self._uncounted = 0
            self._evict()

    def _evict(self) -> None:
        copies = []
        for file in self.folder.listing():
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                copies.append((os.stat(self.folder.path(file.address)).st_atime, file.size, file.address))  # noqa: PTH116
        excess = sum(size for _, size, _ in copies) - self._limit
        for used_at, size, address in sorted(copies):
            if excess <= 0 or time.time() - used_at < KEEP_SECONDS:
                return
            with self._locked():
                path = self.folder.path(address)
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(path).st_atime == used_at:  # noqa: PTH116
                        self.folder.delete(address)
                        excess -= size

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        from filelock import FileLock

        return FileLock(os.path.join(self.folder.root, "lock"))  # noqa: PTH118
