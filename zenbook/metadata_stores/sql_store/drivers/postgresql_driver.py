"""PostgreSQL from 10 on, with psycopg."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store.database_interface import Row
from zenbook.metadata_stores.sql_store.drivers import postgresql_errors
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass, Query, Statement
from zenbook.metadata_stores.sql_store.drivers.explanations import MISSING_CERTIFICATE_FILE
from zenbook.metadata_stores.sql_store.server_settings import Tls

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Engine

OLDEST = 100_000  # as libpq numbers versions
LOCK = 0x7A656E626F6F6B  # "zenbook": the number of the lock for migrations
LOCK_SECONDS = 120  # how long others may take to create or migrate the tables
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class PostgresqlDriver(Driver):
    """Connections to one database of one server."""

    name = "postgresql"
    failures = (psycopg.Error,)
    holds_nul = False

    @classmethod
    def dialect(cls) -> Dialect:
        """SQLAlchemy's for psycopg, with parameters by position."""
        from sqlalchemy.dialects.postgresql.psycopg import dialect

        return dialect(paramstyle="format")  # type: ignore[no-untyped-call]

    # --- connecting -------------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """A connection that commits each statement."""
        try:
            connection = self._open(self.settings.database)
        except psycopg.Error as error:
            if not postgresql_errors.is_missing_database(error):
                raise
            self._create_database(error)
            connection = self._open(self.settings.database)
        try:
            self._check_server(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, database: str) -> psycopg.Connection[Any]:
        settings = self.settings
        arguments: dict[str, Any] = {
            "host": _folder_of(settings.unix_socket) if settings.unix_socket is not None else settings.host,
            "port": settings.port,
            "user": settings.username,
            "dbname": database,
            "connect_timeout": settings.connect_timeout,
            "application_name": "zenbook",
            "client_encoding": "UTF8",
            "keepalives_idle": 30,
            # In milliseconds, for data that is not acknowledged: a firewall drops packets silently.
            "tcp_user_timeout": settings.connect_timeout * 1000,
            **self._tls_arguments(),
        }
        secret = settings.password
        return psycopg.connect(
            autocommit=True,
            prepare_threshold=None,  # a proxy that shares connections may not know a prepared statement
            password=secret.get_secret_value() if secret is not None else None,
            **arguments,
        )

    def _tls_arguments(self) -> dict[str, Any]:
        """Libpq's arguments for TLS."""
        settings, tls = self.settings, self.settings.protection
        for path in (settings.ssl_ca, settings.ssl_cert, settings.ssl_key):
            if path is not None and not path.is_file():
                raise MISSING_CERTIFICATE_FILE.to_error(self.store, settings, str(path))
        files = {"sslrootcert": settings.ssl_ca, "sslcert": settings.ssl_cert, "sslkey": settings.ssl_key}
        arguments = {name: str(path) for name, path in files.items() if path is not None}
        if tls is Tls.OFF:
            return {"sslmode": "disable"}
        if tls is Tls.AUTO:
            return {"sslmode": "prefer"}
        if tls is Tls.REQUIRED:
            arguments.pop("sslrootcert", None)  # with it, libpq would verify
            return {"sslmode": "require", **arguments}
        mode = "verify-full" if settings.verify_identity else "verify-ca"
        return {"sslmode": mode, "sslrootcert": arguments.get("sslrootcert") or self._system_ca_file(), **arguments}

    def _system_ca_file(self) -> str:
        """The file of the system's CA certificates: libpq needs one, and its built-in path may not exist here."""
        known = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *BUNDLES)
        for path in known:
            if path and Path(path).is_file():
                return path
        raise StoreError(
            f"{self.store} could not be verified: no CA certificates found on this machine.",
            "Set the file of the CA that signed its certificate: --ssl-ca FILE.",
        )

    def _create_database(self, missing: psycopg.Error) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(self.settings.database)
        )
        try:
            with self._open("postgres") as connection:
                connection.execute(statement)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            pass  # another client created it meanwhile
        except psycopg.Error as error:
            raise postgresql_errors.no_database(self.store, self.settings) from error

    def _check_server(self, connection: psycopg.Connection[Any]) -> None:
        if connection.info.server_version < OLDEST:
            raise StoreError(
                f"{self.store} is too old: {self.version(connection)}.", "zenbook needs PostgreSQL 10 or newer."
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"{self.store} stores text as {encoding}, which can't represent all characters.",
                f"Create another one: CREATE DATABASE {self.settings.database} TEMPLATE template0 ENCODING 'UTF8';",
            )

    # --- working ----------------------------------------------------------------------------------------------------

    def is_alive(self, connection: Any) -> bool:
        """Whether the server answers an empty statement."""
        try:
            connection.execute("")
        except psycopg.Error:
            return False
        return True

    def reset(self, connection: Any) -> None:
        """Roll back."""
        connection.rollback()

    def transact(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Send all statements before reading the first answer (libpq's pipeline)."""
        try:
            with connection.pipeline(), connection.cursor() as cursor:
                cursor.execute("BEGIN")
                for text, rows in statements:
                    for row in rows:
                        cursor.execute(text, row)
                cursor.execute("COMMIT")
        except psycopg.ProgrammingError as error:
            if error.sqlstate is not None:
                raise
            raise StoreError(f"{self.store} can't store a value: {error}.", "Log only numbers and texts.") from error

    def fetch(self, connection: Any, queries: Sequence[Query]) -> list[list[Row]]:
        """Send all of them before reading the first answer."""
        if len(queries) == 1:
            return [connection.execute(*queries[0]).fetchall()]
        with connection.pipeline():
            cursors = [connection.execute(*query) for query in queries]
        return [cursor.fetchall() for cursor in cursors]

    # --- the server -------------------------------------------------------------------------------------------------

    def version(self, connection: Any) -> str:
        """Like PostgreSQL 15.6."""
        number = connection.info.server_version
        return f"PostgreSQL {number // 10_000}.{number % 10_000}"

    def classify(self, error: BaseException) -> ErrorClass:
        """By the error's state."""
        return postgresql_errors.classify(error)

    def to_store_error(self, error: BaseException) -> StoreError:
        """By the error's state."""
        return postgresql_errors.to_store_error(error, self.store, self.settings)

    def engine(self) -> Engine:
        """Migrations are transactions."""
        from sqlalchemy import NullPool, create_engine

        def connect() -> Any:
            connection = self.connect()
            connection.autocommit = False
            return connection

        return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)

    @contextmanager
    def migration_lock(self, connection: Connection) -> Iterator[None]:
        """By an advisory lock that ends with the transaction."""
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield
        connection.commit()


def _folder_of(socket: Path) -> str:
    """The folder of the socket, which libpq needs; the socket's name follows from the port."""
    return str(socket.parent if socket.name.startswith(".s.PGSQL.") else socket)
