"""MySQL from 5.6 on and MariaDB, by PyMySQL."""

from __future__ import annotations

import os
import re
import ssl
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from math import copysign, inf, isinf
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions, escape_float

from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store.database_interface import Row
from zenbook.metadata_stores.sql_store.drivers import mysql_errors
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass, Question, Statement
from zenbook.metadata_stores.sql_store.server_settings import ServerSettings, Tls

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import Connection, Dialect, Engine

PACKET = 1_000_000  # bytes of statements that are sent at once, at most
LOCK_SECONDS = 120  # how long others may take to make or migrate the tables
SILENCE = 150  # seconds after which a server that says nothing is lost; InnoDB waits 50 s for a lock
MODES = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"  # among them none that changes how text is quoted
LARGEST = sys.float_info.max  # stands for infinity, which MySQL's numbers don't have
_VALUES = re.compile(r"(INSERT INTO .+? VALUES )(\([^)]*\))(.*)", re.DOTALL)


class MysqlDriver(Driver):
    """Connections to one database of one server."""

    name = "mysql"
    failures = (pymysql.MySQLError,)

    def __init__(self, settings: ServerSettings, instance: str | None = None) -> None:
        super().__init__(settings)
        self.instance = instance  # of Cloud SQL, which its own library connects to
        self.most = self.largest = PACKET  # until the server has said what it takes
        self.isolation = ""

    @classmethod
    def dialect(cls) -> Dialect:
        """SQLAlchemy's for PyMySQL."""
        from sqlalchemy.dialects.mysql.pymysql import dialect

        return dialect()

    # --- connecting -------------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """A connection in strict mode, so that nothing is cut unseen."""
        try:
            connection = self._dial(self.settings.database)
        except pymysql.MySQLError as error:
            if error.args[:1] != (1049,):
                raise
            self._make_database()
            connection = self._dial(self.settings.database)
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _dial(self, database: str | None) -> Any:
        settings, secret = self.settings, self.settings.password
        common: dict[str, Any] = {
            "user": settings.username,
            "database": database,
            "charset": "utf8mb4",
            "autocommit": True,
            "client_flag": CLIENT.MULTI_STATEMENTS,
            "conv": _conversions(),
            "connect_timeout": settings.connect_timeout,
            "read_timeout": SILENCE,
            "write_timeout": SILENCE,
        }
        if self.instance is not None:
            return _dial_instance(self.instance, secret, common)
        return pymysql.connect(
            host=settings.host,
            port=settings.port,
            unix_socket=_socket_of(settings),
            password=secret.get_secret_value().encode() if secret else b"",
            **self._protection,
            **common,
        )

    @cached_property
    def _protection(self) -> dict[str, Any]:
        """PyMySQL's arguments for TLS; it encrypts by itself where the server can and nothing is asked for."""
        settings, wanted = self.settings, self.settings.protection
        if wanted is Tls.OFF or (wanted is Tls.AUTO and settings.unix_socket is not None):
            return {"ssl_disabled": True}
        if wanted is Tls.AUTO:
            return {}
        try:
            context = ssl.create_default_context(cafile=settings.ssl_ca)
            if settings.ssl_cert is not None:
                context.load_cert_chain(settings.ssl_cert, settings.ssl_key)
        except (OSError, ssl.SSLError) as error:
            raise mysql_errors.unreadable_certificates(self.store, settings, error) from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates that MySQL makes itself don't pass it
        context.check_hostname = wanted is Tls.VERIFY and settings.verify_identity
        context.verify_mode = ssl.CERT_REQUIRED if wanted is Tls.VERIFY else ssl.CERT_NONE
        return {"ssl": context}

    def _make_database(self) -> None:
        name = self.settings.database.replace("`", "``")
        connection = self._dial(None)
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        finally:
            connection.close()

    def _set_up(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            if not self.isolation:
                if self._number(connection) < (5, 6):
                    raise mysql_errors.too_old(self.store, self.version(connection))
                names = ("max_allowed_packet", "log_bin", "binlog_format")  # newer servers lack the last
                cursor.execute("SHOW VARIABLES WHERE Variable_name IN %s", (names,))
                said = dict(cursor.fetchall())
                self.largest = int(said["max_allowed_packet"]) - 1024
                self.most = min(PACKET, self.largest)
                # Fewer locks than by default; a log of statements can't be replayed with them, so the server refuses.
                replays = said.get("log_bin") == "ON" and said.get("binlog_format") == "STATEMENT"
                self.isolation = "REPEATABLE READ" if replays else "READ COMMITTED"
            cursor.execute(f"SET SESSION sql_mode='{MODES}'; SET SESSION TRANSACTION ISOLATION LEVEL {self.isolation}")

    # --- working ----------------------------------------------------------------------------------------------------

    def is_alive(self, connection: Any) -> bool:
        """Whether the server answers a ping, in the time that a connection may take: a firewall drops silently."""
        connection._read_timeout = self.settings.connect_timeout
        try:
            connection.ping(reconnect=False)
        except pymysql.MySQLError:
            return False
        finally:
            connection._read_timeout = SILENCE
        return True

    def reset(self, connection: Any) -> None:
        """Roll back."""
        connection.rollback()

    def transact(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Send the whole transaction as text, in packets of a megabyte."""
        parts = ["BEGIN", *(text for one in statements for text in self._texts(connection, *one)), "COMMIT"]
        with connection.cursor() as cursor:
            for packet in self._packets(parts):
                cursor.execute(packet)
                while cursor.nextset():
                    pass

    def answer(self, connection: Any, questions: Sequence[Question]) -> list[list[Row]]:
        """Ask all of them in one packet."""
        answers: list[list[Row]] = []
        with connection.cursor() as cursor:
            cursor.execute("; ".join(self._text(connection, *one) for one in questions))
            while True:
                answers.append(list(cursor.fetchall()))
                if not cursor.nextset():
                    return answers

    def _texts(self, connection: Any, sql: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
        """A statement for all rows: an INSERT takes many at once."""
        found = _VALUES.fullmatch(sql) if len(rows) > 1 else None
        if found is None:
            yield from (self._text(connection, sql, row) for row in rows)
            return
        before, values, after = found[1], found[2], found[3] % ()
        gathered: list[str] = []
        size = 0
        for row in rows:
            text = self._text(connection, values, row)
            length = len(text.encode())
            if gathered and size + length > self.most // 2:
                yield f"{before}{', '.join(gathered)}{after}"
                gathered, size = [], 0
            gathered.append(text)
            size += length + 2
        yield f"{before}{', '.join(gathered)}{after}"

    def _text(self, connection: Any, sql: str, values: Sequence[Any]) -> str:
        try:
            return str(sql % tuple(map(connection.escape, values)))
        except (TypeError, AttributeError, ValueError) as error:
            raise StoreError(f"{self.store} can't hold a value: {error}.", "Log numbers and texts.") from error

    def _packets(self, parts: Sequence[str]) -> Iterator[str]:
        gathered: list[str] = []
        size = 0
        for part in parts:
            length = len(part.encode()) + 2
            if length > self.largest:
                raise mysql_errors.too_large(self.store, length, self.largest)
            if gathered and size + length > self.most:
                yield "; ".join(gathered)
                gathered, size = [], 0
            gathered.append(part)
            size += length
        yield "; ".join(gathered)

    # --- the server -------------------------------------------------------------------------------------------------

    def version(self, connection: Any) -> str:
        """As MariaDB 10.11.6 or MySQL 8.4.1."""
        kind = "MariaDB" if "mariadb" in connection.get_server_info().lower() else "MySQL"
        return f"{kind} {'.'.join(map(str, self._number(connection)))}"

    def _number(self, connection: Any) -> tuple[int, ...]:
        told = connection.get_server_info().removeprefix("5.5.5-")  # MariaDB puts it there for old clients
        return tuple(int(one) for one in re.findall(r"\d+", told)[:3])

    def trouble(self, error: BaseException) -> ErrorClass:
        """By the error's number."""
        return mysql_errors.trouble(error)

    def told(self, error: BaseException) -> StoreError:
        """By the error's number."""
        return mysql_errors.told(error, self.store, self.settings)

    def engine(self) -> Engine:
        """Each statement commits by itself, as DDL does in any case."""
        from sqlalchemy import NullPool, create_engine

        return create_engine("mysql+pymysql://", creator=self.connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @contextmanager
    def migrating(self, connection: Connection) -> Iterator[None]:
        """By a named lock of the server, which it takes back when the connection ends."""
        name = f"zenbook {self.settings.database}"[:64]
        taken = connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, LOCK_SECONDS)).scalar()
        if taken != 1:
            raise StoreError(
                f"{self.store} is being made or migrated by another client for more than {LOCK_SECONDS} s.",
                "Try again; SHOW PROCESSLIST names the other.",
            )
        try:
            yield
        finally:
            connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (name,))


