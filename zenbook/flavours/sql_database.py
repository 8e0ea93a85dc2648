"""A SQL database that is opened on first use, brought to the schema's head, and written in whole transactions.

SQLAlchemy makes the statements, the schema and the connection pool. Statements that every step needs are compiled once
and executed on the driver's own cursor: through SQLAlchemy's execution each costs 25 µs, and SQLite itself 5.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, cast

from sqlalchemy import URL, ClauseElement, Engine, Select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from zenbook.errors import StoreError
from zenbook.flavours import migrations, sql_sqlite

T = TypeVar("T")
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in the database's own SQL, the names of its parameters in their order, and values it has itself."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, **values: Any) -> tuple[Any, ...]:
        """The parameters' values in their order."""
        known = {**self.constants, **values}
        return tuple(known[name] for name in self.names)


@dataclass(frozen=True, slots=True)
class Writer:
    """A prepared statement that writes one kind of record."""

    sql: str
    values: Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Opened:
    engine: Engine
    place: tuple[int, int] | None  # device and inode of the file
    failures: tuple[type[Exception], ...]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Database:
    """A database at a URL, for any thread and for forked children.

    Every method raises `StoreError` when the database can't be reached, read or written.
    """

    url: URL
    _opened: dict[int, _Opened] = field(default_factory=dict)  # by process: a child never closes its parent's
    _opening: dict[int, threading.Lock] = field(default_factory=dict)
    _prepared: dict[ClauseElement, Prepared] = field(default_factory=dict)

    def write(self, works: Iterable[tuple[Writer, Sequence[Any]]]) -> None:
        """Write records in one transaction, in this order."""
        rows = [(writer.sql, [*map(writer.values, records)]) for writer, records in works if records]
        if not rows:
            return
        try:
            self._transact(rows)
        except UnicodeEncodeError:  # half of a surrogate pair, from a file's name or a print: no database takes it
            self._transact([(sql, [*map(_encodable, some)]) for sql, some in rows])

    def _transact(self, rows: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        def work(cursor: Any) -> None:
            cursor.execute("BEGIN IMMEDIATE")
            for sql, some in rows:
                if len(some) == 1:
                    cursor.execute(sql, some[0])
                else:
                    cursor.executemany(sql, some)
            cursor.execute("COMMIT")

        self.with_cursor(work)

    def with_cursor(self, work: Callable[[Any], T]) -> T:
        """Do something with the driver's cursor. However it ends, no transaction stays open on the connection."""
        opened = self._open()
        try:
            connection = opened.engine.raw_connection()
            try:
                return work(connection.cursor())
            finally:
                connection.close()  # the pool rolls back what wasn't committed
        except opened.failures as error:
            raise self._told(error) from error

    def rows(self, statement: ClauseElement, **values: Any) -> list[Row]:
        """All rows of a statement that is compiled once."""
        prepared = self.prepared(statement)
        parameters = prepared.arguments(**values)
        return self.with_cursor(lambda cursor: cast(list[Row], cursor.execute(prepared.sql, parameters).fetchall()))

    def select(self, wanted: Select[Any]) -> Sequence[Row]:
        """All rows of a statement that is made for one question."""
        opened = self._open()
        try:
            with opened.engine.connect() as connection:
                return connection.execute(wanted).fetchall()
        except opened.failures as error:
            raise self._told(error) from error

    def prepared(self, statement: ClauseElement) -> Prepared:
        """The statement, compiled at its first use."""
        if (known := self._prepared.get(statement)) is None:
            compiled = statement.compile(dialect=self._open().engine.dialect)
            names = tuple(cast(SQLCompiler, compiled).positiontup or ())
            known = Prepared(str(compiled), names, compiled.params)
            self._prepared[statement] = known
        return known

    def writer(self, statement: ClauseElement) -> Writer:
        """What executes a statement for records whose fields have the names of its parameters."""
        prepared = self.prepared(statement)
        # `_value_` is an enum's value without the 0.2 µs of its property.
        pick = attrgetter(*("state._value_" if name == "state" else name for name in prepared.names))
        if len(prepared.names) == 1:
            return Writer(prepared.sql, lambda record: (pick(record),))
        if "notes" not in prepared.names:
            return Writer(prepared.sql, pick)
        at = prepared.names.index("notes")

        def with_notes(record: Any) -> tuple[Any, ...]:
            row = pick(record)
            return (*row[:at], json.dumps(row[at]) if row[at] else "[]", *row[at + 1 :])

        return Writer(prepared.sql, with_notes)

    def describe(self) -> str:
        """Kind, place and schema revision."""
        opened = self._open()
        try:
            with opened.engine.connect() as connection:
                return f"{self.dialect} at {self.place}, schema {migrations.revision_of(connection)}"
        except opened.failures as error:
            raise self._told(error) from error

    @property
    def dialect(self) -> str:
        """The SQL it speaks: sqlite."""
        return self.url.get_backend_name()

    @property
    def place(self) -> str:
        """Where the database is, for people."""
        return str(sql_sqlite.file_of(self.url))

    def close(self) -> None:
        """Let go of this process's connections; the next use opens new ones."""
        if opened := self._opened.pop(os.getpid(), None):
            opened.engine.dispose()

    def rest(self) -> None:
        """Close the connections that nobody is using; the next use opens one in 0.3 ms."""
        if opened := self._opened.get(os.getpid()):
            opened.engine.dispose()

    def _open(self) -> _Opened:
        opened = self._opened.get(os.getpid())
        # Whoever deletes .zen to start over, with a kernel still running, would lose what that kernel writes to the
        # deleted file: 1 µs tells.
        if opened is not None and opened.place == _place(self.url):
            return opened
        with self._opening.setdefault(os.getpid(), threading.Lock()):
            if self._opened.get(os.getpid()) is opened:
                self.close()
                self._opened[os.getpid()] = self._connect()
                _databases.add(self)
            return self._opened[os.getpid()]

    def _connect(self) -> _Opened:
        engine = sql_sqlite.new_engine(self.url)
        failures = (engine.dialect.loaded_dbapi.Error, SQLAlchemyError, OverflowError)
        try:
            with engine.connect() as connection:
                if migrations.revision_of(connection) != migrations.HEAD:
                    # Nobody else may look and then create or migrate as well.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    migrations.bring_to_head(connection)
                    connection.commit()
        except failures as error:
            engine.dispose()
            raise self._told(error) from error
        except BaseException:
            engine.dispose()
            raise
        return _Opened(engine, _place(self.url), failures)

    def _told(self, error: Exception) -> StoreError:
        cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text shows the values of a row
        return sql_sqlite.plain_error(cause, sql_sqlite.file_of(self.url)) or StoreError(
            f"The metadata store {self.place!r} refused: {cause}.", "`zen doctor` looks at the store."
        )


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _rest_all() -> None:
    for database in list(_databases):
        database.rest()


# A child inherits SQLite's record of the locks that its parent holds, not the locks. Its own connections would rely on
# them, and whoever closes last would delete the log that the child writes to (https://sqlite.org/howtocorrupt.html).
os.register_at_fork(before=_rest_all)


def _place(url: URL) -> tuple[int, int] | None:
    try:
        found = os.stat(url.database or "")  # noqa: PTH116 (a Path costs 1 µs at every call)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _encodable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in row
    )
