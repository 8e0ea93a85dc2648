"""Promise 4: whatever ends a run, the store opens, the run says what happened, finished steps need not run again."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import zenbook
from tests.scripts import Started, run_script, write_script
from zenbook import find_run, pipeline, step
from zenbook.errors import ArtifactError, StackError, StoreError, ZenbookError
from zenbook.stack.stack import _open_stacks

SLOW = """
@step
def first(n: int) -> int:
    Path("first.txt").open("a").write("x")
    return n

@step
def second(x: int) -> bytes:
    print("second", flush=True)
    time.sleep(float(os.environ.get("SLEEP", "0")))
    return bytes(100_000)

@step
def third(data: bytes) -> int:
    return len(data)

@pipeline
def slow(n: int = 1):
    third(second(first(n)))

if __name__ == "__main__":
    slow(*map(int, sys.argv[1:]))
"""


@step
def small(n: int = 1) -> int:
    return n


@step
def large(n: int, megabytes: int = 3) -> bytes:
    return bytes([n % 256]) * (megabytes * 1024 * 1024)


@step
def length(data: bytes) -> int:
    return len(data)


@pipeline
def storing(n: int = 1) -> None:
    length(large(small(n)))


def is_whole(workspace: Path) -> None:
    """The store opens, and what it says is consistent."""
    with sqlite3.connect(workspace / ".zen" / "metadata.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for run in zenbook.runs(limit=None):
        assert run.state.ended
        for one in run.steps.values():
            assert one.state.ended
            for output in one.outputs.values():
                output.load()
            if one.state in ("succeeded", "cached"):
                assert list(one.outputs) == ["output"]


# --- kills ------------------------------------------------------------------------------------------------------------


def test_a_kill_in_the_midst_of_a_step(workspace: Path) -> None:
    script = write_script(workspace, SLOW)
    with Started(script, SLEEP="60") as started:
        started.wait_for("second")
        assert find_run().state == "running"
        started.process.kill()
        started.process.wait()
    seen_elsewhere = subprocess.run(
        [shutil.which("zen", path=str(Path(sys.executable).parent)) or "zen", "runs"],
        cwd=workspace, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "crashed" in seen_elsewhere.stdout
    run = find_run()
    assert (run.state, run.error) == ("crashed", "the process that drove the run is gone")
    assert [str(one.state) for one in run.steps.values()] == ["succeeded", "crashed", "skipped"]
    assert run_script(script).returncode == 0
    assert [str(one.state) for one in find_run().steps.values()] == ["cached", "succeeded", "succeeded"]
    assert (workspace / "first.txt").read_text() == "x"
    is_whole(workspace)


def test_a_killed_process_that_nobody_has_buried_is_gone(workspace: Path) -> None:
    with Started(write_script(workspace, SLOW), SLEEP="60") as started:
        started.wait_for("second")
        started.process.kill()
        os.waitid(os.P_PID, started.process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert find_run().state == "crashed"


def test_kills_at_random_moments_leave_a_whole_store(workspace: Path) -> None:
    script = write_script(workspace, SLOW)
    assert run_script(script, "0").returncode == 0  # how long does it take?
    moments, pause = random.Random(7), threading.Event()
    for n in range(1, 11):
        started = subprocess.Popen(["python", str(script), str(n)], cwd=workspace, env=_with_python(SLEEP="0.05"))
        pause.wait(moments.uniform(0.2, 1.6))
        started.kill()
        started.wait()
        is_whole(workspace)
    assert run_script(script, "3").returncode == 0
    assert find_run().state == "succeeded"
    is_whole(workspace)


def _with_python(**variables: str) -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}


AFTER = """
from zenbook.artifact_stores.content_addressed import AddressedFolder
from zenbook.metadata_stores.sql_store.sqlite_database import SqliteDatabase

@step
def first() -> int:
    time.sleep(0.03)
    return 1

@step
def second(x: int) -> int:
    return x + 1

@pipeline
def killed():
    second(first())

def kill_at(owner, name, nth):
    actual, calls = getattr(owner, name), []
    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == nth:
            os.kill(os.getpid(), 9)
        return actual(*args, **kwargs)
    setattr(owner, name, counted)

if __name__ == "__main__":
    if sys.argv[1:]:
        owner, name = {"write": (SqliteDatabase, "_transact"), "publish": (AddressedFolder, "publish")}[sys.argv[1]]
        kill_at(owner, name, int(sys.argv[2]))
    killed()
