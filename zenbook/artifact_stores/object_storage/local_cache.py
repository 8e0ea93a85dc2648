"""The copies of remote artifacts on this machine: of bounded size, checked by digest, shared by many processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from zenbook.artifact_stores.content_addressed import AddressedFolder, digest_in
from zenbook.artifact_stores.hashed_file import READ_ONLY, Temporary
from zenbook.core.digest import digest_of_file, digest_of_path, remember_digest
from zenbook.errors import ArtifactError
from zenbook.stack.artifact_store import StoredBytes

YOUNG_SECONDS = 600.0  # a copy that was asked for within this time is not removed: somebody may be about to open it
TOUCHED_SECONDS = 60.0  # how exactly it is known when a copy was last asked for
SLACK = 20  # a twentieth of the bound may be written before all copies are counted again


class DownloadCache:
    """Read-only copies ``ab/cdef….suffix``; those that nobody asked for the longest are removed first.

    When a copy was last asked for is its access time, set by hand, since many disks don't keep it. It is set and a copy
    is removed under one lock, so that no copy is removed between being asked for and being opened; one that is open or
    mapped already stays readable.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.folder = AddressedFolder(
            str(folder), called="download cache", otherwise="or set a smaller cache_size for the artifact store."
        )
        self._limit = limit
        self._uncounted = limit  # bytes written since all copies were counted: at first nobody knows

    def path(self, address: str) -> Path | None:
        """Where the copy is, verified and safe from removal for some minutes; None without a sound one."""
        path = self.folder.path(address)
        try:
            if time.time() - os.stat(path).st_atime > TOUCHED_SECONDS:  # noqa: PTH116
                with self._locked():
                    os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))  # noqa: PTH116
            if digest_of_file(Path(path)) == digest_in(address):
                return Path(path)
        except FileNotFoundError:
            return None
        self.folder.delete(address)
        return None

    def keep(self, temporary: Temporary, stored: StoredBytes) -> None:
        """Make a file that was just written the copy."""
        self.folder.publish(temporary, stored)
        with contextlib.suppress(OSError):  # another copy that was there already may be removed at this moment
            remember_digest(Path(self.folder.path(stored.address)), stored.digest)
        self._grown(stored.size)

    def bring(self, address: str, download: Callable[[str], None]) -> Path:
        """Download a copy; once more if it is not what its address says.

        ``download`` writes to the path that it is given, and raises `FileNotFoundError` for no object, another
        `OSError` for a fault of this machine's disk. Raises `ArtifactError` for bytes that still aren't those of the
        address.
        """
        digest = digest_in(address)
        found = ""
        for _ in range(2):
            path = self.folder.temporary_path()
            try:
                found, size = self._downloaded(download, path)
                if found == digest:
                    target = Path(self.folder.path(address))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    Path(path).replace(target)
                    remember_digest(target, digest)
                    self._grown(size)
                    return target
            except FileNotFoundError:  # in the store
                raise
            except OSError as error:
                raise self.folder.unwritable(error) from error
            finally:
                Path(path).unlink(missing_ok=True)
        raise ArtifactError(
            f"The artifact {address} is not what was stored: its bytes have the digest {found[:12]}….",
            "Remove the object and run the step that makes it again with --no-cache.",
        )

    def _downloaded(self, download: Callable[[str], None], path: str) -> tuple[str, int]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        download(path)
        Path(path).chmod(READ_ONLY)
        return digest_of_path(Path(path)), Path(path).stat().st_size

    # --- the bound ----------------------------------------------------------------------------------------------

    def _grown(self, size: int) -> None:
        self._uncounted += size
        if self._uncounted >= self._limit // SLACK:
            self._uncounted = 0
            self._evict()

    def _evict(self) -> None:
        copies = []
        for one in self.folder.listing():
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                copies.append((os.stat(self.folder.path(one.address)).st_atime, one.size, one.address))  # noqa: PTH116
        excess = sum(size for _, size, _ in copies) - self._limit
        for asked_at, size, address in sorted(copies):
            if excess <= 0 or time.time() - asked_at < YOUNG_SECONDS:
                return
            with self._locked():
                path = self.folder.path(address)
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(path).st_atime == asked_at:  # noqa: PTH116
                        self.folder.delete(address)
                        excess -= size

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        from filelock import FileLock

        return FileLock(os.path.join(self.folder.root, "lock"))  # noqa: PTH118
