"""The schema on servers: made once whoever comes first, finished by others, migrated under a lock."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from notebooks.servers import MariaDB, Server
from tests.servers.databases import new_database, store_at
from tests.servers.rows import new_run, run_of, step_of
from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.migrations import server_migration
from zenbook.metadata_stores.sql_store import tables
from zenbook.metadata_stores.sql_store.drivers.driver import Driver
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import RunQuery


@pytest.fixture
def database() -> str:
    return new_database()


@pytest.fixture
def store(server: Server, database: str) -> SqlMetadataStore:
    return store_at(server.url(database))


def driver_of(store: SqlMetadataStore) -> Driver:
    driver: Driver = store._database.driver  # type: ignore[attr-defined]
    return driver


def schema(store: SqlMetadataStore) -> dict[str, Any]:
    engine = driver_of(store).engine()
    with engine.connect() as connection:
        inspector = inspect(connection)
        return {
            name: {
                "columns": [
                    (c["name"], repr(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)
                ],
                "key": inspector.get_pk_constraint(name)["constrained_columns"],
                "indexes": sorted((i["name"], i["column_names"], i["unique"]) for i in inspector.get_indexes(name)),
                "options": inspector.get_table_options(name),
            }
            for name in inspector.get_table_names()
        }


def revisions(server: Server, database: str) -> list[Any]:
    return server.execute("SELECT version_num FROM zenbook_version", database=database)


def migrate(store: SqlMetadataStore, to: str) -> None:
    """As an older zenbook would have created it."""
    engine = driver_of(store).engine()
    with engine.connect() as connection:
        command.upgrade(migrations.configuration(connection), to)
        connection.commit()


def test_a_new_store_has_the_schema_that_the_migrations_make(server: Server) -> None:
    created, migrated = store_at(server.url(new_database())), store_at(server.url(new_database()))
    created.runs(RunQuery())
    migrate(migrated, "head")
    assert schema(created) == schema(migrated)
    engine = driver_of(created).engine()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "zenbook_version"})
        assert compare_metadata(context, tables.metadata) == []


def test_the_store_describes_what_and_where_it_is(store: SqlMetadataStore, server: Server, database: str) -> None:
    kind, who, version = (
        ("mysql", "root", "MariaDB 1") if isinstance(server, MariaDB) else ("postgresql", "postgres", "PostgreSQL 1")
    )
    description = store.describe()
    assert description.startswith(f"{kind} at 127.0.0.1:{server.port}/{database} as {who}, {version}")
    assert description.endswith(f", schema {migrations.HEAD}")
    assert store.check() == description


def test_an_older_store_is_migrated_and_keeps_its_rows(store: SqlMetadataStore, server: Server, database: str) -> None:
    migrate(store, "0001")
    server.execute("INSERT INTO code VALUES ('c', 'kept')", database=database)
    new_run(store, run_of(1), step_of(1))
    assert revisions(server, database) == [(migrations.HEAD,)]
    assert store.code("c").capsule == "kept"  # type: ignore[union-attr]
    assert "outputs_by_digest" in str(schema(store))


def test_a_migration_that_stopped_half_way_is_finished(mariadb: Server, database: str) -> None:
    """MySQL keeps the first of two indexes if the client dies before the second."""
    store = store_at(mariadb.url(database))
    migrate(store, "0001")
    mariadb.execute("CREATE INDEX outputs_by_digest ON outputs (digest, format)", database=database)
    store.runs(RunQuery())
    whole = store_at(mariadb.url(new_database()))
    whole.runs(RunQuery())
    assert schema(store) == schema(whole)
    assert revisions(mariadb, database) == [(migrations.HEAD,)]


@pytest.mark.parametrize(
    "lost", ["DROP TABLE logs, runs", "DROP INDEX steps_by_cache_key ON steps", "DELETE FROM zenbook_version"]
)
def test_a_store_whose_creator_died_is_finished_by_the_next(mariadb: Server, database: str, lost: str) -> None:
    store = store_at(mariadb.url(database))
    store.runs(RunQuery())
    whole = schema(store)
    store.close()
    mariadb.execute(
        lost, f"UPDATE zenbook_version SET version_num = '{server_migration.INCOMPLETE}'", database=database
    )
    next_store = store_at(mariadb.url(database))
    new_run(next_store, run_of(1))
    assert schema(next_store) == whole
    assert revisions(mariadb, database) == [(migrations.HEAD,)]


def test_processes_that_start_at_once_make_the_store_once(server: Server, database: str) -> None:
    code = """
        import sys
        from tests.servers.databases import store_at
        from tests.servers.rows import new_run, run_of
        store = store_at(sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        new_run(store, run_of(int(sys.argv[2])))
    """
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), server.url(database), str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(6)
    ]
    try:
        for starter in starters:
            assert starter.stdout is not None
            assert starter.stdout.readline() == "ready\n"
        for starter in starters:
            assert starter.stdin is not None
            starter.stdin.write("go\n")
            starter.stdin.flush()
        for starter in starters:
            _, errors = starter.communicate(timeout=60)
            assert (starter.returncode, errors) == (0, "")
    finally:
        for starter in starters:
            starter.kill()
            starter.wait()
    assert len(store_at(server.url(database)).runs(RunQuery())) == 6
    assert revisions(server, database) == [(migrations.HEAD,)]


def test_threads_that_start_at_once_wait_for_the_one_that_creates_the_store(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    calls: list[str] = []
    original: Callable[[Driver], None] = server_migration.upgrade_to_head
    monkeypatch.setattr(server_migration, "upgrade_to_head", lambda driver: (calls.append("x"), original(driver)))
    store, together, failures = store_at(server.url(database)), threading.Barrier(6), []

    def work(n: int) -> None:
        try:
            together.wait()
            new_run(store, run_of(n))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert calls == ["x"]


def test_a_store_of_a_newer_zenbook_is_refused_and_left(store: SqlMetadataStore, server: Server, database: str) -> None:
    new_run(store, run_of(1))
    store.close()
    server.execute("UPDATE zenbook_version SET version_num = '0815'", database=database)
    with pytest.raises(StoreError, match=r"made by a newer zenbook \(schema 0815; this one knows 0003\)") as caught:
        store.runs(RunQuery())
    assert "pip install -U zenbook" in caught.value.hint
    assert revisions(server, database) == [("0815",)]


def test_a_foreign_database_is_refused_and_left(store: SqlMetadataStore, server: Server, database: str) -> None:
    server.execute(f"CREATE DATABASE {database}")
    server.execute("CREATE TABLE runs (distance int)", database=database)
    with pytest.raises(StoreError, match="contains tables that aren't zenbook's: runs"):
        store.runs(RunQuery())
    assert list(schema(store)) == ["runs"]


def test_tables_that_somebody_dropped_are_created_again(store: SqlMetadataStore, server: Server, database: str) -> None:
    new_run(store, run_of(1))
    names = [*tables.metadata.tables, "zenbook_version"]
    server.execute(f"DROP TABLE {', '.join(names)}", database=database)
    with pytest.raises(StoreError):
        store.runs(RunQuery())
    new_run(store, run_of(2))
    assert [run.id for run in store.runs(RunQuery())] == ["run-0002"]
