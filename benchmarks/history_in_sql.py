"""What questions over many runs cost: the first mirror, catching up, three questions, and joining a stored frame."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks.against_mlflow import against_mlflow
from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, python, seconds, workspace
from zenbook.core.states import RunState, StepState
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.records import MetricRecord, ParamRecord, RunRecord, StepRecord
from zenbook.stack.stack import open_stack

PARAMS, METRICS = 10, 20
AT_ONCE = 1000
NEW = 100

QUESTIONS = {
    "best 10 by a metric where a parameter": """
        select id, params.p2, metrics.m5 from runs
        where params.p1 < 0.5 and pipeline = 'training1' order by metrics.m5 desc limit 10""",
    "latest 50": "select * from runs order by id desc limit 50",
    "group by over all runs": "select pipeline, params.p7, avg(metrics.m3), max(metrics.m4) from runs group by all",
}

KERNEL = """
import re, sys, time
from pathlib import Path
from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
from zenbook.history.sql.mirror import Mirror

def highest():  # resource's own figure may be that of the process which started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

store = sqlite_store(Path("metadata.sqlite"))
store.changes(0)
before = highest()
start, used = time.perf_counter(), time.process_time()
Mirror(store, Path(sys.argv[1])).cursor().close()
took, used = time.perf_counter() - start, time.process_time() - used
print(took, used, highest() - before)
"""

FRAME = """
import sys, time
import numpy as np
import pandas as pd
import zenbook
from zenbook import pipeline, step

@step
def data(n: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({f"x{place}": random.random(n) for place in range(8)})

@pipeline
def making(n: int):
    data(n)

making(n=int(sys.argv[1]))
query = '''select r.pipeline, avg(t.x1) from artifact('latest', 'data', 'output') as t
           join runs as r on r.params.n = $n where t.x0 < 0.01 group by all'''
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    zenbook.sql(query, {"n": int(sys.argv[1])})
    print(time.perf_counter() - start)
"""


def measure(*, runs: int = 100_000, rows: int = 5_000_000, peer: int = 10_000, repeats: int = 9) -> Result:
    """Seconds and milliseconds with ``runs`` runs of 10 parameters and 20 metrics, and with a frame of 8 columns.

    ``peer`` such runs are asked in MLflow too, where its environment is there.
    """
    from zenbook.history.sql.mirror import Mirror

    with empty_folder() as folder:
        store = sqlite_store(folder / "metadata.sqlite")
        _fill(store, 0, runs)
        (folder / "kernel.py").write_text(KERNEL, encoding="utf-8")
        took, used, grown = (float(one) for one in python("kernel.py", "mirror", folder=folder).split())
        mirror = Mirror(store, folder / "mirror")
        opened = seconds(lambda: mirror.cursor().close())
        questions = in_turns(
            {name: lambda _, query=query: _asked(mirror, query) for name, query in QUESTIONS.items()}, repeats
        )

        def catch_up(turn: int) -> float:
            _fill(store, runs + turn * NEW, runs + (turn + 1) * NEW)
            return seconds(lambda: mirror.cursor().close())

        caught_up = in_turns({"": catch_up}, min(repeats, 4))[""]
        mirror.close()
        store.close()
        (folder / "frame.py").write_text(FRAME, encoding="utf-8")
        joined = [float(one) for one in python("frame.py", str(rows), str(repeats), folder=folder).split()[-repeats:]]
    return Result(
        f"Questions over {runs:,} runs, each with {PARAMS} parameters and {METRICS} metrics, in SQLite",
        (
            Figure("first mirror", took, "s", 20.0, f"of it {used:.1f} s of processor time"),
            Figure("memory that the first mirror adds", grown, "MB", 300.0),
            Figure("opening it in another process", opened * 1e3, "ms"),
            Figure(f"catching up after {NEW} new runs", caught_up * 1e3, "ms", 100.0),
            *(Figure(name, questions[name] * 1e3, "ms", 50.0) for name in QUESTIONS),
            Figure(f"joining a frame of {rows:,} x 8, filtered", sorted(joined)[len(joined) // 2] * 1e3, "ms", 300.0),
            Figure("the same for the first time in a process", joined[0] * 1e3, "ms"),
            *measure_peer(runs=peer, repeats=repeats),
        ),
        "Timed: until the rows are an Arrow table; each question looks into the metadata store for news first.\n"
        "  Memory: the highest resident set while it was made, over that of a process that has opened the store.\n"
        "  Beside MLflow: `zenbook.sql(…).df()` and `mlflow.search_runs(…)`, in SQLite; MLflow's means are pandas'.",
    )


def measure_peer(*, runs: int, repeats: int) -> list[Figure]:
    """What zenbook takes as a share of what MLflow takes, for the same runs."""
    with empty_folder() as folder, workspace(folder / ".zen"):
        store = open_stack().metadata
        assert isinstance(store, SqlMetadataStore)
        _fill(store, 0, runs)
        return against_mlflow([_run(n) for n in range(runs)], folder, min(repeats, 5))


def _asked(mirror: object, query: str) -> float:
    from zenbook.history.sql.mirror import Mirror
    from zenbook.history.sql.mirror.mirror import transaction

    assert isinstance(mirror, Mirror)
    start = time.perf_counter()
    with transaction(mirror, read_only=True) as cursor:
        cursor.sql(query).to_arrow_table()
    return time.perf_counter() - start


def _fill(store: SqlMetadataStore, start: int, end: int) -> None:
    """Many runs in each transaction, below the store's interface, which writes one."""
    to = store._writers
    for first in range(start, end, AT_ONCE):
        rows = [_run(n) for n in range(first, min(first + AT_ONCE, end))]
        store._database.write(
            (
                (to.new_run, [run for run, *_ in rows]),
                (to.steps, [step for _, step, *_ in rows]),
                (to.params, [one for _, _, params, _ in rows for one in params]),
                (to.metrics, [one for *_, metrics in rows for one in metrics]),
            ),
            changed=[run.id for run, *_ in rows],
        )


def _run(n: int) -> tuple[RunRecord, StepRecord, list[ParamRecord], list[MetricRecord]]:
    run, chance, at = f"20261123-{n:08d}", random.Random(n), 1e9 + n
    record = RunRecord(run, f"training{n % 4}", "local", RunState.SUCCEEDED, at, at, at + 1, host="h", plan="x" * 500)
    return (
        record,
        StepRecord(run, "fit", 0, StepState.SUCCEEDED),
        [ParamRecord(run, "", f"p{place}", value) for place, value in enumerate(_values(chance))],
        [MetricRecord(run, "fit", f"m{place}", 0, chance.random(), at) for place in range(METRICS)],
    )


def _values(chance: random.Random) -> Iterator[str]:
    for place in range(PARAMS):
        if place < 5:
            yield repr(chance.random())
        else:
            yield str(chance.randrange(100)) if place < 8 else '"adam"'


__all__ = ["measure"]
