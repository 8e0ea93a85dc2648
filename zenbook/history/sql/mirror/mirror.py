"""A mirror that is up to date: a base file that never changes, and newer rows in this process's memory.

DuckDB lets one process write to a file, or several read it, but not both. So a file is never written again once it has
its name. All kernels of a workspace read it at the same time; each keeps the rows that changed since in memory. When
these become many, one kernel (chosen by a lock) copies the newest file, brings the copy up to date, gives it its name
and deletes the older files. A process that still reads an older file keeps it open.
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

from zenbook.history.sql.mirror import mirror_schema
from zenbook.history.sql.mirror.mirror_schema import literal
from zenbook.history.sql.mirror.replica_files import ReplicaFiles
from zenbook.history.sql.mirror.replica_session import COMPARED_REVISIONS, ReplicaSession
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    import duckdb

FOLDER = "mirror"  # in the workspace
MIN_CHANGED_RUNS = 500  # changed runs that are worth a new file; of many runs, a tenth
MEMORY = "1GB"  # DuckDB's limit, for a query over thousands of names; others take a tenth of it
MAX_REVISION = 2**62  # above every revision
_DAMAGE = re.compile(
    r"corrupt|checksum|not a valid DuckDB|database has been invalidated|Could not read enough", re.IGNORECASE
)
Answer = TypeVar("Answer")


class Mirror:
    """The mirror of one metadata store, for one process. Any thread may use it."""

    def __init__(self, store: MetadataStore, folder: Path, *, allow_files: bool = False) -> None:
        self._store = store
        self._files = ReplicaFiles(folder)
        self._allow_files = allow_files
        self._lock = threading.RLock()
        self._session: ReplicaSession | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection that sees the views as they are now; the caller closes it.

        A metadata store that cannot be read raises `StoreError`.

        Returns:
            The connection.
        """
        with self._lock:
            try:
                return self._catch_up().connection.cursor()
            except BaseException:
                self.close()  # something may be half done
                raise

    @property
    def revision(self) -> int:
        """The revision of the store up to which this mirror is complete."""
        return self._session.revision if self._session else 0

    def field(self, section: str, name: str) -> str:
        """Find the field of a parameter or metric.

        Args:
            section: ``params`` or ``metrics``.
            name: The parameter's or metric's name.

        Returns:
            The field's name in SQL, unquoted; the name itself if no run has it.
        """
        return self._session.fields.get(section, {}).get(name, name) if self._session else name

    def fields(self, section: str) -> list[str]:
        """List the fields of the view ``runs``.

        Args:
            section: ``params`` or ``metrics``.

        Returns:
            Their names in SQL, unquoted.
        """
        return list(self._session.fields.get(section, {}).values()) if self._session else []

    @property
    def unfinished_runs(self) -> list[str]:
        """The ids of the runs that have not ended, as far as the mirror knows."""
        return self._session.unfinished_runs if self._session else []

    def forget(self) -> None:
        """Delete the files of this store; the next use builds them again."""
        with self._lock:
            store = self._session.store if self._session else "*"
            self.close()
            self._files.delete(store)

    def close(self) -> None:
        """Close the file, and free what is in memory."""
        with self._lock:
            if self._session is not None:
                self._session.connection.close()
                self._session = None

    # --- catching up ------------------------------------------------------------------------------------------------

    def _catch_up(self) -> ReplicaSession:
        session = self._session
        if session is None:
            session = self._session = self._open(self._store.changes(MAX_REVISION).store)
        changes = self._store.changes(max(0, session.revision - COMPARED_REVISIONS))
        if not session.agrees_with(changes):
            self.close()
            if changes.store == session.store:
                self._files.delete(session.store)
            session = self._session = self._open(changes.store)
            changes = self._store.changes(0)
        newer = [change for change in changes.runs if change.revision > session.revision]
        if not newer:
            return session
        if len(newer) + session.newer.size > max(MIN_CHANGED_RUNS, session.base.size // 10 if session.base else 0):
            del changes, newer  # for the first file they take 40 MB
            has_base = session.base is not None
            if self._files.write_next(self._store, session.store, session.revision, from_last=has_base):
                self.close()
                session = self._session = self._open(session.store)
            changes = self._store.changes(session.revision)
            newer = [change for change in changes.runs if change.revision > session.revision]
        if newer:
            session.apply(self._store, newer, changes.revision)
        return session

    def _open(self, store: str) -> ReplicaSession:
        """Open the newest file that can be read; without one, all rows are in memory."""
        import duckdb

        for path in self._files.files_of(store):
            connection = self._connect()
            try:
                connection.execute(f"ATTACH {literal(str(path))} AS base (READ_ONLY)")
                base = ReplicaTables(connection, "base.main")
                version, of_store, revision = base.open()
                if (version, of_store) == (mirror_schema.VERSION, store):
                    return ReplicaSession(self._locked(connection), store, revision, base)
            except duckdb.Error:
                pass  # the file is damaged, and is built again
            connection.close()
            with suppress(OSError):
                path.unlink()
        return ReplicaSession(self._locked(self._connect()), store, 0, None)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        return duckdb.connect(":memory:", config=settings)

    def _locked(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """The connection, with all access to files, the network, extensions and settings switched off."""
        spilled = self._files.folder / "spilled"
        connection.execute(f"SET temp_directory = {literal(str(spilled))}")
        if not self._allow_files:
            connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection


_mirrors: WeakKeyDictionary[MetadataStore, dict[tuple[int, str, bool], Mirror]] = WeakKeyDictionary()
_mirrors_lock = threading.Lock()


def mirror_of(stack: OpenStack, *, allow_files: bool = False) -> Mirror:
    """Give the mirror of a stack's metadata store, one for each process: DuckDB's threads do not survive a fork.

    Args:
        stack: The open stack.
        allow_files: Whether queries may read files of this machine.

    Returns:
        The mirror.
    """
    folder = stack.workspace.home / FOLDER
    with _mirrors_lock:
        of_store = _mirrors.setdefault(stack.metadata, {})
        key = (os.getpid(), str(folder), allow_files)
        if key not in of_store:
            of_store[key] = Mirror(stack.metadata, folder, allow_files=allow_files)
        return of_store[key]


def is_damage(error: duckdb.Error) -> bool:
    """Tell whether an error means that the mirror's file is damaged.

    Args:
        error: What a query raised.

    Returns:
        True if it does.
    """
    return _DAMAGE.search(str(error)) is not None


def retry_if_damaged(mirror: Mirror, ask: Callable[[], Answer]) -> Answer:
    """Call a function; if it fails because the mirror's file is damaged, build the file again and call once more.

    Args:
        mirror: The mirror that the function queries.
        ask: The function.

    Returns:
        What the function returns.

    Raises:
        duckdb.Error: What the function raises for another reason.
    """
    import duckdb

    try:
        return ask()
    except duckdb.Error as error:
        if not is_damage(error):
            raise
    mirror.forget()
    return ask()


@contextmanager
def transaction(mirror: Mirror, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a cursor whose queries all see the same rows.

    Args:
        mirror: The mirror.
        read_only: Whether the cursor refuses to write; else it may create temporary tables.

    Yields:
        The cursor, in a transaction that ends with the block.
    """
    cursor = mirror.cursor()
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY" if read_only else "BEGIN")
        yield cursor
    finally:
        cursor.close()