@lru_cache(maxsize=1)
def _conversions() -> dict[Any, Any]:
    return {**conversions, float: _literal, FIELD_TYPE.DOUBLE: _double}


def _literal(value: float, mapping: object = None) -> str:
    return escape_float(copysign(LARGEST, value) if isinf(value) else value, mapping)  # type: ignore[arg-type]


def _double(text: str) -> float:
    value = float(text)
    return copysign(inf, value) if abs(value) == LARGEST else value


def _socket_of(settings: ServerSettings) -> str | None:
    """The socket, which may be the only one in the folder that a Cloud SQL proxy fills."""
    path = settings.unix_socket
    if path is None:
        return None
    if not path.is_dir():
        return str(path)
    found = sorted(one for one in path.iterdir() if stat.S_ISSOCK(one.stat().st_mode))
    if len(found) != 1:
        raise StoreError(
            f"The folder {str(path)!r} holds {len(found)} sockets.",
            f"Name one of them: {', '.join(map(str, found))}." if found else "Is the Cloud SQL proxy running?",
        )
    return str(found[0])


_connectors: dict[int, Any] = {}  # by process: the threads of one don't survive a fork


def _dial_instance(instance: str, secret: SecretStr | None, arguments: dict[str, Any]) -> Any:
    from google.cloud.sql.connector import Connector

    try:
        connector = _connectors.get(os.getpid()) or _connectors.setdefault(os.getpid(), Connector())
        return connector.connect(instance, "pymysql", password=secret and secret.get_secret_value(), **arguments)
    except pymysql.MySQLError:
        raise
    except Exception as error:  # of Google's log-in, its API or the way there
        raise pymysql.err.OperationalError(2003, f"{type(error).__name__}: {error}") from error
