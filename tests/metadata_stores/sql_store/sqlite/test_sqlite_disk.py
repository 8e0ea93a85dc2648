"""SQLite and its disk: journals, full and read-only disks, locks, killed writers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers.rows import execute_raw, new_run, run_of, step_of
from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store import sqlite_rules
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import (
    RunQuery,
)


def test_a_local_disk_gets_a_write_ahead_log(store: SqlMetadataStore, path: Path) -> None:
    store.runs(RunQuery())
    assert execute_raw(path, "PRAGMA journal_mode") == [("wal",)]
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
    assert execute_raw(path, "PRAGMA journal_mode") == [("delete",)]
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
    assert execute_raw(small_disk / "metadata.db", "PRAGMA integrity_check") == [("ok",)]


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
    assert execute_raw(path, "PRAGMA integrity_check") == [("ok",)]
    counts = execute_raw(path, "SELECT run, count(*) FROM steps GROUP BY run")
    assert len(counts) >= 3
    assert {count for _, count in counts} == {500}
    assert counts == execute_raw(path, "SELECT run, count(*) FROM metrics GROUP BY run")
    new_run(store, run_of(1))
    store.close()
