"""The artifact store on object storage, or any other filesystem that fsspec reaches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from zenbook.artifact_stores.content_addressed import checked_address
from zenbook.artifact_stores.hashed_file import TemporaryFile
from zenbook.artifact_stores.object_storage.local_cache import DownloadCache
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteFilesystem, RemoteLocation
from zenbook.errors import ArtifactError, ZenbookError
from zenbook.stack.artifact_store import ArtifactStore, StoredBytes, StoredFile

PARALLEL_TRANSFERS = 8


class ObjectStore(ArtifactStore):
    """Artifacts as objects ``ab/cdef….suffix`` below a URL, with local copies of those that were written or read here.

    An artifact is first written to a file of the cache, since its address is known only at the end. Then it is
    uploaded, unless the store has it, and the file remains as the local copy.

    Args:
        location: Where the objects are.
        cache: The local copies.
    """

    def __init__(self, location: RemoteLocation, cache: DownloadCache) -> None:
        self._location = location
        self._remote = RemoteFilesystem(location)
        self._cache = cache
        self._uploads: ContextVar[_Uploads | None] = ContextVar(f"uploads to {location.url}", default=None)

    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to its file, atomically, and hash it meanwhile."""
        uploads = self._uploads.get()
        with self._cache.folder.temporary() as temporary:
            stored = self._cache.folder.write(write, temporary, suffix)
            temporary.close()
            if uploads is None:
                self._upload(temporary, stored)
            else:
                uploads.add(stored.address, lambda: self._upload(temporary, stored), temporary.discard)
        return stored

    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open the object itself for reading. Raises `ArtifactError` if there is none at that address."""
        return self._open_object(checked_address(address))

    def local_path(self, address: str) -> Path:
        """Path of the local copy, after a download if needed. Raises `ArtifactError` for a missing object."""
        self._wait_for_upload(address)
        return self._cache.path(address) or self._download(address)

    def exists(self, address: str) -> bool:
        """Whether the artifact is in the store; a local copy doesn't count."""
        self._wait_for_upload(address)
        return self._remote.exists(checked_address(address))

    def uri(self, address: str) -> str:
        """The object's URL."""
        return f"{self._location.url}/{checked_address(address)}"

    def describe(self) -> str:
        """The URL, and the endpoint where one is set."""
        return f"objects in {self._location.url}" + (
            f" (endpoint {self._location.where})" if self._location.where else ""
        )

    def listing(self) -> Iterator[StoredFile]:
        """All stored objects, by address."""
        empty = True
        with contextlib.suppress(FileNotFoundError):
            for file in self._remote.listing():
                empty = False
                yield file
        if empty and not self._remote.has_bucket():
            raise self._remote.no_bucket()

    def delete(self, address: str) -> None:
        """Remove an artifact and its local copy; it is not an error if there is none."""
        self._remote.delete(checked_address(address))
        self._cache.folder.delete(address)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Within the block several uploads run in the background; its end waits for all and raises the first error."""
        if self._uploads.get() is not None:
            yield
            return
        uploads = _Uploads()
        token = self._uploads.set(uploads)
        try:
            yield
            uploads.finish()
        except BaseException:
            uploads.cancel()
            raise
        finally:
            self._uploads.reset(token)

    def fetch(self, addresses: Sequence[str]) -> None:
        """Download the copies that are missing here, several at once."""
        missing = [address for address in dict.fromkeys(addresses) if self._cache.path(address) is None]
        if len(missing) < 2:
            return
        pool = ThreadPoolExecutor(PARALLEL_TRANSFERS, "zenbook-download")
        try:
            wait([pool.submit(self._download_if_possible, address) for address in missing])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def check(self) -> str:
        """Write, read and remove a small object. Raises `StoreError`, soon even if the server does not answer."""
        with self._remote.no_retries():
            return super().check()

    # --- transfers ----------------------------------------------------------------------------------------------

    def _upload(self, temporary: TemporaryFile, stored: StoredBytes) -> None:
        try:
            if not self._remote.has_object_of_size(stored.address, stored.size):
                self._remote.upload(temporary.path, stored.address, stored.size)
            self._cache.add(temporary, stored)
        except BaseException:
            temporary.discard()
            raise

    def _download(self, address: str) -> Path:
        try:
            return self._cache.download(address, lambda path: self._remote.download(address, path))
        except FileNotFoundError:
            pass
        raise self._missing(address)

    def _download_if_possible(self, address: str) -> None:
        with contextlib.suppress(ZenbookError):  # `local_path` reports it when the artifact is needed
            self._download(address)

    @contextlib.contextmanager
    def _open_object(self, address: str) -> Iterator[BinaryIO]:
        self._wait_for_upload(address)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._remote.open(address))
            except FileNotFoundError:
                raise self._missing(address) from None
            yield file

    def _wait_for_upload(self, address: str) -> None:
        uploads = self._uploads.get()
        if uploads is not None:
            uploads.wait_for(address)

    def _missing(self, address: str) -> ZenbookError:
        if not self._remote.has_bucket():
            return self._remote.no_bucket()
        return ArtifactError(
            f"The artifact {address} isn't in the store {self._location.url} any more.",
            "Run the step that produced it again, with --no-cache.",
        )


class _Uploads:
    """The background uploads of one block."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[str, Future[None]] = {}
        self._discards: list[tuple[Future[None], Callable[[], None]]] = []

    def add(self, address: str, upload: Callable[[], None], discard: Callable[[], None]) -> None:
        """Start an upload; an address that is being uploaded is not sent twice."""
        if address in self._running:
            discard()
            return
        self._pool = self._pool or ThreadPoolExecutor(PARALLEL_TRANSFERS, "zenbook-upload")
        self._running[address] = self._pool.submit(upload)
        self._discards.append((self._running[address], discard))

    def wait_for(self, address: str) -> None:
        """Wait until an upload has arrived. Raises its error."""
        if address in self._running:
            self._running[address].result()

    def finish(self) -> None:
        """Wait for all. Raises the first error, and then starts no others."""
        if self._pool is None:
            return
        wait(self._running.values(), return_when=FIRST_EXCEPTION)
        self._pool.shutdown(wait=True, cancel_futures=True)
        for upload in self._running.values():
            if not upload.cancelled():
                upload.result()

    def cancel(self) -> None:
        """Start no others; running uploads end by themselves."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for upload, discard in self._discards:
            if upload.cancelled():
                discard()
