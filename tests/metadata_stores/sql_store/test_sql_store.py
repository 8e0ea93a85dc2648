"""The SQL metadata store, on SQLite."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateTable

from tests.servers.rows import A, new_run, run_of, step_of
from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store import read_statements, sqlite_rules, statements, tables, write_statements
from zenbook.metadata_stores.sql_store.compiled_statements import SHIPPED, StatementName, for_sqlite
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import (
    Batch,
    RunQuery,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "with space % and ?" / "metadata.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlMetadataStore]:
    store = sqlite_store(path)
    yield store
    store.close()


def raw(path: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_an_interrupt_in_a_write_leaves_no_transaction_open(store: SqlMetadataStore, path: Path) -> None:
    class Interrupting:
        def __init__(self) -> None:
            self.run, self.step, self.name, self.n, self.value, self.at = "r", "s", "m", 0, self, 1.0
            self.index = None

        def __conform__(self, protocol: object) -> object:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(Batch(steps=[step_of(1)], metrics=[Interrupting()]))  # type: ignore[list-item]
    with closing(sqlite3.connect(path, timeout=0)) as other, other:
        other.execute("BEGIN IMMEDIATE")
    assert store.steps(["run-0001"]) == []


def test_the_queries_of_each_step_use_indexes(store: SqlMetadataStore, path: Path) -> None:
    """No scan of a table and, for the cache, no sort of its step runs: so the cost doesn't grow with the runs."""
    store.find_cached(A)
    for statement, values in (
        (StatementName.FIND_CACHED, {"cache_key": A}),
        (StatementName.FIND_CACHED_METRICS, {"cache_key": A}),
        (StatementName.PREVIOUS_STEP, {"pipeline": "p", "before": "z", "step": "s"}),
        (StatementName.ADDRESS_OF, {"digest": A, "format": "json"}),
    ):
        prepared = store._database.prepared(statement)
        plan = [row[3] for row in raw(path, f"EXPLAIN QUERY PLAN {prepared.sql}", *prepared.arguments(**values))]
        assert not [line for line in plan if line.startswith("SCAN") and "origins" not in line], plan
        for line in plan:
            if " steps " in line and "cache_key" in line:
                assert "steps_by_cache_key (cache_key=? AND state=?)" in line
    inner = (
        str(read_statements.FIND_CACHED.compile(dialect=sqlite.dialect())).split("FROM (")[1].split(") AS origins")[0]
    )
    assert not [row for row in raw(path, f"EXPLAIN QUERY PLAN {inner}", A, 8, 0) if "TEMP B-TREE" in row[3]]


def test_lists_never_read_the_plans(store: SqlMetadataStore) -> None:
    statement = str(select(*read_statements.run_columns_without_plan()))
    assert "runs.plan" not in statement
    assert [column.name for column in tables.runs.columns][-1] == "plan"


# -- opening


def test_the_store_works_wherever_the_current_folder_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = sqlite_store("sqlite:///sub/metadata.db")
    monkeypatch.chdir("/")
    new_run(store, run_of(1))
    store.close()
    assert store.run("run-0001") is not None
    assert (tmp_path / "sub/metadata.db").is_file()
    assert store.describe() == f"sqlite at {tmp_path}/sub/metadata.db, schema {migrations.HEAD}"
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="needs a file"):
        sqlite_store(url)


