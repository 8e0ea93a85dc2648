"""The SQL metadata store on every database that it works on."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.servers.rows import A, B, new_run, run_of, step_of
from zenbook.core.states import RunState, StepState
from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunQuery,
    RunRecord,
    RunUpdate,
    StepRecord,
)

# -- what is written comes back


FULL_RUN = RunRecord(
    "run-0001",
    "training",
    "prod",
    RunState.FAILED,
    1.25,
    2.5,
    3.75,
    "ValueError: größer",
    "host",
    "user",
    "12:34",
    "airflow",
    B,
    '{"plan": 1}',
    "cell",
)
FULL_STEP = StepRecord(
    "run-0001",
    "fit",
    2,
    StepState.CACHED,
    A,
    B,
    A,
    3,
    1.5,
    2.5,
    "error",
    "traceback\n",
    "why",
    "run-0000",
    B,
    ("one", "zwei, größer"),
)


def test_every_field_of_every_record_comes_back(store: SqlMetadataStore) -> None:
    params = [ParamRecord("run-0001", "", "lr", "0.1"), ParamRecord("run-0001", "fit", "file", '"x.csv"', B)]
    store.create_run(
        FULL_RUN,
        steps=[FULL_STEP],
        params=params,
        code=[CodeRecord(B, '{"code": 1}')],
        environment=EnvironmentRecord(B, '{"python": 3}'),
    )
    output = OutputRecord("run-0001", "fit", "model", A, "arrow", "part", "pandas.DataFrame", "{}", "a note")
    got = InputRecord("run-0001", "fit", "df", "load", "output", A, "arrow", "part")
    metric = MetricRecord("run-0001", "fit", "loss", 0, 0.5, 7.5, 12)
    log = LogRecord("run-0001", "fit", 0, 8.5, "stdout", "printed\n")
    store.write(
        Batch(
            artifacts=[ArtifactRecord(A, "arrow", "aa/bb.arrow", 5_000_000_000, 1.5)],
            outputs=[output],
            inputs=[got],
            metrics=[metric],
            logs=[log],
        )
    )
    ids = ["run-0001"]
    assert store.run("run-0001") == FULL_RUN
    assert store.steps(ids) == [FULL_STEP]
    assert store.params(ids) == params
    assert store.outputs(ids) == [replace(output, address="aa/bb.arrow", size=5_000_000_000)]
    assert store.outputs(ids, "fit") == store.outputs(ids)
    assert store.outputs(ids, "other") == []
    assert store.inputs(ids) == [got]
    assert store.metrics(ids) == [metric]
    assert store.logs("run-0001") == store.logs("run-0001", "fit") == [log]
    assert store.logs("run-0001", "other") == []
    assert store.code(B) == CodeRecord(B, '{"code": 1}')
    assert store.environment(B) == EnvironmentRecord(B, '{"python": 3}')
    assert store.address_of(A, "arrow") == "aa/bb.arrow"
    assert store.address_of(A, "pickle") is None
    assert type(store.steps(ids)[0].state) is StepState
    assert type(store.run("run-0001").state) is RunState  # type: ignore[union-attr]


def test_what_does_not_exist_is_none_or_empty(store: SqlMetadataStore) -> None:
    assert store.run("x") is store.code(A) is store.environment(A) is store.previous_step("p", "s", before="z") is None
    assert store.steps(["x"]) == store.outputs([]) == store.logs("x") == store.runs(RunQuery()) == []
    assert store.find_cached(A) == store.find_run_ids("") == []
    store.write(Batch())


def test_a_run_is_created_in_whole_or_not_at_all(store: SqlMetadataStore) -> None:
    with pytest.raises(StoreError):
        new_run(store, run_of(1), step_of(1), step_of(1, "bad", position=object()))
    assert store.run("run-0001") is None
    assert store.steps(["run-0001"]) == []


def test_a_run_may_be_created_again_with_more_steps(store: SqlMetadataStore) -> None:
    new_run(store, run_of(1, plan="first"), step_of(1))
    new_run(store, run_of(1, plan="second"), step_of(1, "other", position=1))
    assert store.run("run-0001") == run_of(1, plan="second")
    assert [step.name for step in store.steps(["run-0001"])] == ["fit", "other"]


def test_known_code_and_environments_are_not_replaced(store: SqlMetadataStore) -> None:
    for n, text in ((1, "first"), (2, "second")):
        store.create_run(
            run_of(n), steps=[], params=[], code=[CodeRecord(A, text)], environment=EnvironmentRecord(A, text)
        )
    assert (store.code(A), store.environment(A)) == (CodeRecord(A, "first"), EnvironmentRecord(A, "first"))


def test_a_batch_replaces_by_key_and_updates_runs(store: SqlMetadataStore) -> None:
    new_run(store, run_of(1, state=RunState.PENDING, plan="kept", error=""), step_of(1, state=StepState.PENDING))
    done = step_of(1, state=StepState.SUCCEEDED, why="new", notes=("n",))
    first = OutputRecord("run-0001", "fit", "output", A, "json")
    batch = Batch(
        runs=[RunUpdate("run-0001", RunState.FAILED, 5.0, 6.0, "broke")],
        steps=[step_of(1, state=StepState.RUNNING), done],
        artifacts=[ArtifactRecord(A, "json", "first", 1, 1.0), ArtifactRecord(A, "json", "second", 2, 1.0)],
        outputs=[replace(first, preview="old"), first],
        metrics=[MetricRecord("run-0001", "fit", "m", 0, 1.0, 1.0)],
        logs=[LogRecord("run-0001", "fit", 0, 1.0, "log", "text")],
    )
    store.write(batch)
    store.write(batch)  # as after a connection that broke in the middle of a commit
    assert store.steps(["run-0001"]) == [done]
    assert store.outputs(["run-0001"]) == [replace(first, address="first", size=1)]
    assert len(store.metrics(["run-0001"])) == len(store.logs("run-0001")) == 1
    run = store.run("run-0001")
    assert run == run_of(1, state=RunState.FAILED, plan="kept", started_at=5.0, ended_at=6.0, error="broke")


def test_not_a_number_and_lone_surrogates_are_stored(store: SqlMetadataStore) -> None:
    values = [math.nan, math.inf, -math.inf, 1e-300, 3]
    store.write(
        Batch(
            metrics=[MetricRecord("r", "s", "m", n, value, n) for n, value in enumerate(values)],
            logs=[LogRecord("r", "s", 0, 1.0, "stdout", "half \ud800 a pair, and \0")],
        )
    )
    back = [metric.value for metric in store.metrics(["r"])]
    assert math.isnan(back[0])
    assert back[1:] == values[1:]
    spelt_out = "\\x00"  # PostgreSQL's texts hold no character 0
    nul = spelt_out if store.describe().startswith("postgresql") else "\0"
    assert store.logs("r")[0].text == f"half \\ud800 a pair, and {nul}"


def test_a_batch_that_fails_writes_nothing_and_the_store_stays_usable(store: SqlMetadataStore) -> None:
    new_run(store, run_of(1))
    bad = MetricRecord("run-0001", "fit", "m", 1, 0.5, 1.0, index=2**70)
    for broken in (bad, replace(bad, index=object())):  # type: ignore[arg-type]
        with pytest.raises(StoreError):
            store.write(Batch(steps=[step_of(1)], metrics=[replace(bad, n=0, index=1), broken]))
    assert store.steps(["run-0001"]) == store.metrics(["run-0001"]) == []
    store.write(Batch(steps=[step_of(1)]))
    assert store.steps(["run-0001"]) == [step_of(1)]


# -- questions


def test_find_cached_gives_the_newest_eight_that_succeeded(store: SqlMetadataStore) -> None:
    store.write(
        Batch(
            artifacts=[ArtifactRecord(A, "json", "aa/a", 7, 1.0)],
            steps=[step_of(n) for n in range(10)]
            + [step_of(n, state=state) for n, state in enumerate(StepState, start=20) if state != "succeeded"]
            + [step_of(40, cache_key=B)],
            outputs=[OutputRecord(f"run-{n:04d}", "fit", name, A, "json") for n in range(9) for name in ("x", "y")],
            metrics=[MetricRecord(f"run-{n:04d}", "fit", "m", i, n + i / 4, 1.0) for n in range(10) for i in range(2)],
        )
    )
    cached = store.find_cached(A)
    assert [hit.step for hit in cached] == [step_of(n) for n in range(9, 1, -1)]
    assert cached[0].outputs == ()
    assert [(output.name, output.address, output.size) for output in cached[1].outputs] == [
        ("x", "aa/a", 7),
        ("y", "aa/a", 7),
    ]
    assert [metric.value for metric in cached[0].metrics] == [9.0, 9.25]
    assert all(record.run == hit.step.run for hit in cached for record in (*hit.metrics, *hit.outputs))
    assert [hit.step.run for hit in store.find_cached(B)] == ["run-0040"]


def test_find_cached_keeps_two_steps_of_one_run_apart(store: SqlMetadataStore) -> None:
    store.write(
        Batch(
            artifacts=[ArtifactRecord(A, "json", "aa/a", 7, 1.0)],
            steps=[step_of(1), step_of(1, "fit_2")],
            outputs=[OutputRecord("run-0001", name, "o", A, "json") for name in ("fit", "fit_2")],
        )
    )
    assert [(hit.step.name, [output.step for output in hit.outputs]) for hit in store.find_cached(A)] == [
        ("fit", ["fit"]),
        ("fit_2", ["fit_2"]),
    ]


def test_runs_are_paged_and_filtered_newest_first_without_plans(store: SqlMetadataStore) -> None:
    for n in range(7):
        new_run(
            store,
            run_of(
                n,
                plan="long",
                pipeline="training" if n % 2 else "other",
                state=RunState.FAILED if n == 3 else RunState.SUCCEEDED,
                kind="cell" if n == 5 else "pipeline",
            ),
        )

    def ids(**query: Any) -> list[int]:
        return [int(run.id[-4:]) for run in store.runs(RunQuery(**query))]

    assert ids() == ids(limit=None) == [6, 5, 4, 3, 2, 1, 0]
    assert ids(limit=3) == [6, 5, 4]
    assert ids(limit=3, before="run-0004") == [3, 2, 1]
    assert ids(pipeline="training") == [5, 3, 1]
    assert ids(states=(RunState.FAILED, RunState.RUNNING)) == [3]
    assert ids(kind="cell") == [5]
    assert ids(kind="pipeline", pipeline="training") == [3, 1]
    assert all(run.plan == "" for run in store.runs(RunQuery()))
    assert store.runs(RunQuery(limit=1)) == [replace(store.run("run-0006"), plan="")]  # type: ignore[type-var]


def test_a_run_is_found_by_the_start_or_end_of_its_id(store: SqlMetadataStore) -> None:
    for name in ("20261123-ab%c", "20261123-abxc", "20261124-zz_1", "20261124-zzz1", "20261125-0123"):
        new_run(store, replace(run_of(1), id=name))
    assert store.find_run_ids("20261124") == ["20261124-zzz1", "20261124-zz_1"]
    assert store.find_run_ids("123") == ["20261125-0123"]
    assert store.find_run_ids("b%c") == ["20261123-ab%c"]
    assert store.find_run_ids("z_1") == ["20261124-zz_1"]
    assert store.find_run_ids("2026", limit=2) == ["20261125-0123", "20261124-zzz1"]
    assert store.find_run_ids("1123-") == []


def test_the_previous_step_is_of_the_same_pipeline_and_older(store: SqlMetadataStore) -> None:
    for n in range(5):
        pipeline = "other" if n == 3 else "training"
        new_run(store, run_of(n, pipeline=pipeline), step_of(n), *([step_of(n, "rare")] if n == 0 else []))
    assert store.previous_step("training", "fit", before="run-0004") == step_of(2)
    assert store.previous_step("training", "rare", before="run-0004") == step_of(0, "rare")
    assert store.previous_step("training", "fit", before="run-0000") is None
    assert store.previous_step("training", "none", before="run-0004") is None


def test_rows_of_many_runs_come_in_order(store: SqlMetadataStore) -> None:
    names = [f"run-{n:04d}" for n in range(1200)]  # more than fit in one query
    store.write(
        Batch(
            steps=[step_of(n, name, position=p) for n in range(1200) for name, p in (("a", 1), ("b", 0))],
            metrics=[MetricRecord("run-0001", s, "m", n, n, 10.0 - i) for i, s in enumerate("ab") for n in range(2)],
            logs=[
                LogRecord("run-0001", step, n, at, "log", "")
                for step, n, at in (("a", 0, 3.0), ("b", 0, 1.0), ("a", 1, 2.0))
            ],
        )
    )
    steps = store.steps(names[::-1] + names[:3])
    assert [(step.run, step.name) for step in steps] == [(name, step) for name in names for step in "ba"]
    assert [(metric.step, metric.n) for metric in store.metrics(["run-0001"])] == [
        ("b", 0),
        ("b", 1),
        ("a", 0),
        ("a", 1),
    ]
    assert [(line.step, line.n) for line in store.logs("run-0001")] == [("b", 0), ("a", 1), ("a", 0)]
    assert [one.n for one in store.logs("run-0001", "a")] == [0, 1]  # whatever the clock did


def test_threads_share_a_store(store: SqlMetadataStore) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(8)

    def work(n: int) -> None:
        try:
            together.wait()  # so that all eight open it
            for i in range(10):
                store.write(Batch(steps=[step_of(n, f"s{i}")]))
                assert len(store.steps([f"run-{n:04d}"])) == i + 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.steps([f"run-{n:04d}" for n in range(8)])) == 80
