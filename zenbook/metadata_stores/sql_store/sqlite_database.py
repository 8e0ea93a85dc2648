"""A SQLite file that is opened on first use, brought to the schema's head, and written in whole transactions.

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
from zenbook.metadata_stores.sql_store.compiled_statements import Prepared, StatementName, for_sqlite
from zenbook.metadata_stores.sql_store.database_interface import Row, SqlDatabase, Writes, encodable

T = TypeVar("T")
FAILURES = (sqlite3.Error, OverflowError)


@dataclass(eq=False)
class _Opened:
    """The connections of one process to one file: as many as threads ever used at once."""

    path: Path
    shared: bool
    file: tuple[int, int] | None = None  # device and inode
    idle: list[sqlite3.Connection] = field(default_factory=list)
    retired: bool = False

    def take(self) -> sqlite3.Connection:
        """The connection that was used last, or a new one."""
        try:
            return self.idle.pop()
        except IndexError:
            return sqlite_rules.connect(self.path, shared=self.shared)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Keep a connection for the next use, without what wasn't committed on it."""
        try:
            connection.rollback()
        except sqlite3.Error:  # what went wrong before is told; a connection that is closed has no transaction
            connection.close()
            return
        if self.retired:
            connection.close()
        else:
            self.idle.append(connection)

    def rest(self) -> None:
        """Close the connections that nobody is using."""
        while self.idle:
            self.idle.pop().close()


class SqliteDatabase(SqlDatabase):
    """A SQLite file."""

    has_clock = False  # only one process writes at a time: the next revision is one more than the highest

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[int, _Opened] = {}  # by process: a child never closes its parent's
        self._opening: dict[int, threading.Lock] = {}

    def write(self, works: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, in this order; runs that are ``changed`` or ``gone`` get a new revision."""
        rows = [(writer.sql, [*map(writer.values, records)]) for writer, records in works if records]
        if not rows:
            return
        rows += self.revised(changed, gone)
        try:
            self._transact(rows)
        except UnicodeEncodeError:
            self._transact([(sql, [*map(encodable, some)]) for sql, some in rows])

    def _transact(self, rows: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        def work(cursor: sqlite3.Cursor) -> None:
            cursor.execute("BEGIN IMMEDIATE")
            for sql, some in rows:
                if len(some) == 1:
                    cursor.execute(sql, some[0])
                else:
                    cursor.executemany(sql, some)
            cursor.execute("COMMIT")

        self.with_cursor(work)

    def with_cursor(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Do something with the driver's cursor. However it ends, no transaction stays open on the connection."""
        opened = self._open()
        try:
            connection = opened.take()
            try:
                with closing(connection.cursor()) as cursor:  # a traceback would keep it, and what it reads, open
                    return work(cursor)
            finally:
                opened.give_back(connection)
        except FAILURES as error:
            raise self._told(error) from error

    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """All rows that answer a question."""
        prepared = self.prepared(name)
        return self._fetch(prepared.sql, prepared.arguments(**values))

    def rows_of_all(self, name: StatementName, parameter: str, several: Sequence[Any], **values: Any) -> list[Row]:
        """All rows that answer a question in which one parameter is a list of values."""
        return self._fetch(*self.prepared(name).with_all(parameter, tuple(several), **values))

    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """All rows that answer two questions with the same parameters; none of the second if none of the first."""
        one, two = self.prepared(name), self.prepared(other)

        def read(cursor: sqlite3.Cursor) -> tuple[list[Row], list[Row]]:
            found = cursor.execute(one.sql, one.arguments(**values)).fetchall()
            return found, cursor.execute(two.sql, two.arguments(**values)).fetchall() if found else []

        return self.with_cursor(read)

    def _fetch(self, sql: str, arguments: tuple[Any, ...]) -> list[Row]:
        return self.with_cursor(lambda cursor: cursor.execute(sql, arguments).fetchall())

    def prepared(self, name: StatementName) -> Prepared:
        """A statement in this database's SQL."""
        return for_sqlite()[name]

    def describe(self) -> str:
        """Kind, place and schema revision."""
        revision = self.with_cursor(lambda cursor: migrations.revision_of(cursor.connection, self.path))
        shared = self._open().shared
        journal = ", on a network disk: with a rollback journal, since a write-ahead log needs one machine"
        return f"sqlite at {self.path}, schema {revision}{journal if shared else ''}"

    def close(self) -> None:
        """Let go of this process's connections; the next use opens new ones."""
        if opened := self._opened.pop(os.getpid(), None):
            opened.retired = True
            opened.rest()

    def rest(self) -> None:
        """Close the connections that nobody is using; the next use opens one in 0.1 ms."""
        if opened := self._opened.get(os.getpid()):
            opened.rest()

    def _open(self) -> _Opened:
        opened = self._opened.get(os.getpid())
        # Whoever deletes .zen to start over, with a kernel still running, would lose what that kernel writes to the
        # deleted file: 1 µs tells.
        if opened is not None and opened.file == _inode(self.path):
            return opened
        with self._opening.setdefault(os.getpid(), threading.Lock()):
            if self._opened.get(os.getpid()) is opened:
                self.close()
                self._opened[os.getpid()] = self._connect()
                _databases.add(self)
            return self._opened[os.getpid()]

    def _connect(self) -> _Opened:
        sqlite_rules.make_folder(self.path)
        opened = _Opened(self.path, sqlite_rules.is_shared_disk(self.path.parent))
        try:
            connection = opened.take()
            try:
                migrations.bring_to_head(connection, self.path)
            finally:
                opened.give_back(connection)
        except BaseException as error:
            opened.rest()
            if isinstance(error, FAILURES):
                raise self._told(error) from error
            raise
        opened.file = _inode(self.path)
        return opened

    def _told(self, error: Exception) -> StoreError:
        return sqlite_rules.plain_error(error, self.path) or StoreError(
            f"The metadata store {str(self.path)!r} refused: {error}.", "`zen doctor` looks at the store."
        )


_databases: weakref.WeakSet[SqliteDatabase] = weakref.WeakSet()


def _rest_all() -> None:
    for database in list(_databases):
        database.rest()


# A child inherits SQLite's record of the locks that its parent holds, not the locks. Its own connections would rely on
# them, and whoever closes last would delete the log that the child writes to (https://sqlite.org/howtocorrupt.html).
os.register_at_fork(before=_rest_all)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (a Path's own stat costs 1 µs more)
    except OSError:
        return None
    return found.st_dev, found.st_ino
