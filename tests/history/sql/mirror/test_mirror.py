"""The mirror's files and processes: one file that all read, built again whenever it cannot be trusted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.servers.rows import new_run, run_of, step_of
from zenbook.history.sql.mirror import mirror as mirror_module
from zenbook.history.sql.mirror import mirror_schema, replica_files
from zenbook.history.sql.mirror.mirror import Mirror, transaction
from zenbook.history.sql.mirror.views import field_names
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import Batch, MetricRecord, ParamRecord


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlMetadataStore]:
    opened = sqlite_store(tmp_path / "metadata.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few runs are worth a file."""
    monkeypatch.setattr(mirror_module, "MIN_CHANGED_RUNS", 3)


def add(store: SqlMetadataStore, *numbers: int) -> None:
    for n in numbers:
        run = run_of(n)
        params = [ParamRecord(run.id, "", "lr", str(n / 4))]
        store.create_run(run, steps=[step_of(n)], params=params, code=[], environment=None)
        store.write(Batch(metrics=[MetricRecord(run.id, "fit", "accuracy", 0, n / 8, 1.0)]))


def ids(mirror: Mirror) -> list[str]:
    with transaction(mirror, read_only=True) as cursor:
        return cursor.sql("SELECT id FROM runs ORDER BY id").to_arrow_table()["id"].to_pylist()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.duckdb"))


def test_a_new_run_is_seen_at_once(store: SqlMetadataStore, tmp_path: Path) -> None:
    mirror = Mirror(store, tmp_path / "mirror")
    assert ids(mirror) == []
    add(store, 1)
    assert ids(mirror) == ["run-0001"]
    store.delete_runs(["run-0001"])
    assert ids(mirror) == []


