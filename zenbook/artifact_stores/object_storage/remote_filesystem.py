"""The far side of an object store: one filesystem of fsspec, asked again after transient faults."""

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
    chain,
    fault_of,
    is_full,
    store_error,
    tellable,
)
from zenbook.errors import ZenbookError
from zenbook.stack.artifact_store import StoredFile

if TYPE_CHECKING:
    from tenacity import RetryCallState

Result = TypeVar("Result")
STAGING_FOLDER = "tmp"  # the folder of what is not there in whole
FIRST_PAUSE = 0.2  # seconds; doubled each time, with jitter
LONGEST_PAUSE = 8.0
IN_FLIGHT = 32 * 1024 * 1024  # bytes of uploads that may be in memory at once


@dataclass(frozen=True, slots=True)
class RemoteLocation:
    """Where objects lie, and how to get there. Holds what is secret only within ``connect`` and ``secrets``."""

    url: str  # of the folder, without a slash at its end
    service: Service
    connect: Callable[[], tuple[Any, str]] = field(repr=False)  # a new filesystem, and the folder's path in it
    where: str = ""  # the endpoint, for people
    bucket: str = ""  # its name in the filesystem, where there are buckets that somebody else makes
    atomic: bool = True  # whether a reader sees an object only when all of it has arrived
    put_options: Callable[[int], Mapping[str, object]] = field(default=lambda _: {}, repr=False)  # by size
    get_options: Mapping[str, object] = field(default_factory=dict, repr=False)
    patience: float = 30.0  # seconds for which transient faults are tried again
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Remote:
    """The objects of a place. Raises `StoreError` where nothing else is said, and `FileNotFoundError` for no object.

    A process that was forked makes a filesystem of its own: the other one's event loop runs in a thread that a fork
    does not copy.
    """

    def __init__(self, place: RemoteLocation) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._connected: dict[int, tuple[Any, str]] = {}  # by process; the parent's is kept, since closing it hangs
        self._budget = _UploadMemoryLimit(IN_FLIGHT)
        self._patience: ContextVar[float] = ContextVar(f"patience with {place.url}")

    def has_object_of_size(self, address: str, size: int) -> bool:
        """Whether an object of that name and size is there; those who may only write are told no."""
        try:
            found = self._ask("read", lambda fs, root: self._info_if_allowed(fs, f"{root}/{address}"))
        except FileNotFoundError:
            return False
        return found is not None and found.get("size") == size

    def exists(self, address: str) -> bool:
        """Whether an object is there."""
        try:
            found = self._ask("read", lambda fs, root: fs.info(f"{root}/{address}"))
        except FileNotFoundError:
            return False
        return bool(found.get("type", "file") == "file")

    def upload(self, path: str, address: str, size: int) -> None:
        """Send a file, which readers see only when it is there in whole."""
        send = self._send if self.place.atomic else self._send_aside
        with self._budget.of(size):
            try:
                self._ask("written", lambda fs, root: send(fs, path, f"{root}/{address}", root, size))
            except FileNotFoundError as error:
                raise self._told(error, "written") from None

    def download(self, address: str, path: str) -> None:
        """Bring an object to a new file. Raises `OSError` when this machine's disk is full."""
        full: list[OSError] = []

        def get(fs: Any, root: str) -> None:
            try:
                fs.get_file(f"{root}/{address}", path, **self.place.get_options)
            except Exception as error:
                full.extend(one for one in chain(error) if isinstance(one, OSError) and is_full(one))
                if not full:
                    raise

        self._ask("read", get)
        if full:
            raise full[0]

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[BinaryIO]:
        """Read an object piece by piece."""
        options = {"block_size": 4 * 1024 * 1024}
        file = self._ask("read", lambda fs, root: fs.open(f"{root}/{address}", "rb", **options))
        with file:
            yield file

    def delete(self, address: str) -> None:
        """Remove an object; removing what is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._ask("deleted", lambda fs, root: fs.rm_file(f"{root}/{address}"))

    def listing(self) -> Iterator[StoredFile]:
        """All objects that have an address, in its order. Raises `FileNotFoundError` without a bucket or folder."""
        root = ""

        def find(fs: Any, at: str) -> dict[str, dict[str, Any]]:
            nonlocal root
            root = at
            found: dict[str, dict[str, Any]] = fs.find(at, detail=True)
            return found

        found = self._ask("listed", find)
        for name in sorted(found):
            address = name.removeprefix("/").removeprefix(root.removeprefix("/")).removeprefix("/")
            if ADDRESS.fullmatch(address):
                facts = found[name]
                yield StoredFile(address, int(facts.get("size") or 0), _modified_at(facts))

    @contextlib.contextmanager
    def no_retries(self) -> Iterator[None]:
        """Within the block only the libraries themselves try again, for some seconds."""
        token = self._patience.set(0.0)
        try:
            yield
        finally:
            self._patience.reset(token)

    def has_bucket(self) -> bool:
        """Whether the bucket is there, as far as these credentials may know; a folder is made when it is wanted."""
        try:
            if self.place.bucket:
                self._ask("read", lambda fs, _: self._info_if_allowed(fs, self.place.bucket))
        except FileNotFoundError:
            return False
        return True

    def no_bucket(self) -> ZenbookError:
        """The error for a bucket that is not there."""
        return self._told(FileNotFoundError(), "read")

    def _info_if_allowed(self, fs: Any, path: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = fs.info(path)
            return found
        except Exception as error:
            if fault_of(error, self.place.service) is Fault.FORBIDDEN:
                return None
            raise

    def _send(self, fs: Any, path: str, target: str, root: str, size: int) -> None:
        fs.put_file(path, target, **self.place.put_options(size))

    def _send_aside(self, fs: Any, path: str, target: str, root: str, size: int) -> None:
        """Under another name first, where a file shows while it grows."""
        self._sweep(fs, root)
        aside = f"{root}/{STAGING_FOLDER}/{os.urandom(8).hex()}"
        for folder in (f"{root}/{STAGING_FOLDER}", target.rpartition("/")[0]):
            fs.makedirs(folder, exist_ok=True)
        try:
            fs.put_file(path, aside)
            try:
                fs.mv(aside, target)
            except FileExistsError:  # somebody else was quicker with the same bytes
                fs.rm_file(aside)
        except BaseException:
            with contextlib.suppress(Exception):  # the first error says more
                fs.rm_file(aside)
            raise

    def _sweep(self, fs: Any, root: str) -> None:
        """Remove what killed uploads left, once for each process."""
        if getattr(fs, "_zenbook_swept", False):
            return
        fs._zenbook_swept = True
        with contextlib.suppress(FileNotFoundError):
            for facts in fs.ls(f"{root}/{STAGING_FOLDER}", detail=True):
                if 0 < _modified_at(facts) < time.time() - STALE_SECONDS:
                    with contextlib.suppress(FileNotFoundError):
                        fs.rm_file(facts["name"])

    # --- asking -------------------------------------------------------------------------------------------------

    def _ask(self, doing: str, work: Callable[[Any, str], Result]) -> Result:
        """Do it, again after transient faults."""
        from tenacity import Retrying, retry_if_exception, wait_exponential, wait_random

        again = Retrying(
            retry=retry_if_exception(lambda error: fault_of(error, self.place.service) in TRANSIENT),
            wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE),
            stop=self._stop(),
            reraise=True,
        )
        try:
            return again(lambda: work(*self._filesystem()))
        except ZenbookError:
            raise
        except Exception as error:  # noqa: BLE001  # libraries raise what they like; it is told below
            caught = error
        if fault_of(caught, self.place.service) is Fault.MISSING:
            raise FileNotFoundError(self.place.url)
        raise self._told(caught, doing) from tellable(caught, self.place.secrets)

    def _stop(self) -> Callable[[RetryCallState], bool]:
        """Counts from the first fault: a long upload that fails at its end is tried again."""
        faults: list[float] = []

        def stop(_: RetryCallState) -> bool:
            faults.append(time.monotonic())
            return faults[-1] - faults[0] >= self._patience.get(self.place.patience)

        return stop

    def _told(self, error: BaseException, doing: str) -> ZenbookError:
        place = self.place
        where = place.where or place.service.title
        return store_error(error, place.service, url=place.url, where=where, doing=doing, secrets=place.secrets)

    def _filesystem(self) -> tuple[Any, str]:
        process = os.getpid()
        with self._lock:
            if process not in self._connected:
                self._connected[process] = self.place.connect()
            return self._connected[process]


class _UploadMemoryLimit:
    """Lets uploads begin as long as what they hold in memory stays within a limit; one alone may always."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, size: int) -> Iterator[None]:
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


def _modified_at(facts: Mapping[str, Any]) -> float:
    """Seconds since the epoch, whatever the filesystem calls it; 0 where it doesn't say."""
    for name in ("LastModified", "mtime", "updated", "last_modified", "modified", "created"):
        found = facts.get(name)
        if isinstance(found, str):
            with contextlib.suppress(ValueError):
                found = datetime.fromisoformat(found)
        if isinstance(found, datetime):
            return found.timestamp()
        if isinstance(found, int | float):
            return float(found)
    return 0.0