def test_another_database_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="is not the URL of a SQLite file") as caught:
        sqlite_store("mysql+pymysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_deleted_store_is_created_again(store: SqlMetadataStore, path: Path) -> None:
    new_run(store, run_of(1))
    path.parent.rename(path.parent.parent / "moved away")
    new_run(store, run_of(2))
    assert [run.id for run in store.runs(RunQuery())] == ["run-0002"]
    assert raw(path, "SELECT id FROM runs") == [("run-0002",)]


def test_a_forked_child_and_its_parent_write_and_close_as_they_like(store: SqlMetadataStore, path: Path) -> None:
    """SQLite forgets its locks in a fork: a parent that closes last would delete the log that the child writes to."""
    new_run(store, run_of(1))
    (child_hears, say_to_child), (hear, child_says) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        try:
            new_run(store, run_of(2))
            os.write(child_says, b"2")
            os.read(child_hears, 1)  # the parent has closed the store
            new_run(store, run_of(3))
            assert len(store.runs(RunQuery())) == 3
            os.write(child_says, b"3")
            signal.pause()
        finally:
            os._exit(1)
    assert os.read(hear, 1) == b"2"
    assert len(store.runs(RunQuery())) == 2
    store.close()
    os.write(say_to_child, b"x")
    assert os.read(hear, 1) == b"3"
    seen_by_others = raw(path, "SELECT id FROM runs")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for end in (child_hears, say_to_child, hear, child_says):
        os.close(end)
    assert seen_by_others == [("run-0001",), ("run-0002",), ("run-0003",)]
    assert len(store.runs(RunQuery())) == 3


def test_a_fork_finds_no_open_connection(store: SqlMetadataStore, path: Path) -> None:
    new_run(store, run_of(1))
    assert files_open_in_a_child(path) == 0
    new_run(store, run_of(2))
    assert len(store.runs(RunQuery())) == 2


def files_open_in_a_child(path: Path) -> int:
    child = os.fork()
    if child == 0:
        try:
            os._exit(sum(1 for descriptor in Path("/proc/self/fd").iterdir() if leads_to(descriptor, path)))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def leads_to(descriptor: Path, path: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith(str(path))
    except FileNotFoundError:  # the listing's own descriptor
        return False


# -- SQLite and its disk


def test_a_local_disk_gets_a_write_ahead_log(store: SqlMetadataStore, path: Path) -> None:
    store.runs(RunQuery())
    assert raw(path, "PRAGMA journal_mode") == [("wal",)]
    assert pragma(store, "synchronous") == 1  # NORMAL


def test_a_refused_conversion_of_a_new_file_is_tried_again(tmp_path: Path) -> None:
    class Refusing(sqlite3.Connection):
        refused = 0

        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if statement == "PRAGMA journal_mode=wal" and self.refused < 3:
                self.refused += 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorname = "SQLITE_BUSY"
                raise error
            return super().execute(statement, *values)

    with closing(sqlite3.connect(tmp_path / "x.db", factory=Refusing)) as connection:
        sqlite_rules._set_journal(connection, shared=False)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_network_disk_gets_a_rollback_journal(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = sqlite_store(path)
    new_run(local, run_of(1))
    local.close()
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/vda / ext4 rw 0 0\nserver:/x {str(path.parent).replace(' ', chr(92) + '040')} nfs4 rw 0 0\n"
    )
    monkeypatch.setattr(sqlite_rules, "MOUNTS", mounts)
    shared = sqlite_store(path)
    new_run(shared, run_of(2))
    assert raw(path, "PRAGMA journal_mode") == [("delete",)]
    assert pragma(shared, "synchronous") == 2  # FULL
    assert len(shared.runs(RunQuery())) == 2
    assert "on a network disk: with a rollback journal" in shared.describe()
    shared.close()


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "9p", "fuse.sshfs", "fuse.rclone")),
        *((kind, False) for kind in ("ext4", "tmpfs", "overlay", "fuse.fuse-overlayfs", "fuseblk")),
    ],
)
def test_kinds_of_disks(kind: str, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw 0 0\nb /home xfs rw 0 0\nc /home/me/project {kind} rw 0 0\nd /data nfs rw 0 0\n")
    monkeypatch.setattr(sqlite_rules, "MOUNTS", mounts)
    assert sqlite_rules.is_shared_disk(Path("/home/me/project/.zen")) is shared
    assert sqlite_rules.is_shared_disk(Path("/home/me/project")) is shared
    assert not sqlite_rules.is_shared_disk(Path("/home/me/projects"))
    assert not sqlite_rules.is_shared_disk(Path("/database"))
    monkeypatch.setattr(sqlite_rules, "MOUNTS", tmp_path / "none")
    assert not sqlite_rules.is_shared_disk(Path("/data"))


def pragma(store: SqlMetadataStore, name: str) -> object:
    return store._database.with_cursor(lambda cursor: cursor.execute(f"PRAGMA {name}").fetchone()[0])


def test_a_full_disk_is_reported_and_nothing_is_half_written(small_disk: Path) -> None:
    store = sqlite_store(small_disk / "metadata.db")
    new_run(store, run_of(1))
    (small_disk / "ballast").write_bytes(bytes(small_disk_free(small_disk) - 150_000))
    written = 0
    with pytest.raises(StoreError, match="the disk is full") as caught:
        for n in range(2, 200):
            new_run(store, run_of(n, plan="x" * 20_000), step_of(n, traceback="y" * 20_000))
            written = n
    assert str(small_disk) in caught.value.hint
    (small_disk / "ballast").unlink()
    assert len(store.runs(RunQuery(limit=None))) == written
    assert len(store.steps([f"run-{n:04d}" for n in range(200)])) == written - 1
    new_run(store, run_of(300))
    store.close()
    assert raw(small_disk / "metadata.db", "PRAGMA integrity_check") == [("ok",)]


def small_disk_free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def test_a_read_only_folder_is_reported(store: SqlMetadataStore, path: Path, read_only: Callable[[Path], None]) -> None:
    new_run(store, run_of(1))
    store.close()
    read_only(path.parent)
    for place in (path, path.parent / "other.db", path.parent / "deeper" / "metadata.db"):
        blocked = sqlite_store(place)
        with pytest.raises(StoreError, match=r"read-only|Read-only|Permission denied") as caught:
            new_run(blocked, run_of(2))
        assert str(path.parent) in caught.value.message
        assert "zen init --path" in caught.value.hint
        blocked.close()


def test_a_folder_that_can_not_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file/sub/metadata.db", Path("/proc/zenbook/metadata.db")):
        with pytest.raises(StoreError, match=f"Could not create the folder '{place.parent}'"):
            sqlite_store(place).runs(RunQuery())


def test_a_folder_at_the_file_s_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the path is a folder"):
        sqlite_store(tmp_path).runs(RunQuery())


def test_a_file_that_is_not_a_database_is_reported_and_left(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a SQLite database") as caught:
        sqlite_store(path).runs(RunQuery())
    assert f"mv {path}" in caught.value.hint
    assert path.read_text() == "dear diary, " * 1000


def test_a_lock_held_too_long_is_reported_and_the_store_stays_usable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_rules, "BUSY_SECONDS", 0.1)
    store = sqlite_store(path)
    new_run(store, run_of(1))
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"was locked by another program for more than 0\.1 s"):
            new_run(store, run_of(2))
        assert len(store.runs(RunQuery())) == 1  # readers don't wait
    new_run(store, run_of(2))
    store.close()


