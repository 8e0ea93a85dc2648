"""The conformance tests of metadata stores: writing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from zenbook.core.states import RunState, StepState
from zenbook.stack.metadata_store import MetadataStore
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
from zenbook.testing.sample_records import TEXT, A, B, C, a_run, a_step, id_of, new

_RUN = RunRecord(
    id=id_of(1),
    pipeline="training",
    stack="prod",
    state=RunState.FAILED,
    created_at=1.25,
    started_at=2.5,
    ended_at=3.75,
    error=TEXT,
    host="host",
    user="user",
    process="12:34",
    orchestrator="airflow",
    environment=B,
    plan='{"plan": 1}',
    kind="cell",
)
_STEP = StepRecord(
    run=_RUN.id,
    name="fit",
    position=2,
    state=StepState.CACHED,
    fingerprint=A,
    capsule=B,
    cache_key=C,
    attempt=3,
    started_at=1.5,
    ended_at=2.5,
    error=TEXT,
    traceback=TEXT,
    why=TEXT,
    cached_from=id_of(0),
    random_in=f"numpy:{B}",
    notes=("one", TEXT),
)


class WritingTests:
    """What is written can be read unchanged, and is written completely or not at all."""

    # --- what is written can be read -----------------------------------------------------------------------------

    def test_every_field_of_every_record_comes_back(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """The values keep their types, also for another process."""
        run, step = _RUN, _STEP
        params = [ParamRecord(run.id, "", "lr", "0.1"), ParamRecord(run.id, "fit", "file", '"x.csv"', B)]
        code, environment = CodeRecord(B, TEXT), EnvironmentRecord(C, TEXT)
        store.create_run(run, steps=[step], params=params, code=[code], environment=environment)
        output = OutputRecord(run.id, "fit", "model", A, "arrow", "part", "pandas.DataFrame", TEXT, TEXT)
        used = InputRecord(run.id, "fit", "df", "load", "output", A, "arrow", "part")
        metric = MetricRecord(run.id, "fit", "loss", 0, 0.1, 7.5, 12)
        log = LogRecord(run.id, "fit", 0, 8.5, "stdout", TEXT)
        artifact = ArtifactRecord(A, "arrow", "aa/bb.arrow", 5_000_000_000, 1.5)
        store.write(Batch(artifacts=[artifact], outputs=[output], inputs=[used], metrics=[metric], logs=[log]))
        joined = replace(output, address="aa/bb.arrow", size=5_000_000_000)
        for connection in (store, other_store):
            assert connection.run(run.id) == run
            assert connection.steps([run.id]) == [step]
            assert connection.params([run.id]) == params
            assert connection.outputs([run.id]) == connection.outputs([run.id], "fit") == [joined]
            assert connection.outputs([run.id], "other") == []
            assert connection.inputs([run.id]) == [used]
            assert connection.metrics([run.id]) == [metric]
            assert connection.logs(run.id) == connection.logs(run.id, "fit") == [log]
            assert connection.logs(run.id, "other") == []
            assert (connection.code(B), connection.environment(C)) == (code, environment)
            assert (connection.address_of(A, "arrow"), connection.address_of(A, "pickle")) == ("aa/bb.arrow", None)
            assert type(connection.steps([run.id])[0].state) is StepState

    def test_what_does_not_exist_is_none_or_empty(self, store: MetadataStore) -> None:
        """That is so in an empty store."""
        assert store.run("x") is None
        assert store.code(A) is None
        assert store.environment(A) is None
        assert store.previous_step("p", "s", before="z") is None
        assert store.address_of(A, "json") is None
        for rows in (store.steps, store.outputs, store.inputs, store.params, store.metrics):
            assert [*rows(["x"])] == [*rows([])] == []
        assert [*store.logs("x"), *store.runs(RunQuery()), *store.find_cached(A), *store.find_run_ids("x")] == []
        store.write(Batch())

    def test_names_of_every_length_are_different(self, store: MetadataStore) -> None:
        """A step's name has up to 100 characters, an output's up to 64. Case and accents matter."""
        steps = ["s" * 100, "s" * 99 + "t", "S" * 100, "é" * 100, "e" * 100, "🚀" * 100]
        names = ["n" * 64, "n" * 63 + "m", "N" * 64, "é", "e", "E", "ß", "ss"]
        store.create_run(
            a_run(1), steps=[a_step(1, name, position=n) for n, name in enumerate(steps)], params=[], code=[],
            environment=None,
        )  # fmt: skip
        store.write(
            Batch(
                artifacts=[ArtifactRecord(A, "f" * 64, "aa/a", 1, 1.0)],
                outputs=[OutputRecord(id_of(1), steps[0], name, A, "f" * 64) for name in names],
                metrics=[MetricRecord(id_of(1), steps[0], name, 0, 1.0, 1.0) for name in names],
                params=[ParamRecord(id_of(1), steps[0], name, "1") for name in names],
            )
        )
        assert [step.name for step in store.steps([id_of(1)])] == steps
        for rows in (store.outputs([id_of(1)]), store.metrics([id_of(1)]), store.params([id_of(1)])):
            assert {artifact.name for artifact in rows} == {*names}
            assert len(rows) == len(names)
        assert len(store.outputs([id_of(1)], steps[0])) == len(names)
        assert store.outputs([id_of(1)], steps[2]) == []

    def test_long_texts_are_not_cut(self, store: MetadataStore) -> None:
        """A plan of 2 MB, a traceback and a log line of 200 kB."""
        plan, long = "plan é " * 300_000, "line\n" * 40_000
        store.create_run(
            a_run(1, plan=plan),
            steps=[a_step(1, traceback=long)],
            params=[ParamRecord(id_of(1), "", "p", long)],
            code=[CodeRecord(A, plan)],
            environment=EnvironmentRecord(B, long),
        )
        store.write(Batch(logs=[LogRecord(id_of(1), "fit", 0, 1.0, "stdout", long)]))
        run, code, environment = store.run(id_of(1)), store.code(A), store.environment(B)
        assert run is not None
        assert run.plan == plan
        assert code is not None
        assert code.capsule == plan
        assert environment is not None
        assert environment.description == long
        assert store.steps([id_of(1)])[0].traceback == long
        assert store.params([id_of(1)])[0].value == long
        assert store.logs(id_of(1))[0].text == long

    def test_numbers_come_back_to_the_last_bit(self, store: MetadataStore) -> None:
        """So do not-a-number and the infinities, since users look for metrics that diverged."""
        values = [0.1, 1e-300, -1.7e308, 2 / 3, math.inf, -math.inf, math.nan, 3.0]
        at = 1795422653.123457
        new(store, a_run(1, created_at=at))
        store.write(
            Batch(
                metrics=[
                    MetricRecord(id_of(1), "s", "m", n, value, at, index=2**31 - 1) for n, value in enumerate(values)
                ]
            )
        )
        back = store.metrics([id_of(1)])
        assert [repr(value.value) for value in back] == [repr(value) for value in values]
        assert {(value.at, value.index) for value in back} == {(at, 2**31 - 1)}
        assert store.runs(RunQuery())[0].created_at == at

    def test_invalid_text_does_not_stop_a_write(self, store: MetadataStore) -> None:
        """A lone surrogate and a null character are stored or replaced, but do not raise."""
        new(store, a_run(1))
        store.write(Batch(logs=[LogRecord(id_of(1), "s", 0, 1.0, "stdout", "before \ud800 between \0 after")]))
        text = store.logs(id_of(1))[0].text
        assert text.startswith("before ")
        assert " between " in text
        assert text.endswith(" after")

    # --- completely or not at all, and repeatedly ----------------------------------------------------------------

    def test_a_run_is_created_completely_or_not_at_all(self, store: MetadataStore) -> None:
        """If a row cannot be written, no row is, and the store can still be used."""
        bad = a_step(1, "bad", position=object())
        with pytest.raises(Exception):  # noqa: B017, PT011  # the class depends on the driver
            store.create_run(
                a_run(1),
                steps=[a_step(1), bad],
                params=[],
                code=[CodeRecord(A, "x")],
                environment=None,
            )
        assert store.run(id_of(1)) is None
        assert store.steps([id_of(1)]) == []
        assert store.code(A) is None
        new(store, a_run(1), a_step(1))
        assert store.steps([id_of(1)]) == [a_step(1)]

    def test_a_batch_is_written_completely_or_not_at_all(self, store: MetadataStore) -> None:
        """That is so whichever of its rows cannot be written."""
        new(store, a_run(1))
        good = MetricRecord(id_of(1), "fit", "m", 0, 0.5, 1.0)
        bad: Any = object()
        with pytest.raises(Exception):  # noqa: B017, PT011
            store.write(
                Batch(
                    runs=[RunUpdate(id_of(1), RunState.FAILED, 1.0, 2.0)],
                    steps=[a_step(1)],
                    metrics=[good, replace(good, n=1, index=bad)],
                )
            )
        assert store.steps([id_of(1)]) == []
        assert store.metrics([id_of(1)]) == []
        assert store.run(id_of(1)) == a_run(1)
        store.write(Batch(steps=[a_step(1)], metrics=[good]))
        assert (store.steps([id_of(1)]), store.metrics([id_of(1)])) == ([a_step(1)], [good])

    def test_a_batch_may_be_written_again(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """That happens after a connection broke. A row with the same key is replaced."""
        new(store, a_run(1, state=RunState.RUNNING, plan="kept"), a_step(1, state=StepState.PENDING))
        done = a_step(1, why="new", notes=("n",))
        output = OutputRecord(id_of(1), "fit", "output", A, "json")
        batch = Batch(
            runs=[RunUpdate(id_of(1), RunState.FAILED, 5.0, 6.0, "broke")],
            steps=[a_step(1, state=StepState.RUNNING), done],
            artifacts=[
                ArtifactRecord(A, "json", "aa/first", 1, 1.0),
                ArtifactRecord(A, "json", "aa/second", 2, 1.0),
            ],
            outputs=[replace(output, preview="old"), output],
            inputs=[InputRecord(id_of(1), "fit", "x", "", "x", A, "json")],
            params=[ParamRecord(id_of(1), "fit", "p", "1")],
            metrics=[MetricRecord(id_of(1), "fit", "m", 0, 1.0, 1.0)],
            logs=[LogRecord(id_of(1), "fit", 0, 1.0, "log", "text")],
        )
        for connection in (store, other_store, store):
            connection.write(batch)
        assert store.steps([id_of(1)]) == [done]
        assert store.outputs([id_of(1)]) == [replace(output, address="aa/first", size=1)]
        assert (store.inputs([id_of(1)]), store.params([id_of(1)])) == (batch.inputs, batch.params)
        assert (store.metrics([id_of(1)]), store.logs(id_of(1))) == (batch.metrics, batch.logs)
        ended = a_run(1, state=RunState.FAILED, plan="kept", started_at=5.0, ended_at=6.0, error="broke")
        assert store.run(id_of(1)) == ended

    def test_a_run_may_be_created_again_with_more_steps(self, store: MetadataStore) -> None:
        """Its row is replaced, and its steps stay."""
        new(store, a_run(1, plan="first"), a_step(1))
        new(store, a_run(1, plan="second"), a_step(1, "other", position=1))
        assert store.run(id_of(1)) == a_run(1, plan="second")
        assert [step.name for step in store.steps([id_of(1)])] == ["fit", "other"]

    def test_known_code_and_environments_are_not_replaced(self, store: MetadataStore) -> None:
        """They are identified by the digest of their content."""
        for n, text in ((1, "first"), (2, "second")):
            store.create_run(
                a_run(n),
                steps=[],
                params=[],
                code=[CodeRecord(A, text)],
                environment=EnvironmentRecord(A, text),
            )
        assert (store.code(A), store.environment(A)) == (
            CodeRecord(A, "first"),
            EnvironmentRecord(A, "first"),
        )
