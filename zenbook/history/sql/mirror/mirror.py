"""A mirror that is up to date: a base in a file that nobody changes, and what is newer in this process's memory.

DuckDB lets one process write to a file, or several read it, and never both. So the file is not written again once it
has its name: all kernels of a workspace read it at the same time, and each keeps what changed since in a database in
its memory, which is little. Where that has become much, one of them (by a lock) makes the next file out of a copy of
the last, gives it its name when it is whole, and removes the older ones; who still reads those keeps them open.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from zenbook.history.sql.mirror.mirror_schema import VERSION, literal
from zenbook.history.sql.mirror.replica_files import ReplicaFiles
from zenbook.history.sql.mirror.replica_session import COMPARED, ReplicaSession
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    import duckdb

FOLDER = "mirror"  # in the workspace
MIN_CHANGED_RUNS = 500  # changed runs that are worth a new file; of many runs, a tenth
MEMORY = "1GB"  # at most, for a question over thousands of names; others take a tenth of it
MAX_REVISION = 2**62  # after every revision
_DAMAGE = re.compile(
    r"corrupt|checksum|not a valid DuckDB|database has been invalidated|Could not read enough", re.IGNORECASE
)
Answer = TypeVar("Answer")


class Mirror:
    """The mirror of one metadata store, for one process. Any thread may ask it."""

    def __init__(self, store: MetadataStore, folder: Path, *, allow_files: bool = False) -> None:
        self._store = store
        self._files = ReplicaFiles(folder)
        self._allow_files = allow_files
        self._lock = threading.RLock()
        self._opened: ReplicaSession | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection that sees the views as they are now; the caller closes it.

        Raises `StoreError` when the metadata store can't be read.
        """
        with self._lock:
            try:
                return self._caught_up().connection.cursor()
            except BaseException:
                self.close()  # something may be half done
                raise

    @property
    def revision(self) -> int:
        """Up to which revision of the store this has all."""
        return self._opened.revision if self._opened else 0

    def field(self, section: str, name: str) -> str:
        """The field of a parameter or metric; the name itself where there is none."""
        return self._opened.fields.get(section, {}).get(name, name) if self._opened else name

    def fields(self, section: str) -> list[str]:
        """The names in ``params`` or ``metrics`` of the view ``runs``, as SQL has them."""
        return list(self._opened.fields.get(section, {}).values()) if self._opened else []

    @property
    def going_on(self) -> list[str]:
        """The ids of runs that have not ended, as far as this knows."""
        return self._opened.going_on if self._opened else []

    def forget(self) -> None:
        """Remove the files of this store: the next use makes all anew."""
        with self._lock:
            store = self._opened.store if self._opened else "*"
            self.close()
            self._files.forget(store)

    def close(self) -> None:
        """Let go of the file and of what is in memory."""
        with self._lock:
            if self._opened is not None:
                self._opened.connection.close()
                self._opened = None

    # --- catching up ------------------------------------------------------------------------------------------------

    def _caught_up(self) -> ReplicaSession:
        opened = self._opened
        if opened is None:
            opened = self._opened = self._open(self._store.changes(MAX_REVISION).store)
        changes = self._store.changes(max(0, opened.revision - COMPARED))
        if not opened.agrees_with(changes):
            self.close()
            if changes.store == opened.store:
                self._files.forget(opened.store)
            opened = self._opened = self._open(changes.store)
            changes = self._store.changes(0)
        news = [one for one in changes.runs if one.revision > opened.revision]
        if not news:
            return opened
        if len(news) + opened.news.size > max(MIN_CHANGED_RUNS, opened.base.size // 10 if opened.base else 0):
            del changes, news  # of the first time they take 40 MB
            if self._files.make_next(self._store, opened.store, opened.revision, on_last=opened.base is not None):
                self.close()
                opened = self._opened = self._open(opened.store)
            changes = self._store.changes(opened.revision)
            news = [one for one in changes.runs if one.revision > opened.revision]
        if news:
            opened.take(self._store, news, changes.revision)
        return opened

    def _open(self, store: str) -> ReplicaSession:
        """On the newest file that can be read; without one all is in memory."""
        import duckdb

        for path in self._files.of(store):
            connection = self._connection()
            try:
                connection.execute(f"ATTACH {literal(str(path))} AS base (READ_ONLY)")
                base = ReplicaTables(connection, "base.main")
                version, of, revision = base.open()
                if (version, of) == (VERSION, store):
                    return ReplicaSession(self._locked(connection), store, revision, base)
            except duckdb.Error:
                pass  # damaged: it is made again
            connection.close()
            with suppress(OSError):
                path.unlink()
        return ReplicaSession(self._locked(self._connection()), store, 0, None)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        return duckdb.connect(":memory:", config=settings)

    def _locked(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """After this no query can reach a file, the network or an extension, nor change the settings."""
        spilled = self._files.folder / "spilled"
        connection.execute(f"SET temp_directory = {literal(str(spilled))}")
        if not self._allow_files:
            connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection


_mirrors: WeakKeyDictionary[MetadataStore, dict[tuple[int, str, bool], Mirror]] = WeakKeyDictionary()
_making = threading.Lock()


def mirror_of(stack: OpenStack, *, allow_files: bool = False) -> Mirror:
    """The mirror of a stack's metadata store; one for each process, since DuckDB's threads don't survive a fork."""
    folder = stack.workspace.home / FOLDER
    with _making:
        of_store = _mirrors.setdefault(stack.metadata, {})
        key = (os.getpid(), str(folder), allow_files)
        if key not in of_store:
            of_store[key] = Mirror(stack.metadata, folder, allow_files=allow_files)
        return of_store[key]


def is_damage(error: duckdb.Error) -> bool:
    """Whether the mirror's file is what is wrong."""
    return _DAMAGE.search(str(error)) is not None


def undamaged(mirror: Mirror, ask: Callable[[], Answer]) -> Answer:
    """What a question gives; one that fails since a file is damaged is asked again, of a new one."""
    import duckdb

    try:
        return ask()
    except duckdb.Error as error:
        if not is_damage(error):
            raise
    mirror.forget()
    return ask()


@contextmanager
def questions(mirror: Mirror) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for several questions of our own, all of which see the same rows."""
    cursor = mirror.cursor()
    try:
        cursor.execute("BEGIN")
        yield cursor
    finally:
        cursor.close()


@contextmanager
def reading(mirror: Mirror) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor in a transaction that can't write."""
    cursor = mirror.cursor()
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        yield cursor
    finally:
        cursor.close()