def test_a_writer_killed_in_the_middle_of_a_batch_leaves_all_or_none(path: Path) -> None:
    """The child is killed inside the transaction, after most of its rows; and once at a moment that nobody chose."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from zenbook.core.states import StepState
        from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
        from zenbook.stack.records import Batch, MetricRecord, StepRecord

        class Deadly:
            run, step, name, n, at, index = "r", "s", "z", 0, 1.0, None
            value = property(lambda self: self)
            def __conform__(self, protocol):
                os.kill(os.getpid(), signal.SIGKILL)

        store = sqlite_store(Path(sys.argv[1]))
        def batch(run, *more):
            steps = [StepRecord(run, f"s{n}", n, StepState.SUCCEEDED, why="x" * 1000) for n in range(500)]
            metrics = [MetricRecord(run, "s", "m", n, n, n) for n in range(500)]
            store.write(Batch(steps=steps, metrics=[*metrics, *more]))
        batch("whole")
        if sys.argv[2] == "inside":
            batch("half", Deadly())
        print("go", flush=True)
        n = 0
        while True:
            batch(f"run-{n}")
            n += 1
    """
    script = textwrap.dedent(script)
    inside = subprocess.run([sys.executable, "-c", script, str(path), "inside"], capture_output=True, check=False)
    assert inside.returncode == -signal.SIGKILL
    store = sqlite_store(path)
    assert len(store.steps(["whole"])) == len(store.metrics(["whole"])) == 500
    assert store.steps(["half"]) == store.metrics(["half"]) == []
    with subprocess.Popen([sys.executable, "-c", script, str(path), "any"], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        while not store.steps(["run-1"]):
            assert child.poll() is None
        child.kill()
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]
    counts = raw(path, "SELECT run, count(*) FROM steps GROUP BY run")
    assert len(counts) >= 3
    assert {count for _, count in counts} == {500}
    assert counts == raw(path, "SELECT run, count(*) FROM metrics GROUP BY run")
    new_run(store, run_of(1))
    store.close()


# -- the schema


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
    assert raw(created, "SELECT * FROM zenbook_version") == raw(migrated, "SELECT * FROM zenbook_version")


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
    assert raw(path, "SELECT id, mood FROM runs") == [("run-0001", "good"), ("run-0002", "good")]
    assert raw(path, "SELECT version_num FROM zenbook_version") == [("9999",)]
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
    assert raw(path, "SELECT version_num FROM zenbook_version") == [("0003",)]
    next_revision("")
    assert len(store.runs(RunQuery())) == 1


def test_a_store_of_a_newer_zenbook_is_refused_and_left(store: SqlMetadataStore, path: Path) -> None:
    new_run(store, run_of(1))
    store.close()
    raw(path, "UPDATE zenbook_version SET version_num = '0815'")
    with pytest.raises(StoreError, match=r"made by a newer zenbook \(schema 0815; this one knows 0003\)") as caught:
        store.runs(RunQuery())
    assert str(path) in caught.value.message
    assert "pip install -U zenbook" in caught.value.hint
    assert raw(path, "SELECT version_num FROM zenbook_version") == [("0815",)]


def test_a_foreign_database_is_refused_and_left(path: Path) -> None:
    path.parent.mkdir()
    raw(path, "CREATE TABLE runs (distance)")
    with pytest.raises(StoreError, match="contains tables that aren't zenbook's: runs"):
        sqlite_store(path).runs(RunQuery())
    assert raw(path, "SELECT name FROM sqlite_master") == [("runs",)]


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
