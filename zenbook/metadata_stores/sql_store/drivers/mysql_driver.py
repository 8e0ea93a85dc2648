"""MySQL from 5.6 on and MariaDB, with PyMySQL."""

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
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass, Query, Statement
from zenbook.metadata_stores.sql_store.server_settings import ServerSettings, Tls

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import Connection, Dialect, Engine

PACKET = 1_000_000  # bytes of statements that are sent at once, at most
LOCK_SECONDS = 120  # how long others may take to create or migrate the tables
SILENCE = 150  # seconds without an answer after which a server is lost; InnoDB waits 50 s for a lock
MODES = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"  # none of them changes how text is quoted
LARGEST = sys.float_info.max  # means infinity, which MySQL's numbers don't have
_VALUES = re.compile(r"(INSERT INTO .+? VALUES )(\([^)]*\))(.*)", re.DOTALL)


class MysqlDriver(Driver):
    """Connections to one database of one server.

    Args:
        settings: Where the database is, and who logs in.
        instance: Of Cloud SQL, as project:region:name; its own library connects to it.
    """

    name = "mysql"
    failures = (pymysql.MySQLError,)

    def __init__(self, settings: ServerSettings, instance: str | None = None) -> None:
        super().__init__(settings)
        self.instance = instance
        self.packet = self.largest = PACKET  # bytes; `connect` adapts them to the server
        self.isolation = ""

    @classmethod
    def dialect(cls) -> Dialect:
        """SQLAlchemy's for PyMySQL."""
        from sqlalchemy.dialects.mysql.pymysql import dialect

        return dialect()

    # --- connecting -------------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """A connection in strict mode, so that nothing is truncated silently."""
        try:
            connection = self._open(self.settings.database)
        except pymysql.MySQLError as error:
            if error.args[:1] != (1049,):
                raise
            self._create_database()
            connection = self._open(self.settings.database)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, database: str | None) -> Any:
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
            return _open_instance(self.instance, secret, common)
        return pymysql.connect(
            host=settings.host,
            port=settings.port,
            unix_socket=_socket_of(settings),
            password=secret.get_secret_value().encode() if secret else b"",
            **self._tls_arguments,
            **common,
        )

    @cached_property
    def _tls_arguments(self) -> dict[str, Any]:
        """PyMySQL's arguments for TLS; without any it encrypts if the server can."""
        settings, tls = self.settings, self.settings.protection
        if tls is Tls.OFF or (tls is Tls.AUTO and settings.unix_socket is not None):
            return {"ssl_disabled": True}
        if tls is Tls.AUTO:
            return {}
        try:
            context = ssl.create_default_context(cafile=settings.ssl_ca)
            if settings.ssl_cert is not None:
                context.load_cert_chain(settings.ssl_cert, settings.ssl_key)
        except (OSError, ssl.SSLError) as error:
            raise mysql_errors.unreadable_certificates(self.store, settings, error) from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates that MySQL generates itself don't pass it
        context.check_hostname = tls is Tls.VERIFY and settings.verify_identity
        context.verify_mode = ssl.CERT_REQUIRED if tls is Tls.VERIFY else ssl.CERT_NONE
        return {"ssl": context}

    def _create_database(self) -> None:
        name = self.settings.database.replace("`", "``")
        connection = self._open(None)
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        finally:
            connection.close()

    def _prepare(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            if not self.isolation:
                if self._version_number(connection) < (5, 6):
                    raise mysql_errors.too_old(self.store, self.version(connection))
                names = ("max_allowed_packet", "log_bin", "binlog_format")  # newer servers lack the last
                cursor.execute("SHOW VARIABLES WHERE Variable_name IN %s", (names,))
                variables = dict(cursor.fetchall())
                self.largest = int(variables["max_allowed_packet"]) - 1024
                self.packet = min(PACKET, self.largest)
                # Fewer locks than by default. A server that logs statements refuses it, since it could not replay them.
                replays_statements = variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT"
                self.isolation = "REPEATABLE READ" if replays_statements else "READ COMMITTED"
            cursor.execute(f"SET SESSION sql_mode='{MODES}'; SET SESSION TRANSACTION ISOLATION LEVEL {self.isolation}")

    # --- working ----------------------------------------------------------------------------------------------------

    def is_alive(self, connection: Any) -> bool:
        """Whether the server answers a ping within the connection timeout: a firewall drops packets silently."""
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
        parts = ["BEGIN", *(text for statement in statements for text in self._texts(connection, *statement)), "COMMIT"]
        with connection.cursor() as cursor:
            for packet in self._packets(parts):
                cursor.execute(packet)
                while cursor.nextset():
                    pass

    def fetch(self, connection: Any, queries: Sequence[Query]) -> list[list[Row]]:
        """Send all of them in one packet."""
        answers: list[list[Row]] = []
        with connection.cursor() as cursor:
            cursor.execute("; ".join(self._text(connection, *query) for query in queries))
            while True:
                answers.append(list(cursor.fetchall()))
                if not cursor.nextset():
                    return answers

    def _texts(self, connection: Any, sql: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
        """A statement for all rows: an INSERT takes many at once."""
        insert = _VALUES.fullmatch(sql) if len(rows) > 1 else None
        if insert is None:
            yield from (self._text(connection, sql, row) for row in rows)
            return
        before, values, after = insert[1], insert[2], insert[3] % ()
        gathered: list[str] = []
        size = 0
        for row in rows:
            text = self._text(connection, values, row)
            length = len(text.encode())
            if gathered and size + length > self.packet // 2:
                yield f"{before}{', '.join(gathered)}{after}"
                gathered, size = [], 0
            gathered.append(text)
            size += length + 2
        yield f"{before}{', '.join(gathered)}{after}"

    def _text(self, connection: Any, sql: str, values: Sequence[Any]) -> str:
        try:
            return str(sql % tuple(map(connection.escape, values)))
        except (TypeError, AttributeError, ValueError) as error:
            raise StoreError(f"{self.store} can't store a value: {error}.", "Log only numbers and texts.") from error

    def _packets(self, parts: Sequence[str]) -> Iterator[str]:
        gathered: list[str] = []
        size = 0
        for part in parts:
            length = len(part.encode()) + 2
            if length > self.largest:
                raise mysql_errors.too_large(self.store, length, self.largest)
            if gathered and size + length > self.packet:
                yield "; ".join(gathered)
                gathered, size = [], 0
            gathered.append(part)
            size += length
        yield "; ".join(gathered)

    # --- the server -------------------------------------------------------------------------------------------------

    def version(self, connection: Any) -> str:
        """Like MariaDB 10.11.6 or MySQL 8.4.1."""
        kind = "MariaDB" if "mariadb" in connection.get_server_info().lower() else "MySQL"
        return f"{kind} {'.'.join(map(str, self._version_number(connection)))}"

    def _version_number(self, connection: Any) -> tuple[int, ...]:
        text = connection.get_server_info().removeprefix("5.5.5-")  # MariaDB adds it for old clients
        return tuple(int(number) for number in re.findall(r"\d+", text)[:3])

    def classify(self, error: BaseException) -> ErrorClass:
        """By the error's number."""
        return mysql_errors.classify(error)

    def to_store_error(self, error: BaseException) -> StoreError:
        """By the error's number."""
        return mysql_errors.to_store_error(error, self.store, self.settings)

    def engine(self) -> Engine:
        """Each statement commits by itself, as DDL does in any case."""
        from sqlalchemy import NullPool, create_engine

        return create_engine("mysql+pymysql://", creator=self.connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @contextmanager
    def migration_lock(self, connection: Connection) -> Iterator[None]:
        """A named lock of the server, which ends with the connection."""
        name = f"zenbook {self.settings.database}"[:64]
        locked = connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, LOCK_SECONDS)).scalar()
        if locked != 1:
            raise StoreError(
                f"{self.store} is locked: another client has been migrating it for more than {LOCK_SECONDS} s.",
                "Try again. SHOW PROCESSLIST lists the clients.",
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
    """The socket, which may be the only one in the folder of a Cloud SQL proxy."""
    path = settings.unix_socket
    if path is None:
        return None
    if not path.is_dir():
        return str(path)
    sockets = sorted(entry for entry in path.iterdir() if stat.S_ISSOCK(entry.stat().st_mode))
    if len(sockets) != 1:
        hint = f"Choose one of them: {', '.join(map(str, sockets))}." if sockets else "Start the Cloud SQL proxy."
        raise StoreError(f"The folder {str(path)!r} contains {len(sockets)} sockets.", hint)
    return str(sockets[0])


_connectors: dict[int, Any] = {}  # by process: the threads of one don't survive a fork


def _open_instance(instance: str, secret: SecretStr | None, arguments: dict[str, Any]) -> Any:
    from google.cloud.sql.connector import Connector

    try:
        connector = _connectors.get(os.getpid()) or _connectors.setdefault(os.getpid(), Connector())
        return connector.connect(instance, "pymysql", password=secret and secret.get_secret_value(), **arguments)
    except pymysql.MySQLError:
        raise
    except Exception as error:  # of Google's login, its API or the network
        raise pymysql.err.OperationalError(2003, f"{type(error).__name__}: {error}") from error
