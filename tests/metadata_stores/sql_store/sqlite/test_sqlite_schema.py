"""The schema of a SQLite file, its migrations, and the statements that are shipped."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateTable

from tests.servers.rows import execute_raw, new_run, run_of, step_of
from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store import read_statements, statements, tables, write_statements
from zenbook.metadata_stores.sql_store.compiled_statements import SHIPPED, StatementName, for_sqlite
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import (
    RunQuery,
)


def schema(path: Path) -> dict[str, Any]:
    """All tables with columns, types, keys and indexes, as the database describes them."""
    engine = create_engine(f"sqlite:///{path}")
    inspector = inspect(engine)
    tables: dict[str, Any] = {}
    for name in inspector.get_table_names():
        tables[name] = {
            "columns": [(c["name"], repr(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)],
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted((i["name"], i["column_names"], i["unique"]) for i in inspector.get_indexes(name)),
            "options": inspector.get_table_options(name),
        }
    engine.dispose()
    return tables


def test_a_new_store_has_the_schema_that_the_migrations_make(tmp_path: Path) -> None:
    created, migrated = tmp_path / "created.db", tmp_path / "migrated.db"
    store = sqlite_store(created)
    store.runs(RunQuery())
    store.close()
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.begin() as connection:
        command.upgrade(migrations.configuration(connection), "head")
        context = MigrationContext.configure(connection, opts={"version_table": "zenbook_version"})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()
    assert set(schema(created)) == {*tables.metadata.tables, "zenbook_version"}
    assert schema(created) == schema(migrated)
    assert execute_raw(created, "SELECT * FROM zenbook_version") == execute_raw(
        migrated, "SELECT * FROM zenbook_version"
    )


NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{before}"

def upgrade():
    op.add_column("runs", sa.Column("mood", sa.String(20), nullable=False, server_default="good"))
    {more}
"""


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A zenbook with one more revision."""

    before = migrations.HEAD

    def add(more: str) -> None:
        folder = tmp_path / "versions of 100%"
        folder.mkdir(exist_ok=True)
        (folder / "9999_mood.py").write_text(NEXT_REVISION.format(more=more, before=before))
        monkeypatch.setattr(migrations, "HEAD", "9999")
        monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS[:1], folder])

    return add


def test_an_older_store_is_migrated_and_keeps_its_rows(
    store: SqlMetadataStore, path: Path, next_revision: Callable[[str], None]
) -> None:
    new_run(store, run_of(1), step_of(1))
    store.close()
    next_revision("")
    new_run(store, run_of(2))
    assert execute_raw(path, "SELECT id, mood FROM runs") == [("run-0001", "good"), ("run-0002", "good")]
    assert execute_raw(path, "SELECT version_num FROM zenbook_version") == [("9999",)]
    assert store.steps(["run-0001"]) == [step_of(1)]
    assert store.describe().endswith("schema 9999")


def test_a_migration_that_fails_changes_nothing(
    store: SqlMetadataStore, path: Path, next_revision: Callable[[str], None]
) -> None:
    new_run(store, run_of(1))
    store.close()
    before = schema(path)
    next_revision("op.drop_table('params'); op.drop_table('never was')")
    with pytest.raises(StoreError, match="no such table: never was"):
        store.runs(RunQuery())
    assert schema(path) == before
    assert execute_raw(path, "SELECT version_num FROM zenbook_version") == [("0003",)]
    next_revision("")
    assert len(store.runs(RunQuery())) == 1


def test_a_store_of_a_newer_zenbook_is_refused_and_left(store: SqlMetadataStore, path: Path) -> None:
    new_run(store, run_of(1))
    store.close()
    execute_raw(path, "UPDATE zenbook_version SET version_num = '0815'")
    with pytest.raises(StoreError, match=r"made by a newer zenbook \(schema 0815; this one knows 0003\)") as caught:
        store.runs(RunQuery())
    assert str(path) in caught.value.message
    assert "pip install -U zenbook" in caught.value.hint
    assert execute_raw(path, "SELECT version_num FROM zenbook_version") == [("0815",)]


def test_a_foreign_database_is_refused_and_left(path: Path) -> None:
    path.parent.mkdir()
    execute_raw(path, "CREATE TABLE runs (distance)")
    with pytest.raises(StoreError, match="contains tables that aren't zenbook's: runs"):
        sqlite_store(path).runs(RunQuery())
    assert execute_raw(path, "SELECT name FROM sqlite_master") == [("runs",)]


def test_what_is_shipped_for_sqlite_is_what_sqlalchemy_compiles() -> None:
    fresh = statements.shipped_text()
    assert SHIPPED.read_text("utf-8") == fresh, "write it again: python -m zenbook.metadata_stores.sql_store.statements"
    assert set(for_sqlite().statements) == set(StatementName)


def test_sqlalchemy_and_alembic_are_not_imported_unless_there_is_something_to_migrate(path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from zenbook.core.states import StepState
        from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
        from zenbook.stack.records import Batch, RunQuery, StepRecord
        for _ in range(2):
            store = sqlite_store(Path(sys.argv[1]))
            store.runs(RunQuery())
            store.steps(["r"]), store.outputs(["r"]), store.find_cached("k"), store.find_run_ids("r"), store.describe()
            store.write(Batch(steps=[StepRecord("r", "s", 0, StepState.RUNNING)]))
            store.close()
        print([name for name in sys.modules if name.split(".")[0] in ("alembic", "sqlalchemy")])
    """
    command_line = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    assert subprocess.run(command_line, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_head_is_the_last_migration(tmp_path: Path) -> None:
    with create_engine("sqlite://").connect() as connection:
        assert ScriptDirectory.from_config(migrations.configuration(connection)).get_current_head() == migrations.HEAD


def test_keys_fit_mysql_5_6() -> None:
    """An InnoDB key of the compact row format holds 767 bytes: 191 characters of utf8mb4."""
    for table in tables.metadata.tables.values():
        for columns in (table.primary_key.columns, *(index.columns for index in table.indexes)):
            length = sum(getattr(column.type, "length", None) or 0 for column in columns)
            assert length <= 191, (table.name, [column.name for column in columns])
            assert not [column for column in columns if isinstance(column.type, tables.LongText)]


@pytest.mark.parametrize(
    ("dialect", "upsert", "ignore"),
    [
        (sqlite.dialect(), "ON CONFLICT (digest, format) DO UPDATE", "ON CONFLICT (digest, format) DO NOTHING"),
        (postgresql.dialect(), "ON CONFLICT (digest, format) DO UPDATE", "ON CONFLICT (digest, format) DO NOTHING"),
        (mysql.dialect(), "ON DUPLICATE KEY UPDATE", "ON DUPLICATE KEY UPDATE digest = artifacts.digest"),
    ],
)
def test_statements_are_compiled_for_each_dialect(dialect: Any, upsert: str, ignore: str) -> None:
    artifacts = tables.artifacts
    assert upsert in str(write_statements.upsert(artifacts, dialect.name).compile(dialect=dialect))
    assert ignore in str(write_statements.insert_ignore(artifacts, dialect.name).compile(dialect=dialect))
    for table in tables.metadata.tables.values():
        sql = str(CreateTable(table).compile(dialect=dialect))
        assert ("LONGTEXT" in sql) == (dialect.name == "mysql" and "TEXT" in sql)
        assert ("utf8mb4_bin" in sql) == (dialect.name == "mysql")
    for statement in (read_statements.FIND_CACHED, read_statements.FIND_CACHED_METRICS):
        assert "WITH" not in str(statement.compile(dialect=dialect))
