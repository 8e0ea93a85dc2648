"""What a metadata store could not take is kept on this machine and sent later."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from zenbook.core.states import RunState, StepState
from zenbook.errors import StoreError, StoreUnreachableError
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunRecord,
    RunUpdate,
    StepRecord,
)
from zenbook.stack.spool import SpoolWarning, send_spooled, spool_batch

pytestmark = pytest.mark.filterwarnings("ignore:What the metadata store")  # beside the one that a test looks for

D = "d" * 64


def batch_of(run: str) -> Batch:
    return Batch(
        runs=[RunUpdate(run, RunState.FAILED, 1.0, 2.0, "ValueError: größer")],
        steps=[StepRecord(run, "fit", 0, StepState.SUCCEEDED, attempt=1, notes=("one", "zwei"))],
        artifacts=[ArtifactRecord(D, "json", "dd/d.json", 3, 1.5)],
        outputs=[OutputRecord(run, "fit", "output", D, "json")],
        inputs=[InputRecord(run, "fit", "x", "load", "output", D, "json")],
        params=[ParamRecord(run, "", "lr", "0.1")],
        metrics=[MetricRecord(run, "fit", "m", n, value, 1.0) for n, value in enumerate([0.5, math.inf, math.nan])],
        logs=[LogRecord(run, "fit", 0, 1.0, "stdout", "half \ud800 a pair, 🎉\0")],
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlMetadataStore]:
    made = sqlite_store(tmp_path / "metadata.db")
    made.create_run(RunRecord("r1", "p", "s", RunState.RUNNING, 1.0), steps=[], params=[], code=[], environment=None)
    yield made
    made.close()


def files(home: Path) -> list[Path]:
    return sorted((home / "spool" / "team").glob("*.json"))


def test_what_is_kept_arrives_whole_with_a_warning(store: SqlMetadataStore, tmp_path: Path) -> None:
    note = spool_batch(batch_of("r1"), tmp_path, "team")
    assert str(tmp_path / "spool" / "team") in note
    assert "the next command that uses this stack sends them" in note
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.warns(SpoolWarning, match=r"'team' could not accept earlier were sent now \(1 batch\)"):
        assert send_spooled(store, tmp_path, "team") == 1
    assert files(tmp_path) == []
    expected = batch_of("r1")
    assert store.run("r1").error == "ValueError: größer"  # type: ignore[union-attr]
    assert store.steps(["r1"]) == expected.steps
    assert store.inputs(["r1"]) == expected.inputs
    assert store.params(["r1"]) == expected.params
    assert [one.value for one in store.metrics(["r1"])][:2] == [0.5, math.inf]
    assert math.isnan(store.metrics(["r1"])[2].value)
    assert store.logs("r1")[0].text == "half \\ud800 a pair, 🎉\0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert send_spooled(store, tmp_path, "team") == 0


def test_the_oldest_is_sent_first(store: SqlMetadataStore, tmp_path: Path) -> None:
    for n in range(12):
        spool_batch(Batch(runs=[RunUpdate("r1", RunState.RUNNING, None, None, f"{n}")]), tmp_path, "team")
    with pytest.warns(SpoolWarning, match="12 batches"):
        send_spooled(store, tmp_path, "team")
    assert store.run("r1").error == "11"  # type: ignore[union-attr]


def test_one_store_is_not_sent_what_was_kept_for_another(store: SqlMetadataStore, tmp_path: Path) -> None:
    spool_batch(batch_of("r1"), tmp_path, "a/../b")
    assert send_spooled(store, tmp_path, "team") == 0
    assert not (tmp_path / "b").exists()
    with pytest.warns(SpoolWarning):
        assert send_spooled(store, tmp_path, "a/../b") == 1


class Away(SqlMetadataStore):
    """A store whose server takes some batches and is away then."""

    def __init__(self, store: SqlMetadataStore, takes: int) -> None:
        super().__init__(store._database)
        self.takes = takes

    def write(self, batch: Batch) -> None:
        if not self.takes:
            raise StoreUnreachableError("The server is away.", "Start it.")
        self.takes -= 1
        super().write(batch)


def test_what_cannot_be_sent_yet_stays(store: SqlMetadataStore, tmp_path: Path) -> None:
    for n in range(3):
        spool_batch(Batch(runs=[RunUpdate("r1", RunState.RUNNING, None, None, f"{n}")]), tmp_path, "team")
    with pytest.warns(SpoolWarning, match=r"could not be sent yet: The server is away\."):
        assert send_spooled(Away(store, 1), tmp_path, "team") == 1
    assert len(files(tmp_path)) == 2
    with pytest.warns(SpoolWarning, match="2 batches"):
        assert send_spooled(store, tmp_path, "team") == 2


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 99, "batch": {}}',
        '{"version": 1, "batch": {"cats": []}}',
        '{"version": 1, "batch": {"steps": [{"run": "r"}]}}',
        '{"version": 1, "batch": {"runs": [{"id": "r", "state": "odd", "started_at": 1, "ended_at": 1, "error": ""}]}}',
    ],
)
def test_a_damaged_file_is_renamed_with_a_warning_and_the_others_are_sent(
    store: SqlMetadataStore, tmp_path: Path, damage: str
) -> None:
    spool_batch(batch_of("r1"), tmp_path, "team")
    files(tmp_path)[0].write_text(damage)
    spool_batch(batch_of("r1"), tmp_path, "team")
    with pytest.warns(SpoolWarning, match="is damaged") as note:
        assert send_spooled(store, tmp_path, "team") == 1
    (aside,) = (tmp_path / "spool" / "team").glob("*.damaged")
    assert any(str(aside) in str(one.message) for one in note)
    assert aside.read_text() == damage
    assert store.steps(["r1"]) == batch_of("r1").steps


def test_two_processes_that_send_at_once_send_each_batch_once(tmp_path: Path) -> None:
    for n in range(60):
        spool_batch(Batch(metrics=[MetricRecord("r", "s", "m", n, n, n)]), tmp_path, "team")
    code = """
        import sys
        from pathlib import Path
        from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
        from zenbook.stack.spool import send_spooled
        home = Path(sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        print(send_spooled(sqlite_store(home / "metadata.db"), home, "team"))
    """
    senders = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for one in senders:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in senders:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    sent = [int(one.communicate(timeout=60)[0]) for one in senders]
    assert sum(sent) == 60
    assert files(tmp_path) == []
    store = sqlite_store(tmp_path / "metadata.db")
    assert [one.n for one in store.metrics(["r"])] == [*range(60)]
    store.close()


def test_a_place_that_cannot_be_written_is_reported_as_a_loss(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    assert spool_batch(batch_of("r1"), tmp_path, "team").startswith("records of this run are lost: ")


def test_a_half_written_file_is_never_sent(store: SqlMetadataStore, tmp_path: Path) -> None:
    spool_batch(batch_of("r1"), tmp_path, "team")
    whole = files(tmp_path)[0].read_text()
    (tmp_path / "spool" / "team" / "part-abc.tmp").write_text(whole[:40])
    with pytest.warns(SpoolWarning, match="1 batch"):
        assert send_spooled(store, tmp_path, "team") == 1
    assert json.loads(whole)["version"] == 1
    assert issubclass(StoreUnreachableError, StoreError)