"""


@pytest.mark.parametrize(
    "moment", [("write", 1), ("write", 2), ("write", 3), ("write", 4), ("publish", 1), ("publish", 2)]
)
def test_a_kill_just_before_something_is_written(workspace: Path, moment: tuple[str, int]) -> None:
    script = write_script(workspace, AFTER)
    assert run_script(script, moment[0], str(moment[1])).returncode == -signal.SIGKILL
    is_whole(workspace)
    finished = {name for run in zenbook.runs() for name, one in run.steps.items() if one.state == "succeeded"}
    assert ("first" in finished) == (moment in {("write", 4), ("publish", 2)})
    assert run_script(script).returncode == 0
    run = find_run()
    assert {name for name, one in run.steps.items() if one.state == "cached"} == finished
    is_whole(workspace)


# --- disks ------------------------------------------------------------------------------------------------------------


@contextmanager
def disk_of(megabytes: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small disk as the current folder."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tiny", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("not on this machine's kind: only root mounts a disk")
    try:
        monkeypatch.chdir(disk)
        yield disk
    finally:
        close_stores()
        monkeypatch.chdir(folder)
        subprocess.run(["umount", "-l", str(disk)], check=True)


def close_stores() -> None:
    for stack in _open_stacks.values():
        stack.metadata.close()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 2 MB."""
    with disk_of(2, tmp_path, monkeypatch) as disk:
        yield disk


def test_a_full_disk_fails_the_run_and_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(StoreError) as raised:
        storing()
    assert "the disk is full" in raised.value.message
    assert "Free some space" in raised.value.hint
    run = find_run()
    assert run.state == "failed"
    assert [str(one.state) for one in run.steps.values()] == ["succeeded", "failed", "skipped"]
    assert not list((tiny / ".zen" / "artifacts" / "tmp").iterdir())
    subprocess.run(["mount", "-o", "remount,size=20m", str(tiny)], check=True)
    assert [str(one.state) for one in storing().steps.values()] == ["cached", "succeeded", "succeeded"]


def test_a_disk_that_is_full_to_the_last_byte_loses_nothing_that_was_recorded(tiny: Path) -> None:
    first = pipeline(_only_small)(1)
    filler = tiny / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(ZenbookError):
        for n in range(2, 200):
            pipeline(_only_small)(n)
    filler.unlink()
    assert find_run(first.id).steps["small"].outputs["output"].load() == 1
    assert pipeline(_only_small)(1).steps["small"].state == "cached"
    assert all(run.state.ended for run in zenbook.runs(limit=None))


def _only_small(n: int) -> None:
    small(n)


