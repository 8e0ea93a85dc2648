"""Errors of database servers: what is wrong, and what to do."""

from __future__ import annotations

import io
import logging
import re
import signal
import traceback
from pathlib import Path
from typing import Any

import pytest

from notebooks.servers import MariaDB, PostgreSQL, Server, free_port
from tests.servers.databases import error_of, new_database, running, store_at
from tests.servers.rows import new_run, run_of
from zenbook.errors import StoreError, StoreUnreachableError
from zenbook.metadata_stores.mysql import MysqlSettings
from zenbook.metadata_stores.sql_store import server_retry
from zenbook.metadata_stores.sql_store.drivers import mysql_driver, mysql_errors, postgresql_driver
from zenbook.stack.records import RunQuery

SECRET = "pl4nted-s3cret"


def kind_of(server: Server) -> str:
    return "mysql" if isinstance(server, MariaDB) else "postgresql"


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_server_that_is_not_running(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_retry, "FIRST_WAIT", 0.1)
    port = free_port()
    error = error_of(store_at(f"{kind}://me@127.0.0.1:{port}/team"))
    assert isinstance(error, StoreUnreachableError)
    assert (
        error.message == f"The metadata store {kind} at 127.0.0.1:{port}/team could not be reached: connection refused."
    )
    assert "Check that the server is running" in error.hint


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_an_unknown_host(kind: str) -> None:
    error = error_of(store_at(f"{kind}://me@no-such-host.invalid/team"))
    assert isinstance(error, StoreUnreachableError)
    assert "the host 'no-such-host.invalid' is unknown" in error.message


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_missing_socket(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_retry, "FIRST_WAIT", 0.1)
    error = error_of(store_at(f"{kind}://me@/team", unix_socket=tmp_path / "none"))
    assert "the socket" in error.message
    assert "does not exist" in error.message


def with_users(server: Server) -> None:
    if isinstance(server, MariaDB):
        server.execute(
            "CREATE USER IF NOT EXISTS 'poor'@'%' IDENTIFIED BY 'pw'",
            "CREATE DATABASE IF NOT EXISTS zen_readable",
            "GRANT SELECT ON zen_readable.* TO 'poor'@'%'",
        )
    elif not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'poor'"):
        server.execute("CREATE ROLE poor LOGIN PASSWORD 'pw'", "CREATE DATABASE zen_readable")


def test_a_wrong_password(mariadb: Server) -> None:
    with_users(mariadb)
    error = error_of(store_at(f"mysql://poor:{SECRET}@127.0.0.1:{mariadb.port}/team"))
    assert "refuses the user 'poor'" in error.message
    assert "Correct username and password" in error.hint
    assert SECRET not in "".join(traceback.format_exception(error))


def test_a_missing_database_that_the_user_may_not_create(server: Server) -> None:
    with_users(server)
    error = error_of(store_at(f"{kind_of(server)}://poor:pw@127.0.0.1:{server.port}/new_one"))
    assert "database 'new_one'" in error.message
    assert "CREATE DATABASE" in error.hint
    assert "poor" in error.hint


def test_a_user_who_may_not_create_tables(server: Server) -> None:
    with_users(server)
    error = error_of(store_at(f"{kind_of(server)}://poor:pw@127.0.0.1:{server.port}/zen_readable"))
    assert "denies 'poor' a right" in error.message
    assert "GRANT ALL" in error.hint


def test_a_server_that_is_too_old(mariadb: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_driver.MysqlDriver, "_version_number", lambda self, connection: (5, 5, 62))
    error = error_of(store_at(mariadb.url(new_database())))
    assert re.search(r"is too old: MariaDB 5\.5\.62", error.message)
    assert "MySQL 5.6" in error.hint


def test_an_old_postgresql(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_driver, "OLDEST", 999_999)
    error = error_of(store_at(postgresql.url(new_database())))
    assert "is too old: PostgreSQL 1" in error.message


def test_a_database_that_can_not_store_all_text(postgresql: Server) -> None:
    postgresql.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    error = error_of(store_at(postgresql.url("latin")))
    assert "stores text as LATIN1" in error.message


