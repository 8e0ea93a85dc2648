"""The artifact store on object storage, or any other filesystem that fsspec reaches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from zenbook.artifact_stores.content_addressed import checked
from zenbook.artifact_stores.hashed_file import Temporary
from zenbook.artifact_stores.object_storage.local_cache import DownloadCache
from zenbook.artifact_stores.object_storage.remote_filesystem import Remote, RemoteLocation
from zenbook.errors import ArtifactError, ZenbookError
from zenbook.stack.artifact_store import ArtifactStore, StoredBytes, StoredFile

AT_ONCE = 8  # transfers


class ObjectStore(ArtifactStore):
    """Artifacts as objects ``ab/cdef….suffix`` below a URL, with copies of those that were written or read here.

    What is written goes to a file of the cache first, since its address is known only at its end; then it is sent,
    unless it is there already, and the file stays as the copy that is read.
    """

    def __init__(self, place: RemoteLocation, cache: DownloadCache) -> None:
        self._place = place
        self._remote = Remote(place)
        self._cache = cache
        self._uploads: ContextVar[_Uploads | None] = ContextVar(f"uploads to {place.url}", default=None)

    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to the file it is given, atomically, hashing on the way."""
        uploads = self._uploads.get()
        with self._cache.folder.temporary() as temporary:
            stored = self._cache.folder.write(write, temporary, suffix)
            temporary.close()
            if uploads is None:
                self._send(temporary, stored)
            else:
                uploads.add(stored.address, lambda: self._send(temporary, stored), temporary.discard)
        return stored

    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open the object itself for reading. Raises `ArtifactError` when there is none at that address."""
        return self._opened(checked(address))

    def local_path(self, address: str) -> Path:
        """Where the copy is, which is brought if it isn't here. Raises `ArtifactError` when there is no such object."""
        self._arrived(address)
        return self._cache.path(address) or self._brought(address)

    def exists(self, address: str) -> bool:
        """Whether an artifact is in the store; a copy doesn't count."""
        self._arrived(address)
        return self._remote.exists(checked(address))

    def uri(self, address: str) -> str:
        """The object's URL."""
        return f"{self._place.url}/{checked(address)}"

    def describe(self) -> str:
        """The URL, and the endpoint where one is set."""
        return f"objects in {self._place.url}" + (f" (endpoint {self._place.where})" if self._place.where else "")

    def listing(self) -> Iterator[StoredFile]:
        """All that is stored, by address."""
        empty = True
        with contextlib.suppress(FileNotFoundError):
            for one in self._remote.listing():
                empty = False
                yield one
        if empty and not self._remote.has_bucket():
            raise self._remote.no_bucket()

    def delete(self, address: str) -> None:
        """Remove an artifact and its copy; removing what is not there is no error."""
        self._remote.delete(checked(address))
        self._cache.folder.delete(address)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Within the block uploads run beside it, several at once; its end waits for all and raises what failed."""
        if self._uploads.get() is not None:
            yield
            return
        uploads = _Uploads()
        token = self._uploads.set(uploads)
        try:
            yield
            uploads.finish()
        except BaseException:
            uploads.abandon()
            raise
        finally:
            self._uploads.reset(token)

    def fetch(self, addresses: Sequence[str]) -> None:
        """Bring the copies that are not here, several at once."""
        missing = [one for one in dict.fromkeys(addresses) if self._cache.path(one) is None]
        if len(missing) < 2:
            return
        pool = ThreadPoolExecutor(AT_ONCE, "zenbook-download")
        try:
            wait([pool.submit(self._bring_if_possible, one) for one in missing])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def check(self) -> str:
        """Write, read and remove a small object. Raises `StoreError`, soon even where nobody answers."""
        with self._remote.no_retries():
            return super().check()

    # --- transfers ----------------------------------------------------------------------------------------------

    def _send(self, temporary: Temporary, stored: StoredBytes) -> None:
        try:
            if not self._remote.has_object_of_size(stored.address, stored.size):
                self._remote.upload(temporary.path, stored.address, stored.size)
            self._cache.keep(temporary, stored)
        except BaseException:
            temporary.discard()
            raise

    def _brought(self, address: str) -> Path:
        try:
            return self._cache.bring(address, lambda path: self._remote.download(address, path))
        except FileNotFoundError:
            pass
        raise self._missing(address)

    def _bring_if_possible(self, address: str) -> None:
        with contextlib.suppress(ZenbookError):  # `local_path` will say it where the artifact is wanted
            self._brought(address)

    @contextlib.contextmanager
    def _opened(self, address: str) -> Iterator[BinaryIO]:
        self._arrived(address)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._remote.open(address))
            except FileNotFoundError:
                raise self._missing(address) from None
            yield file

    def _arrived(self, address: str) -> None:
        uploads = self._uploads.get()
        if uploads is not None:
            uploads.wait_for(address)

    def _missing(self, address: str) -> ZenbookError:
        if not self._remote.has_bucket():
            return self._remote.no_bucket()
        return ArtifactError(
            f"The artifact {address} isn't in the store {self._place.url} any more.",
            "Run the step that made it again with --no-cache to make it anew.",
        )


class _Uploads:
    """The uploads of one block."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[str, Future[None]] = {}
        self._discards: list[tuple[Future[None], Callable[[], None]]] = []

    def add(self, address: str, send: Callable[[], None], discard: Callable[[], None]) -> None:
        """Send it beside the block; what is under way already isn't sent twice."""
        if address in self._running:
            discard()
            return
        self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, "zenbook-upload")
        self._running[address] = self._pool.submit(send)
        self._discards.append((self._running[address], discard))

    def wait_for(self, address: str) -> None:
        """Wait until it has arrived. Raises what has gone wrong with it."""
        if address in self._running:
            self._running[address].result()

    def finish(self) -> None:
        """Wait for all. Raises the first error, and then starts no more."""
        if self._pool is None:
            return
        wait(self._running.values(), return_when=FIRST_EXCEPTION)
        self._pool.shutdown(wait=True, cancel_futures=True)
        for one in self._running.values():
            if not one.cancelled():
                one.result()

    def abandon(self) -> None:
        """Start no more; what is under way ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for one, discard in self._discards:
            if one.cancelled():
                discard()