def test_a_limit_on_the_size_of_files(workspace: Path) -> None:
    script = write_script(
        workspace,
        """
        import resource, signal
        from tests.test_nothing_is_lost import storing
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        try:
            storing()
        except zenbook.ZenbookError as error:
            print(error)
        """,
    )
    done = run_script(script, PYTHONPATH=str(Path(__file__).parent.parent))
    assert "larger than allowed" in done.stdout, done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    assert [str(one.state) for one in find_run().steps.values()] == ["succeeded", "failed", "skipped"]
    assert storing().state == "succeeded"


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with one run, on a disk that has become read-only."""
    with disk_of(9, tmp_path, monkeypatch) as disk:
        pipeline(_only_small)(1)
        close_stores()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield disk


def test_a_read_only_workspace_names_the_way_out(read_only: Path) -> None:
    with pytest.raises(StoreError) as raised:
        pipeline(_only_small)(2)
    assert "read-only" in raised.value.message
    assert "zen init --path DIR" in raised.value.hint


def test_a_folder_in_which_no_workspace_can_be_made(read_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_WORKSPACE", str(read_only / "other"))
    with pytest.raises(StackError) as raised:
        pipeline(_only_small)(2)
    assert "cannot be created: Read-only file system" in raised.value.message
    assert "zen init --path DIR" in raised.value.hint


# --- the database -----------------------------------------------------------------------------------------------------


def test_a_store_that_somebody_locks_for_a_while_is_waited_for(workspace: Path) -> None:
    storing()
    other = sqlite3.connect(workspace / ".zen" / "metadata.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.7, lambda: other.execute("COMMIT"))
    timer.start()
    run = storing(2)
    timer.join()
    other.close()
    assert run.state == "succeeded"
    assert run.duration.total_seconds() < 20


def test_the_workspace_is_deleted_between_runs(workspace: Path) -> None:
    first = storing()
    shutil.rmtree(workspace / ".zen")
    second = storing()
    assert {str(one.state) for one in second.steps.values()} == {"succeeded"}
    assert len(zenbook.runs()) == 1
    assert second.steps["length"].outputs["output"].load() == 3 * 1024 * 1024
    with pytest.raises(ZenbookError, match="is not in"):
        _ = zenbook.Run(first.id, second._stack).state


def test_only_the_database_is_deleted_between_runs(workspace: Path) -> None:
    storing()
    for file in (workspace / ".zen").glob("metadata.sqlite*"):
        file.unlink()
    assert storing().state == "succeeded"
    assert len(zenbook.runs()) == 1


def test_a_damaged_database_says_how_to_go_on(workspace: Path) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen" / "metadata.sqlite").write_text("no database, but long enough to be one" * 30)
    with pytest.raises(StoreError) as raised:
        storing()
    assert "is damaged, or it is not a SQLite database" in raised.value.message
    assert "mv " in raised.value.hint


# --- artifacts --------------------------------------------------------------------------------------------------------


def test_a_deleted_artifact_is_made_again_and_why_says_so(workspace: Path) -> None:
    first = storing()
    stored = first.steps["large"].outputs["output"]
    Path(stored.uri).unlink()
    with pytest.raises(ArtifactError) as raised:
        stored.load()
    assert stored.record.address in raised.value.message
    again = storing()
    assert [str(one.state) for one in again.steps.values()] == ["cached", "succeeded", "cached"]
    assert again.steps["large"].why == "an artifact that it produced is missing from the store"
    assert stored.load() == again.steps["large"].outputs["output"].load()


def test_a_damaged_artifact_names_its_file_and_the_way_out_works(workspace: Path) -> None:
    first = storing()
    stored = first.steps["large"].outputs["output"]
    file = Path(stored.uri)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ArtifactError) as raised:
        stored.load()
    assert str(file) in raised.value.message
    assert stored.digest[:12] in raised.value.message
    assert "Delete the file and run the pipeline again" in raised.value.hint
    file.unlink()
    assert storing().steps["large"].state == "succeeded"
    assert stored.load() == bytes([1]) * (3 * 1024 * 1024)


def test_a_damaged_input_fails_the_step_that_reads_it(workspace: Path) -> None:
    first = storing()
    file = Path(first.steps["large"].outputs["output"].uri)
    file.chmod(0o644)
    file.write_bytes(b"cut off")
    with pytest.raises(ArtifactError, match="is not what was stored"):
        shouting()
    assert find_run().steps["loudness"].state == "failed"
    file.unlink()
    assert [str(one.state) for one in shouting().steps.values()] == ["cached", "succeeded", "succeeded"]


@step
def loudness(data: bytes) -> int:
    return len(data) * 2


@pipeline
def shouting() -> None:
    loudness(large(small(1)))


# --- newer versions ---------------------------------------------------------------------------------------------------


def test_a_schema_of_a_newer_zenbook_is_left_as_it_is(workspace: Path) -> None:
    storing()
    zenbook.runs()._stack.metadata.close()
    with sqlite3.connect(workspace / ".zen" / "metadata.sqlite") as connection:
        table = next(
            name
            for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
            if "version" in name
        )
        connection.execute(f"update {table} set version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError) as raised:
        storing()
    assert "was made by a newer zenbook (schema 9999" in raised.value.message
    assert "pip install -U zenbook" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 99\n", "was written by a newer zenbook (version 99"),
        ("version: x\n", "was written by a newer zenbook (version x"),
        ("active: [\n", "is not valid YAML"),
        ("- a\n- b\n", "contains a list instead of settings by name"),
        ("stakcs: {}\n", "unknown key 'stakcs'"),
        ("stacks: [a]\n", "'stacks' is not a mapping"),
        ("stacks: {prod: 3}\nactive: prod\n", "not a mapping of options"),
        ("active: prod\n", "Unknown stack 'prod'"),
        ("stacks: {default: {orchestrater: local}}\n", "orchestrater"),
        ("orchestrators: {local: 7}\n", "orchestrators: local is 7"),
        ("artifact_stores: {local: {flavour: loacl}}\n", "no artifact store of flavour 'loacl'"),
    ],
)
def test_a_config_that_cannot_be_understood_is_told_and_kept(workspace: Path, text: str, message: str) -> None:
    (workspace / ".zen").mkdir()
    config = workspace / ".zen" / "config.yaml"
    config.write_text(text)
    with pytest.raises(StackError) as raised:
        storing()
    assert message in raised.value.message
    assert raised.value.hint
    assert config.read_text() == text


# --- several at once --------------------------------------------------------------------------------------------------


TOGETHER = """
@step
def part(n: int) -> int:
    print("line", n)
    log_metrics(n=n)
    return n

@pipeline
def together(who: int):
    for n in range(20):
        part(n)

if __name__ == "__main__":
    for _ in range(3):
        together(int(sys.argv[1]))
"""


def test_two_processes_run_one_pipeline_in_one_workspace(workspace: Path) -> None:
    script = write_script(workspace, TOGETHER)
    with Started(script, "1") as first, Started(script, "2") as second:
        assert first.end()[0] == 0
        assert second.end()[0] == 0
    runs = zenbook.runs(limit=None)
    assert [str(run.state) for run in runs] == ["succeeded"] * 6
    assert sorted(run.params["who"] for run in runs) == [1, 1, 1, 2, 2, 2]
    for run in runs:
        assert len(run.steps) == 20
        assert all(one.metrics["n"] == n for n, one in enumerate(run.steps.values()))
    is_whole(workspace)