def test_a_server_that_is_read_only(server: Server) -> None:
    store = store_at(server.url(new_database()))
    new_run(store, run_of(1))
    store.close()
    if isinstance(server, MariaDB):
        with_users(server)
        server.execute("SET GLOBAL read_only = 1")
        database: Any = store._database
        name = database.driver.settings.database
        server.execute(f"GRANT ALL ON {name}.* TO 'poor'@'%'")
        store = store_at(f"mysql://poor:pw@127.0.0.1:{server.port}/{name}")
    else:
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        while server.execute("SHOW default_transaction_read_only") != [("on",)]:
            pass
    try:
        with pytest.raises(StoreUnreachableError, match="is read-only") as caught:
            new_run(store, run_of(2))
        assert "primary" in caught.value.hint
        assert len(store.runs(RunQuery())) == 1
    finally:
        if isinstance(server, MariaDB):
            server.execute("SET GLOBAL read_only = 0")
        else:
            server.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        store.close()


def test_a_server_that_has_too_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    import pymysql

    monkeypatch.setattr(server_retry, "FIRST_WAIT", 0.2)
    with running(MariaDB("--max-connections=10")) as server:
        server.execute("CREATE USER 'poor'@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON zen.* TO 'poor'@'%'")
        connections = [
            pymysql.connect(host="127.0.0.1", port=server.port, user="poor", password="pw") for _ in range(10)
        ]
        error = error_of(store_at(f"mysql://poor:pw@127.0.0.1:{server.port}/zen"))
        assert "has too many connections" in error.message
        assert "max_connections" in error.hint
        for connection in connections:
            connection.close()


def test_a_server_that_ends_during_a_query_is_unreachable(tmp_path: Path) -> None:
    with running(PostgreSQL()) as server:
        store = store_at(server.url(), patience=0)
        new_run(store, run_of(1))
        server.stop(signal.SIGKILL)
        assert isinstance(error_of(store), StoreUnreachableError)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1021, "the server's disk is full"),
        (1114, "the server's disk is full"),
        (1153, "doesn't accept a statement as long"),
        (1227, "denies 'me' a right"),
        (1836, "is read-only"),
        (1213, "kept busy by other writers"),
        (1064, "refused the statement: the server's words"),
    ],
)
def test_errors_that_a_test_can_not_provoke(number: int, words: str) -> None:
    import pymysql

    settings = MysqlSettings(username="me")
    error = mysql_errors.to_store_error(
        pymysql.err.OperationalError(number, "the server's words."), "The store", settings
    )
    assert words in error.message
    assert error.hint


# -- secrets


def test_a_password_is_shown_nowhere(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in success nor in failure, and not in tracebacks that show local variables."""
    caplog.set_level(logging.DEBUG)
    kind, name = kind_of(server), new_database()
    if kind == "mysql":
        server.execute(
            f"CREATE OR REPLACE USER 'known'@'%' IDENTIFIED BY '{SECRET}'", "GRANT ALL ON *.* TO 'known'@'%'"
        )
    elif not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'known'"):
        server.execute(f"CREATE ROLE known LOGIN SUPERUSER PASSWORD '{SECRET}'")
    shown = io.StringIO()
    well = store_at(f"{kind}://known:{SECRET}@127.0.0.1:{server.port}/{name}")
    database: Any = well._database
    print(well.describe(), well.check(), well, database, database.driver, vars(database.driver), file=shown)
    new_run(well, run_of(1))
    for url in (
        f"{kind}://nobody:{SECRET}@127.0.0.1:{server.port + 1 if server.port < 65535 else 1}/{name}",
        f"{kind}://nobody:{SECRET}@no-such-host.invalid/{name}",
        f"{kind}://nobody:{SECRET}@127.0.0.1:{server.port}/{name}",
    ):
        try:
            store_at(url, patience=0).runs(RunQuery())
        except StoreError as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown.write("".join(line for line in frames.format() if "url = " not in line))
            print(repr(error), str(error), error.__reduce__(), file=shown)
    well.close()
    texts = re.sub(r"url = '[^']*'", "", shown.getvalue()) + caplog.text
    assert SECRET not in texts
