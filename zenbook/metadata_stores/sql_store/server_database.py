"""A database on a server: it connects on first use, creates or migrates the tables, and writes whole transactions.

Statements are compiled by SQLAlchemy and executed on the driver's own connections, so that a transaction is one round
trip. SQLAlchemy's pool holds the connections.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store.compiled_statements import CompiledStatements, PreparedStatement, StatementName
from zenbook.metadata_stores.sql_store.database_interface import Row, SqlDatabase, Writer, Writes
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass, Query, Statement, clean_row
from zenbook.metadata_stores.sql_store.server_retry import ServerRetry

if TYPE_CHECKING:
    from sqlalchemy import Pool, PoolProxiedConnection

T = TypeVar("T")
IDLE_SECONDS = 5.0  # after which a connection is checked before it is used: servers and firewalls drop idle ones
MAX_IDLE = 8  # connections


class ServerDatabase(SqlDatabase):
    """A database on a server.

    Args:
        driver: How to reach it.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._connections: dict[int, _ProcessConnections] = {}  # by process: a child never uses its parent's
        self._locks: dict[int, threading.Lock] = {}

    def write(self, writes: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, again if it conflicts with others or the server is lost."""
        driver = self.driver
        statements: list[Statement] = [
            (writer.sql, [clean_row(writer.values(record), holds_nul=driver.holds_nul) for record in records])
            for writer, records in writes
            if records
        ]
        if statements:
            statements += self.revision_statements(changed, gone)
            self._run(lambda connection: driver.transact(connection, statements))

    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """Execute a query."""
        return self._query((name,), values)[0]

    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """Send both queries at once, since that costs less than to wait for the first answer."""
        first, second = self._query((name, other), values)
        return first, second

    def rows_in(self, name: StatementName, parameter: str, items: Sequence[Any], **values: Any) -> list[Row]:
        """Execute a query in which one parameter is a list of values."""
        sql, arguments = self.prepared(name).with_list(parameter, tuple(items), **_shorten_pipeline(values))
        return self._fetch([(sql, arguments)])[0]

    def prepared(self, name: StatementName) -> PreparedStatement:
        """A statement in this server's SQL."""
        return _compiled(type(self.driver))[name]

    def writer(self, name: StatementName) -> Writer:
        """As for any database; descriptive texts are truncated to their column."""
        from zenbook.metadata_stores.sql_store.statements import widths_of

        writer, widths = super().writer(name), widths_of(name)
        if not widths:
            return writer
        limits = [widths.get(parameter) for parameter in self.prepared(name).names]
        return Writer(
            writer.sql,
            lambda record: tuple(
                value if limit is None else shorten(value, limit)
                for value, limit in zip(writer.values(record), limits, strict=True)
            ),
        )

    def describe(self) -> str:
        """Kind, host, database, user, version and schema revision."""
        settings = self.driver.settings
        version, revision = self._run(lambda connection: (self.driver.version(connection), self._revision(connection)))
        user = f" as {settings.username}" if settings.username else ""
        return f"{self.driver.name} at {settings.location}{user}, {version}, schema {revision}"

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        if connections := self._connections.pop(os.getpid(), None):
            connections.pool.dispose()

    def _query(self, names: tuple[StatementName, ...], values: dict[str, Any]) -> list[list[Row]]:
        shortened = _shorten_pipeline(values)
        prepared = [self.prepared(name) for name in names]
        return self._fetch([(statement.sql, statement.arguments(**shortened)) for statement in prepared])

    def _fetch(self, queries: list[Query]) -> list[list[Row]]:
        cleaned = [(sql, clean_row(row, holds_nul=self.driver.holds_nul)) for sql, row in queries]
        return self._run(lambda connection: self.driver.fetch(connection, cleaned))

    def _revision(self, connection: Any) -> str | None:
        rows = self.driver.fetch(connection, [(self.prepared(StatementName.REVISION).sql, ())])[0]
        return str(rows[0][0]) if rows else None

    # --- connections ------------------------------------------------------------------------------------------------

    def _run(self, work: Callable[[Any], T]) -> T:
        """Call a function with a connection, again as long as time and the error allow."""
        connections = self._of_this_process()
        try:
            return connections.retry.run(lambda: self._attempt(connections, work))
        except self.driver.failures as error:
            store_error = self.driver.to_store_error(error)
            # The frames of the driver hold its arguments: the password.
            raise store_error from error.with_traceback(None)

    def _attempt(self, connections: _ProcessConnections, work: Callable[[Any], T]) -> T:
        pooled = self._take(connections)
        is_clean = False  # whether the connection can be used again
        try:
            if not connections.ready:
                self._make_ready(connections, pooled.dbapi_connection)
            result = work(pooled.dbapi_connection)
            is_clean = True
        except self.driver.failures as error:
            error_class = self.driver.classify(error)
            if error_class is ErrorClass.LOST:
                connections.drop_idle()  # they are lost as well
            else:
                is_clean = self._reset(pooled)
            if error_class is ErrorClass.MISSING_TABLES:
                connections.ready = False  # somebody has dropped them: the next use creates them again
            raise
        finally:
            if is_clean:
                pooled.info["used"] = time.monotonic()
                pooled.close()
            else:  # also after an interrupt: an answer may be on its way
                pooled.invalidate()
        return result

    def _reset(self, pooled: PoolProxiedConnection) -> bool:
        try:
            self.driver.reset(pooled.dbapi_connection)
        except self.driver.failures:  # the first error is reported
            return False
        return True

    def _take(self, connections: _ProcessConnections) -> PoolProxiedConnection:
        """A connection from the pool that is alive."""
        while True:
            pooled = connections.pool.connect()
            used = pooled.info.get("used")
            if used is None or time.monotonic() - used < IDLE_SECONDS or self.driver.is_alive(pooled.dbapi_connection):
                return pooled
            pooled.invalidate()
            pooled.close()

    def _make_ready(self, connections: _ProcessConnections, connection: Any) -> None:
        """Create or migrate the tables, if they are not of this zenbook's revision."""
        with connections.lock:
            if connections.ready:
                return
            try:
                revision = self._revision(connection)
            except self.driver.failures as error:
                if self.driver.classify(error) is not ErrorClass.MISSING_TABLES:
                    raise
                revision = None
            if revision != migrations.HEAD:
                from zenbook.metadata_stores.migrations.server_migration import upgrade_to_head

                upgrade_to_head(self.driver)
            connections.ready = True

    def _of_this_process(self) -> _ProcessConnections:
        connections = self._connections.get(os.getpid())
        if connections is None:
            with self._locks.setdefault(os.getpid(), threading.Lock()):
                connections = self._connections.get(os.getpid()) or _ProcessConnections(self.driver)
                self._connections[os.getpid()] = connections
        return connections


class _ProcessConnections:
    """The connections of one process to one server."""

    def __init__(self, driver: Driver) -> None:
        self.retry = ServerRetry(driver)
        self.lock = threading.Lock()
        self.ready = False
        self.pool = _pool(driver)

    def drop_idle(self) -> None:
        """Close the connections that nobody is using."""
        old, self.pool = self.pool, self.pool.recreate()
        old.dispose()


def _pool(driver: Driver) -> Pool:
    from sqlalchemy import QueuePool

    # A connection that is returned has no open transaction, so a round trip to roll back is not needed.
    return QueuePool(driver.connect, pool_size=MAX_IDLE, max_overflow=-1, reset_on_return=None, use_lifo=True)


@cache
def _compiled(driver: type[Driver]) -> CompiledStatements:
    from zenbook.metadata_stores.sql_store.statements import compile_statements

    return compile_statements(driver.dialect())


def shorten(text: Any, limit: int) -> Any:
    """Truncate a text.

    Args:
        text: Any value; only texts change.
        limit: In characters.

    Returns:
        The text with an ellipsis at its end if it was longer.
    """
    return text if not isinstance(text, str) or len(text) <= limit else f"{text[: limit - 1]}…"


def _shorten_pipeline(values: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the name of the pipeline as it was written."""
    if "pipeline" not in values:
        return values
    return {**values, "pipeline": shorten(values["pipeline"], 100)}
