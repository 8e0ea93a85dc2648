"""A database in a SQLite file: it opens on first use, creates or migrates the tables, and writes whole transactions.

Statements are executed on the driver's own cursor: through SQLAlchemy's execution each costs 25 µs, and SQLite 5.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store import sqlite_rules
from zenbook.metadata_stores.sql_store.compiled_statements import PreparedStatement, StatementName, for_sqlite
from zenbook.metadata_stores.sql_store.database_interface import Row, SqlDatabase, StatementRows, Writes, encodable_row

T = TypeVar("T")
FAILURES = (sqlite3.Error, OverflowError)


@dataclass(eq=False)
class _FileConnections:
    """The connections of one process to one file: as many as threads used at the same time."""

    path: Path
    shared: bool
    file: tuple[int, int] | None = None  # device and inode
    idle: list[sqlite3.Connection] = field(default_factory=list)
    retired: bool = False

    def take(self) -> sqlite3.Connection:
        """The idle connection that was used last, or a new one."""
        try:
            return self.idle.pop()
        except IndexError:
            return sqlite_rules.connect(self.path, shared=self.shared)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Keep a connection for the next use, after a rollback of what was not committed."""
        try:
            connection.rollback()
        except sqlite3.Error:  # the first error is reported; a closed connection has no transaction
            connection.close()
            return
        if self.retired:
            connection.close()
        else:
            self.idle.append(connection)

    def close_idle(self) -> None:
        """Close the connections that nobody is using."""
        while self.idle:
            self.idle.pop().close()


class SqliteDatabase(SqlDatabase):
    """A SQLite file.

    Args:
        path: Of the file, absolute.
    """

    has_clock = False  # only one process writes at a time: the next revision is one more than the highest

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[int, _FileConnections] = {}  # by process: a child never closes its parent's
        self._locks: dict[int, threading.Lock] = {}

    def write(self, writes: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, which waits for other writers."""
        statements = [(writer.sql, [*map(writer.values, records)]) for writer, records in writes if records]
        if not statements:
            return
        statements += self.revision_statements(changed, gone)
        try:
            self._transact(statements)
        except UnicodeEncodeError:
            self._transact([(sql, [*map(encodable_row, rows)]) for sql, rows in statements])

    def _transact(self, statements: StatementRows) -> None:
        def work(cursor: sqlite3.Cursor) -> None:
            cursor.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                if len(rows) == 1:
                    cursor.execute(sql, rows[0])
                else:
                    cursor.executemany(sql, rows)
            cursor.execute("COMMIT")

        self.with_cursor(work)

    def with_cursor(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Call a function with a cursor; no transaction stays open on the connection, also after an error.

        Errors of SQLite become `StoreError`.

        Args:
            work: The function.

        Returns:
            Its result.
        """
        connections = self._open()
        try:
            connection = connections.take()
            try:
                with closing(connection.cursor()) as cursor:  # a traceback would keep it open
                    return work(cursor)
            finally:
                connections.give_back(connection)
        except FAILURES as error:
            raise self._to_store_error(error) from error

    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """Execute a query."""
        prepared = self.prepared(name)
        return self._fetch(prepared.sql, prepared.arguments(**values))

    def rows_in(self, name: StatementName, parameter: str, items: Sequence[Any], **values: Any) -> list[Row]:
        """Execute a query in which one parameter is a list of values."""
        return self._fetch(*self.prepared(name).with_list(parameter, tuple(items), **values))

    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """Execute two queries with the same parameters; the second only if the first has rows."""
        first, second = self.prepared(name), self.prepared(other)

        def read(cursor: sqlite3.Cursor) -> tuple[list[Row], list[Row]]:
            rows = cursor.execute(first.sql, first.arguments(**values)).fetchall()
            return rows, cursor.execute(second.sql, second.arguments(**values)).fetchall() if rows else []

        return self.with_cursor(read)

    def _fetch(self, sql: str, arguments: tuple[Any, ...]) -> list[Row]:
        return self.with_cursor(lambda cursor: cursor.execute(sql, arguments).fetchall())

    def prepared(self, name: StatementName) -> PreparedStatement:
        """A statement in this database's SQL."""
        return for_sqlite()[name]

    def describe(self) -> str:
        """Kind, path and schema revision."""
        revision = self.with_cursor(lambda cursor: migrations.revision_of(cursor.connection, self.path))
        shared = self._open().shared
        journal = ", on a network disk: with a rollback journal, since a write-ahead log needs one machine"
        return f"sqlite at {self.path}, schema {revision}{journal if shared else ''}"

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        if connections := self._connections.pop(os.getpid(), None):
            connections.retired = True
            connections.close_idle()

    def close_idle(self) -> None:
        """Close the connections that nobody is using; the next use opens one in 0.1 ms."""
        if connections := self._connections.get(os.getpid()):
            connections.close_idle()

    def _open(self) -> _FileConnections:
        connections = self._connections.get(os.getpid())
        # A user may delete .zen to start over while a kernel runs; what that kernel wrote to the deleted file would be
        # lost. This check takes 1 µs.
        if connections is not None and connections.file == _inode(self.path):
            return connections
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._connections.get(os.getpid()) is connections:
                self.close()
                self._connections[os.getpid()] = self._connect()
                _databases.add(self)
            return self._connections[os.getpid()]

    def _connect(self) -> _FileConnections:
        sqlite_rules.make_folder(self.path)
        connections = _FileConnections(self.path, sqlite_rules.is_shared_disk(self.path.parent))
        try:
            connection = connections.take()
            try:
                migrations.upgrade_to_head(connection, self.path)
            finally:
                connections.give_back(connection)
        except BaseException as error:
            connections.close_idle()
            if isinstance(error, FAILURES):
                raise self._to_store_error(error) from error
            raise
        connections.file = _inode(self.path)
        return connections

    def _to_store_error(self, error: Exception) -> StoreError:
        return sqlite_rules.to_store_error(error, self.path) or StoreError(
            f"The metadata store {str(self.path)!r} refused the statement: {error}.",
            "Run `zen doctor` to check the store.",
        )


_databases: weakref.WeakSet[SqliteDatabase] = weakref.WeakSet()


def _close_all_idle() -> None:
    for database in list(_databases):
        database.close_idle()


# A child inherits SQLite's record of the locks that its parent holds, not the locks. Its own connections would rely on
# them, and the process that closes last would delete the log that the child writes to (https://sqlite.org/howtocorrupt.html).
os.register_at_fork(before=_close_all_idle)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (a Path's own stat costs 1 µs more)
    except OSError:
        return None
    return status.st_dev, status.st_ino
