"""The SQL metadata store in a SQLite file: opening, interrupts, forks, indexes."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from tests.servers.rows import A, execute_raw, new_run, run_of, step_of
from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.sql_store import read_statements, tables
from zenbook.metadata_stores.sql_store.compiled_statements import StatementName
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import (
    Batch,
    RunQuery,
)


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
        plan = [
            row[3] for row in execute_raw(path, f"EXPLAIN QUERY PLAN {prepared.sql}", *prepared.arguments(**values))
        ]
        assert not [line for line in plan if line.startswith("SCAN") and "origins" not in line], plan
        for line in plan:
            if " steps " in line and "cache_key" in line:
                assert "steps_by_cache_key (cache_key=? AND state=?)" in line
    inner = (
        str(read_statements.FIND_CACHED.compile(dialect=sqlite.dialect())).split("FROM (")[1].split(") AS origins")[0]
    )
    assert not [row for row in execute_raw(path, f"EXPLAIN QUERY PLAN {inner}", A, 8, 0) if "TEMP B-TREE" in row[3]]


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
    assert execute_raw(path, "SELECT id FROM runs") == [("run-0002",)]


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
    seen_by_others = execute_raw(path, "SELECT id FROM runs")
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
