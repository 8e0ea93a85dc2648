"""A database server that is connected to on first use, brought to the schema's head, and written in whole transactions.

Statements are compiled by SQLAlchemy and executed on the driver's own connections, so that a transaction is one round
trip. The connections are kept by SQLAlchemy's pool.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store.compiled_statements import Compiled, Prepared, StatementName
from zenbook.metadata_stores.sql_store.database_interface import Row, SqlDatabase, Writer, Writes
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass, Question, Statement, clean
from zenbook.metadata_stores.sql_store.server_retry import Patience

if TYPE_CHECKING:
    from sqlalchemy import Pool, PoolProxiedConnection

T = TypeVar("T")
IDLE = 5.0  # seconds after which a connection is looked at before it is used: servers and firewalls drop idle ones
KEPT = 8  # idle connections at most


class ServerDatabase(SqlDatabase):
    """A database of a server."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._opened: dict[int, _Opened] = {}  # by process: a child never uses its parent's
        self._opening: dict[int, threading.Lock] = {}

    def write(self, works: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, in this order; again if others get in its way or the server is lost."""
        driver = self.driver
        statements: list[Statement] = [
            (writer.sql, [clean(writer.values(one), holds_nul=driver.holds_nul) for one in records])
            for writer, records in works
            if records
        ]
        if statements:
            statements += self.revised(changed, gone)
            self._do(lambda connection: driver.transact(connection, statements))

    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """All rows that answer a question."""
        return self._answers((name,), values)[0]

    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """Both questions are asked at once, since that costs less than to wait for the first answer."""
        first, second = self._answers((name, other), values)
        return first, second

    def rows_of_all(self, name: StatementName, parameter: str, several: Sequence[Any], **values: Any) -> list[Row]:
        """All rows that answer a question in which one parameter is a list of values."""
        sql, arguments = self.prepared(name).with_all(parameter, tuple(several), **_cut(values))
        return self._ask([(sql, arguments)])[0]

    def prepared(self, name: StatementName) -> Prepared:
        """A statement in this server's SQL."""
        return _compiled(type(self.driver))[name]

    def writer(self, name: StatementName) -> Writer:
        """As of any database; texts that only describe are cut where their column ends."""
        from zenbook.metadata_stores.sql_store.statements import widths_of

        whole, widths = super().writer(name), widths_of(name)
        if not widths:
            return whole
        limits = [widths.get(one) for one in self.prepared(name).names]
        return Writer(
            whole.sql,
            lambda record: tuple(
                value if limit is None else shortened(value, limit)
                for value, limit in zip(whole.values(record), limits, strict=True)
            ),
        )

    def describe(self) -> str:
        """Kind, host, database, user, version and schema revision."""
        settings = self.driver.settings
        version, revision = self._do(lambda connection: (self.driver.version(connection), self._revision(connection)))
        who = f" as {settings.username}" if settings.username else ""
        return f"{self.driver.name} at {settings.place}{who}, {version}, schema {revision}"

    def close(self) -> None:
        """Let go of this process's connections; the next use opens new ones."""
        if opened := self._opened.pop(os.getpid(), None):
            opened.pool.dispose()

    def _answers(self, names: tuple[StatementName, ...], values: dict[str, Any]) -> list[list[Row]]:
        known = _cut(values)
        prepared = [self.prepared(name) for name in names]
        return self._ask([(one.sql, one.arguments(**known)) for one in prepared])

    def _ask(self, questions: list[Question]) -> list[list[Row]]:
        cleaned = [(sql, clean(row, holds_nul=self.driver.holds_nul)) for sql, row in questions]
        return self._do(lambda connection: self.driver.answer(connection, cleaned))

    def _revision(self, connection: Any) -> str | None:
        rows = self.driver.answer(connection, [(self.prepared(StatementName.REVISION).sql, ())])[0]
        return str(rows[0][0]) if rows else None

    # --- connections ------------------------------------------------------------------------------------------------

    def _do(self, work: Callable[[Any], T]) -> T:
        """Do something on a connection, as often as patience and the error allow."""
        opened = self._here()
        try:
            return opened.patience.keep_trying(lambda: self._once(opened, work))
        except self.driver.failures as error:
            told = self.driver.told(error)
            # The frames of the driver hold what it was called with: the password.
            raise told from error.with_traceback(None)

    def _once(self, opened: _Opened, work: Callable[[Any], T]) -> T:
        kept = self._take(opened)
        whole = False
        try:
            if not opened.ready:
                self._make_ready(opened, kept.dbapi_connection)
            result = work(kept.dbapi_connection)
            whole = True
        except self.driver.failures as error:
            trouble = self.driver.trouble(error)
            if trouble is ErrorClass.LOST:
                opened.drop_idle()  # they are lost as well
            else:
                whole = self._is_reset(kept)
            if trouble is ErrorClass.MISSING_TABLES:
                opened.ready = False  # somebody has dropped them: the next use makes them anew
            raise
        finally:
            if whole:
                kept.info["used"] = time.monotonic()
                kept.close()
            else:  # also after an interrupt: an answer may be on its way
                kept.invalidate()
        return result

    def _is_reset(self, kept: PoolProxiedConnection) -> bool:
        try:
            self.driver.reset(kept.dbapi_connection)
        except self.driver.failures:  # what went wrong before is told
            return False
        return True

    def _take(self, opened: _Opened) -> PoolProxiedConnection:
        """A connection from the pool, one that is alive."""
        while True:
            kept = opened.pool.connect()
            used = kept.info.get("used")
            if used is None or time.monotonic() - used < IDLE or self.driver.is_alive(kept.dbapi_connection):
                return kept
            kept.invalidate()
            kept.close()

    def _make_ready(self, opened: _Opened, connection: Any) -> None:
        """See that the tables are there and of this zenbook's revision."""
        with opened.lock:
            if opened.ready:
                return
            try:
                revision = self._revision(connection)
            except self.driver.failures as error:
                if self.driver.trouble(error) is not ErrorClass.MISSING_TABLES:
                    raise
                revision = None
            if revision != migrations.HEAD:
                from zenbook.metadata_stores.migrations.servers import bring_to_head

                bring_to_head(self.driver)
            opened.ready = True

    def _here(self) -> _Opened:
        """This process's connections."""
        opened = self._opened.get(os.getpid())
        if opened is None:
            with self._opening.setdefault(os.getpid(), threading.Lock()):
                opened = self._opened.get(os.getpid()) or _Opened(self.driver)
                self._opened[os.getpid()] = opened
        return opened


class _Opened:
    """The connections of one process to one server."""

    def __init__(self, driver: Driver) -> None:
        self.patience = Patience(driver)
        self.lock = threading.Lock()
        self.ready = False
        self.pool = _pool(driver)

    def drop_idle(self) -> None:
        """Close the connections that nobody is using."""
        before, self.pool = self.pool, self.pool.recreate()
        before.dispose()


def _pool(driver: Driver) -> Pool:
    from sqlalchemy import QueuePool

    # Nothing is open on a connection that is given back, so there is nothing to roll back by a round trip.
    return QueuePool(driver.connect, pool_size=KEPT, max_overflow=-1, reset_on_return=None, use_lifo=True)


@cache
def _compiled(driver: type[Driver]) -> Compiled:
    from zenbook.metadata_stores.sql_store.statements import compiled

    return compiled(driver.dialect())


def shortened(text: Any, limit: int) -> Any:
    """A text of at most so many characters, with an ellipsis where it was cut."""
    return text if not isinstance(text, str) or len(text) <= limit else f"{text[: limit - 1]}…"


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    """A pipeline's name as it was written."""
    if "pipeline" not in values:
        return values
    return {**values, "pipeline": shortened(values["pipeline"], 100)}