@pytest.mark.usefixtures("few")
def test_many_changes_write_the_next_file_and_delete_the_last_one(store: SqlMetadataStore, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    mirror = Mirror(store, folder)
    add(store, *range(4))
    assert len(ids(mirror)) == 4
    (first,) = files(folder)
    add(store, 4)
    assert len(ids(mirror)) == 5
    assert files(folder) == [first]
    add(store, *range(5, 12))
    store.delete_runs(["run-0001"])
    assert len(ids(mirror)) == 11
    (second,) = files(folder)
    assert second != first
    assert len(ids(Mirror(store, folder))) == 11


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("harm", ["truncated", "no database", "another version", "another store's"])
def test_a_file_that_cannot_be_trusted_is_built_again(
    store: SqlMetadataStore, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mirror"
    add(store, *range(6))
    mirror = Mirror(store, folder)
    ids(mirror)
    mirror.close()
    (file,) = files(folder)
    if harm == "truncated":
        os.truncate(file, 5000)
    elif harm == "no database":
        file.write_text("nothing of ours")
    elif harm == "another version":
        monkeypatch.setattr(mirror_schema, "VERSION", 99)
    else:
        other = sqlite_store(tmp_path / "other.sqlite")
        add(other, *range(20, 26))
        ids(Mirror(other, folder))
        shutil.copyfile(next(path for path in files(folder) if path != file), file)
        other.close()
    assert len(ids(Mirror(store, folder))) == 6


@pytest.mark.usefixtures("few")
def test_another_store_at_the_same_place_is_noticed(store: SqlMetadataStore, tmp_path: Path) -> None:
    add(store, *range(5))
    mirror = Mirror(store, tmp_path / "mirror")
    assert len(ids(mirror)) == 5
    store.close()
    for path in tmp_path.glob("metadata.sqlite*"):
        path.unlink()
    add(store, 7)
    assert ids(mirror) == ["run-0007"]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("later", [0, 3, 20])
def test_a_store_restored_to_an_earlier_state_is_noticed(store: SqlMetadataStore, tmp_path: Path, later: int) -> None:
    """By a backup, or after a loss of power."""
    add(store, *range(5))
    store.close()
    shutil.copyfile(tmp_path / "metadata.sqlite", tmp_path / "backup")
    mirror = Mirror(store, tmp_path / "mirror")
    add(store, 100, 101, 102)
    assert len(ids(mirror)) == 8
    store.close()
    for path in tmp_path.glob("metadata.sqlite*"):
        path.unlink()
    shutil.copyfile(tmp_path / "backup", tmp_path / "metadata.sqlite")
    add(store, *range(200, 200 + later))
    assert ids(mirror) == [f"run-{n:04d}" for n in (*range(5), *range(200, 200 + later))]


@pytest.mark.usefixtures("few")
def test_a_process_waits_for_another_that_writes_the_next_file(store: SqlMetadataStore, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    add(store, *range(8))
    answers: list[list[str]] = []
    with FileLock(folder / "writing.lock"):
        thread = threading.Thread(target=lambda: answers.append(ids(Mirror(store, folder))))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert len(answers[0]) == 8


@pytest.mark.usefixtures("few")
def test_queries_work_without_a_file(store: SqlMetadataStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing can be written, and when another process writes the file for too long."""
    add(store, *range(8))
    (tmp_path / "mirror").write_text("a file where the folder should be")
    assert len(ids(Mirror(store, tmp_path / "mirror"))) == 8
    monkeypatch.setattr(replica_files, "LOCK_TIMEOUT", 0.05)
    folder = tmp_path / "taken"
    folder.mkdir()
    with FileLock(folder / "writing.lock"):
        assert len(ids(Mirror(store, folder))) == 8


PROCESS = """
import sys
from pathlib import Path
from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
from zenbook.history.sql.mirror import mirror as mirror_module
from tests.servers.rows import run_of
from tests.history.sql.mirror.test_mirror import add, ids
mirror_module.MIN_CHANGED_RUNS = 3
folder, number = Path(sys.argv[1]), int(sys.argv[2])
store = sqlite_store(folder / "metadata.sqlite")
mirror = mirror_module.Mirror(store, folder / "mirror")
for n in range(12):
    add(store, number * 100 + n)
    mine = [run for run in ids(mirror) if run.startswith(f"run-{number:02d}")]
    assert mine == [f"run-{number * 100 + k:04d}" for k in range(n + 1)], mine
    if n % 3 == 2:
        store.delete_runs([f"run-{number * 100:04d}"])
        add(store, number * 100)
print(len(ids(mirror)))
"""


def test_processes_write_and_query_at_the_same_time(store: SqlMetadataStore, tmp_path: Path) -> None:
    """Each sees its own runs immediately, while all write files and read the files of the others."""
    add(store, 9999)
    script = tmp_path / "work.py"
    script.write_text(textwrap.dedent(PROCESS), encoding="utf-8")
    root = str(Path(__file__).parents[4])
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), str(number)],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, 4)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(ids(Mirror(store, tmp_path / "mirror"))) == 37
    assert not [*(tmp_path / "mirror").glob("*.making*")]


def test_threads_query_while_runs_are_written(store: SqlMetadataStore, tmp_path: Path) -> None:
    mirror = Mirror(store, tmp_path / "mirror")
    add(store, 0)
    failures: list[BaseException] = []
    done = threading.Event()

    def look() -> None:
        seen = 0
        try:
            while not done.is_set():
                now = len(ids(mirror))
                assert now >= seen
                seen = now
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(1, 15):
        add(store, n)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(ids(mirror)) == 15


def test_a_thousand_names_are_a_thousand_fields(store: SqlMetadataStore, tmp_path: Path) -> None:
    mirror = Mirror(store, tmp_path / "mirror")
    for n in range(10):
        run = run_of(n)
        params = [ParamRecord(run.id, "", f"name {k}", str(k + n)) for k in range(n * 100, n * 100 + 100)]
        store.create_run(run, steps=[], params=params, code=[], environment=None)
    with transaction(mirror, read_only=True) as cursor:
        table = cursor.sql('SELECT id FROM runs WHERE params."name 999" = 1008').to_arrow_table()
        assert table["id"].to_pylist() == ["run-0009"]
        assert len(cursor.sql("SELECT params FROM runs LIMIT 1").to_arrow_table().schema.field("params").type) == 1000


@pytest.mark.usefixtures("few")
def test_names_of_later_runs_have_their_own_columns_in_the_next_file(store: SqlMetadataStore, tmp_path: Path) -> None:
    mirror = Mirror(store, tmp_path / "mirror")
    for start, name in ((0, "a"), (10, "b"), (20, "c")):
        for n in range(start, start + 6):
            run = run_of(n)
            params = [ParamRecord(run.id, "", name, str(n))]
            store.create_run(run, steps=[], params=params, code=[], environment=None)
        assert len(ids(mirror)) == start * 6 // 10 + 6
    with transaction(mirror, read_only=True) as cursor:
        answer = cursor.sql("SELECT sum(params.a), sum(params.b), sum(params.c) FROM runs").fetchall()
    assert answer == [(sum(range(6)), sum(range(10, 16)), sum(range(20, 26)))]


def test_names_that_differ_by_case_only_are_numbered() -> None:
    assert field_names(["LR", "lr", "Lr", "x", "", "lr_2"]) == {
        "": "_", "lr": "lr", "lr_2": "lr_2", "x": "x", "LR": "LR_3", "Lr": "Lr_4",
    }  # fmt: skip


def test_abandoned_files_are_deleted(store: SqlMetadataStore, tmp_path: Path, few: None) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    old, young = folder / "dead.making", folder / "alive.making"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 8 * 86400,) * 2)
    add(store, *range(6))
    ids(Mirror(store, folder))
    assert (old.exists(), young.exists()) == (False, True)


def test_a_store_without_fast_rows_is_mirrored_too(store: SqlMetadataStore, tmp_path: Path) -> None:
    """A custom flavour may return records only."""

    class Plain(SqlMetadataStore):
        def rows(self, record: type[Any], run_ids: Any) -> Any:
            return super(SqlMetadataStore, self).rows(record, run_ids)

    add(store, *range(3))
    plain = Plain(store._database)
    expected = Mirror(store, tmp_path / "one")
    mirror = Mirror(plain, tmp_path / "two")
    for view in ("runs", "steps", "params", "metrics"):
        query = f"SELECT * FROM {view} ORDER BY ALL" if view != "runs" else "SELECT * FROM runs ORDER BY id"
        with transaction(expected, read_only=True) as first, transaction(mirror, read_only=True) as second:
            assert first.sql(query).to_arrow_table().equals(second.sql(query).to_arrow_table())


def test_late_rows_of_a_deleted_run_do_not_make_a_run(store: SqlMetadataStore, tmp_path: Path) -> None:
    new_run(store, run_of(1))
    store.delete_runs(["run-0001"])
    store.write(Batch(metrics=[MetricRecord("run-0001", "fit", "m", 0, 1.0, 1.0)]))
    assert ids(Mirror(store, tmp_path / "mirror")) == []
