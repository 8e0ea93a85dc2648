"""The remote side of an object store: one fsspec filesystem, with retries after transient errors."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from zenbook.artifact_stores.content_addressed import ADDRESS, STALE_SECONDS
from zenbook.artifact_stores.object_storage.object_errors import (
    TRANSIENT,
    Fault,
    Service,
    cause_without_secrets,
    exception_chain,
    find_fault,
    is_full,
    to_store_error,
)
from zenbook.errors import ZenbookError
from zenbook.stack.artifact_store import StoredFile

if TYPE_CHECKING:
    from tenacity import RetryCallState

Result = TypeVar("Result")
STAGING_FOLDER = "tmp"  # the folder of uploads that are not complete
FIRST_PAUSE = 0.2  # seconds; doubled each time, with jitter
LONGEST_PAUSE = 8.0  # seconds
UPLOAD_MEMORY = 32 * 1024 * 1024  # bytes of uploads that may be in memory at once


@dataclass(frozen=True, slots=True)
class RemoteLocation:
    """Where objects are, and how to connect. Only ``connect`` and ``secrets`` contain secrets."""

    url: str  # the folder, without a slash at its end
    service: Service
    connect: Callable[[], tuple[Any, str]] = field(repr=False)  # a new filesystem, and the folder's path in it
    where: str = ""  # the endpoint, for people
    bucket: str = ""  # its name in the filesystem; empty if a missing folder is created
    atomic: bool = True  # whether readers see an object only when it is complete
    put_options: Callable[[int], Mapping[str, object]] = field(default=lambda _: {}, repr=False)  # by size
    get_options: Mapping[str, object] = field(default_factory=dict, repr=False)
    retry_seconds: float = 30.0  # how long transient errors are retried
    secrets: tuple[str, ...] = field(default=(), repr=False)


class RemoteFilesystem:
    """The objects of a location. Methods raise `FileNotFoundError` for a missing object, `StoreError` otherwise.

    A forked process creates a filesystem of its own: the event loop of the parent's runs in a thread that a fork does
    not copy.

    Args:
        location: Where the objects are.
    """

    def __init__(self, location: RemoteLocation) -> None:
        self.location = location
        self._lock = threading.Lock()
        self._connected: dict[int, tuple[Any, str]] = {}  # by process; the parent's stays, since closing it hangs
        self._memory_limit = _UploadMemoryLimit(UPLOAD_MEMORY)
        self._retry_seconds: ContextVar[float] = ContextVar(f"retry seconds of {location.url}")

    def has_object_of_size(self, address: str, size: int) -> bool:
        """Whether the store has an object, and not a shorter one.

        Args:
            address: ``ab/cdef….suffix``.
            size: In bytes.

        Returns:
            False also for credentials that may write and not read.
        """
        try:
            info = self._call("read", lambda fs, root: self._info_if_allowed(fs, f"{root}/{address}"))
        except FileNotFoundError:
            return False
        return info is not None and info.get("size") == size

    def exists(self, address: str) -> bool:
        """Whether the store has an object.

        Args:
            address: ``ab/cdef….suffix``.

        Returns:
            False also for a folder of that name.
        """
        try:
            info = self._call("read", lambda fs, root: fs.info(f"{root}/{address}"))
        except FileNotFoundError:
            return False
        return bool(info.get("type", "file") == "file")

    def upload(self, path: str, address: str, size: int) -> None:
        """Upload a file; readers see it only when it is complete.

        Raises `StoreError` when the upload fails, also because the bucket is missing.

        Args:
            path: The local file.
            address: ``ab/cdef….suffix``.
            size: Of the file, in bytes.
        """
        send = self._send if self.location.atomic else self._send_by_staging
        with self._memory_limit.reserve(size):
            try:
                self._call("written", lambda fs, root: send(fs, path, f"{root}/{address}", root, size))
            except FileNotFoundError as error:
                raise self._to_store_error(error, "written") from None

    def download(self, address: str, path: str) -> None:
        """Download an object to a new file. Raises `OSError` when this machine's disk is full.

        Args:
            address: ``ab/cdef….suffix``.
            path: The local file.
        """
        disk_errors: list[OSError] = []

        def get(fs: Any, root: str) -> None:
            try:
                fs.get_file(f"{root}/{address}", path, **self.location.get_options)
            except Exception as error:
                disk_errors.extend(
                    cause for cause in exception_chain(error) if isinstance(cause, OSError) and is_full(cause)
                )
                if not disk_errors:
                    raise

        self._call("read", get)
        if disk_errors:
            raise disk_errors[0]

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[BinaryIO]:
        """Open an object, which is read piece by piece.

        Args:
            address: ``ab/cdef….suffix``.

        Yields:
            A binary file.
        """
        options = {"block_size": 4 * 1024 * 1024}
        file = self._call("read", lambda fs, root: fs.open(f"{root}/{address}", "rb", **options))
        with file:
            yield file

    def delete(self, address: str) -> None:
        """Remove an object; it is not an error if there is none.

        Args:
            address: ``ab/cdef….suffix``.
        """
        with contextlib.suppress(FileNotFoundError):
            self._call("deleted", lambda fs, root: fs.rm_file(f"{root}/{address}"))

    def listing(self) -> Iterator[StoredFile]:
        """All objects that have an address, in its order. Raises `FileNotFoundError` without a bucket or folder."""

        def find(fs: Any, root: str) -> tuple[str, dict[str, dict[str, Any]]]:
            return root, fs.find(root, detail=True)

        root, files = self._call("listed", find)
        for name in sorted(files):
            address = name.removeprefix("/").removeprefix(root.removeprefix("/")).removeprefix("/")
            if ADDRESS.fullmatch(address):
                info = files[name]
                yield StoredFile(address, int(info.get("size") or 0), _modified_at(info))

    @contextlib.contextmanager
    def no_retries(self) -> Iterator[None]:
        """Within the block only the libraries themselves retry, for some seconds."""
        token = self._retry_seconds.set(0.0)
        try:
            yield
        finally:
            self._retry_seconds.reset(token)

    def has_bucket(self) -> bool:
        """Whether the bucket exists, as far as these credentials can see; a missing folder is created when needed."""
        try:
            if self.location.bucket:
                self._call("read", lambda fs, _: self._info_if_allowed(fs, self.location.bucket))
        except FileNotFoundError:
            return False
        return True

    def no_bucket(self) -> ZenbookError:
        """The error for a bucket that does not exist."""
        return self._to_store_error(FileNotFoundError(), "read")

    def _info_if_allowed(self, fs: Any, path: str) -> Mapping[str, Any] | None:
        try:
            info: Mapping[str, Any] = fs.info(path)
            return info
        except Exception as error:
            if find_fault(error, self.location.service) is Fault.FORBIDDEN:
                return None
            raise

    def _send(self, fs: Any, path: str, target: str, root: str, size: int) -> None:
        fs.put_file(path, target, **self.location.put_options(size))

    def _send_by_staging(self, fs: Any, path: str, target: str, root: str, size: int) -> None:
        """Send under another name first, where readers see a file while it grows."""
        self._remove_stale_uploads(fs, root)
        staged = f"{root}/{STAGING_FOLDER}/{os.urandom(8).hex()}"
        for folder in (f"{root}/{STAGING_FOLDER}", target.rpartition("/")[0]):
            fs.makedirs(folder, exist_ok=True)
        try:
            fs.put_file(path, staged)
            try:
                fs.mv(staged, target)
            except FileExistsError:  # somebody else was quicker with the same bytes
                fs.rm_file(staged)
        except BaseException:
            with contextlib.suppress(Exception):  # the first error says more
                fs.rm_file(staged)
            raise

    def _remove_stale_uploads(self, fs: Any, root: str) -> None:
        """Remove the files of killed uploads, once in each process."""
        if getattr(fs, "_zenbook_swept", False):
            return
        fs._zenbook_swept = True
        with contextlib.suppress(FileNotFoundError):
            for info in fs.ls(f"{root}/{STAGING_FOLDER}", detail=True):
                if 0 < _modified_at(info) < time.time() - STALE_SECONDS:
                    with contextlib.suppress(FileNotFoundError):
                        fs.rm_file(info["name"])

    # --- calls with retries -------------------------------------------------------------------------------------------

    def _call(self, action: str, work: Callable[[Any, str], Result]) -> Result:
        """Call the filesystem, again after transient errors; ``action`` is a participle like ``written``."""
        from tenacity import Retrying, retry_if_exception, wait_exponential, wait_random

        retrying = Retrying(
            retry=retry_if_exception(lambda error: find_fault(error, self.location.service) in TRANSIENT),
            wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE),
            stop=self._stop(),
            reraise=True,
        )
        try:
            return retrying(lambda: work(*self._filesystem()))
        except ZenbookError:
            raise
        except Exception as error:  # noqa: BLE001  # libraries raise any class; it is translated below
            caught = error
        if find_fault(caught, self.location.service) is Fault.MISSING:
            raise FileNotFoundError(self.location.url)
        raise self._to_store_error(caught, action) from cause_without_secrets(caught, self.location.secrets)

    def _stop(self) -> Callable[[RetryCallState], bool]:
        """The time counts from the first error: a long upload that fails at its end is tried again."""
        failed_at: list[float] = []

        def stop(_: RetryCallState) -> bool:
            failed_at.append(time.monotonic())
            return failed_at[-1] - failed_at[0] >= self._retry_seconds.get(self.location.retry_seconds)

        return stop

    def _to_store_error(self, error: BaseException, action: str) -> ZenbookError:
        location = self.location
        where = location.where or location.service.title
        return to_store_error(
            error, location.service, url=location.url, where=where, action=action, secrets=location.secrets
        )

    def _filesystem(self) -> tuple[Any, str]:
        process = os.getpid()
        with self._lock:
            if process not in self._connected:
                self._connected[process] = self.location.connect()
            return self._connected[process]


class _UploadMemoryLimit:
    """Lets uploads begin as long as their memory stays within a limit; a single one may always begin."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        share = min(size, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._used + share <= self._limit)
            self._used += share
        try:
            yield
        finally:
            with self._changed:
                self._used -= share
                self._changed.notify_all()


def _modified_at(info: Mapping[str, Any]) -> float:
    """Seconds since the epoch, under any name that filesystems use; 0 if unknown."""
    for name in ("LastModified", "mtime", "updated", "last_modified", "modified", "created"):
        time_of = info.get(name)
        if isinstance(time_of, str):
            with contextlib.suppress(ValueError):
                time_of = datetime.fromisoformat(time_of)
        if isinstance(time_of, datetime):
            return time_of.timestamp()
        if isinstance(time_of, int | float):
            return float(time_of)
    return 0.0
