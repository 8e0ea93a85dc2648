"""Many processes write to one database at once (promise 5)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from notebooks.servers import Server
from tests.servers.databases import KINDS, new_database, store_at
from zenbook.core.states import RunState
from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
from zenbook.stack.records import RunQuery

PROCESSES, RUNS, STEPS = 8, 50, 5

# Each process makes runs as an engine does: a run with its steps, and two writes for each step, with reads between.
WRITER = """
    import sys
    from pathlib import Path
    from zenbook.core.states import RunState, StepState
    from tests.servers.databases import store_at
    from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
    from zenbook.stack.records import (
        ArtifactRecord, Batch, CodeRecord, EnvironmentRecord, InputRecord, LogRecord, MetricRecord, OutputRecord,
        ParamRecord, RunQuery, RunRecord, RunUpdate, StepRecord,
    )

    place, me, runs, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    print("ready", flush=True)
    sys.stdin.readline()  # so that all of them make the store at once
    store = store_at(place) if "://" in place else sqlite_store(Path(place))
    for n in range(runs):
        run = f"run-{n:03d}-{me}"
        pending = [StepRecord(run, f"s{i}", i, StepState.PENDING) for i in range(steps)]
        store.create_run(
            RunRecord(run, "training", "local", RunState.PENDING, 1.0, plan="x" * 2000), steps=pending,
            params=[ParamRecord(run, "", "lr", "0.1")], code=[CodeRecord("c" * 64, "{}")],
            environment=EnvironmentRecord("e" * 64, "{}"),
        )
        for i in range(steps):
            key, digest = f"{n}-{i}".ljust(64, "k"), f"{n}-{i}".ljust(64, "d")
            store.find_cached(key)
            store.write(Batch(steps=[StepRecord(run, f"s{i}", i, StepState.RUNNING, cache_key=key)]))
            store.write(
                Batch(
                    steps=[StepRecord(run, f"s{i}", i, StepState.SUCCEEDED, cache_key=key)],
                    artifacts=[ArtifactRecord(digest, "json", "aa/a", 1, 1.0)],
                    outputs=[OutputRecord(run, f"s{i}", "output", digest, "json")],
                    inputs=[InputRecord(run, f"s{i}", "x", "s0", "output", digest, "json")],
                    metrics=[MetricRecord(run, f"s{i}", "m", k, k, 1.0) for k in range(3)],
                    logs=[LogRecord(run, f"s{i}", 0, 1.0, "stdout", "text")],
                )
            )
        store.write(Batch(runs=[RunUpdate(run, RunState.SUCCEEDED, 1.0, 2.0)]))
    store.close()
"""


@pytest.fixture(params=["sqlite", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has made yet."""
    if request.param == "sqlite":
        return str(tmp_path / "new folder" / "metadata.db")
    server: Server = request.getfixturevalue(request.param)
    return server.url(new_database())


def test_no_row_is_lost_and_nobody_is_locked_out(place: str) -> None:
    arguments = [sys.executable, "-c", textwrap.dedent(WRITER), place]
    writers = [
        subprocess.Popen(
            [*arguments, str(n), str(RUNS), str(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            _, errors = writer.communicate(timeout=240)
            assert (writer.returncode, errors) == (0, "")
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()

    store = store_at(place) if "://" in place else sqlite_store(Path(place))
    ids = sorted(f"run-{n:03d}-{me}" for me in range(PROCESSES) for n in range(RUNS))
    names = [(run, f"s{i}") for run in ids for i in range(STEPS)]
    runs = store.runs(RunQuery(limit=None))
    assert sorted(run.id for run in runs) == ids
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert [(step.run, step.name) for step in store.steps(ids)] == names
    assert {step.state for step in store.steps(ids)} == {"succeeded"}
    assert [(output.run, output.step) for output in store.outputs(ids)] == names
    assert [(item.run, item.step) for item in store.inputs(ids)] == names
    assert sorted((metric.run, metric.step, metric.n) for metric in store.metrics(ids)) == [
        (*n, k) for n in names for k in range(3)
    ]
    assert [param.run for param in store.params(ids)] == ids
    assert all(len(store.logs(run)) == STEPS for run in ids)
    assert len(store.find_cached("0-0".ljust(64, "k"))) == PROCESSES
    store.close()
