"""What a metadata store promises, as tests."""

from __future__ import annotations

import dataclasses
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from zenbook.core.states import RunState, StepState
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    LogRecord,
    MarkRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunQuery,
    RunRecord,
    RunUpdate,
    StepRecord,
)

_A, _B, _C = "a" * 64, "b" * 64, "c" * 64
_TEXT = "größer, 東京 🚀 and 'quotes' \"both\" \\ % %s :x ?\n\tend "


class MetadataStoreTests:
    """Tests of a metadata store: give the fixture ``store``, an empty one for each test.

    ``other_store`` is a second connection to the same place, as another process has it; by default the store itself.
    """

    @pytest.fixture
    def store(self) -> Any:
        """An empty store, to be given by the class that inherits."""
        raise NotImplementedError("give the fixture `store`: an empty metadata store of yours")

    @pytest.fixture
    def other_store(self, store: MetadataStore) -> Any:
        """The same store as another process sees it."""
        return store

    # --- what is written comes back -----------------------------------------------------------------------------

    def test_every_field_of_every_record_comes_back(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """With the types that they had, in another process too."""
        run = RunRecord(
            *(_id(1), "training", "prod", RunState.FAILED, 1.25, 2.5, 3.75, _TEXT, "host", "user", "12:34", "airflow"),
            *(_B, '{"plan": 1}', "cell"),
        )
        step = StepRecord(
            *(run.id, "fit", 2, StepState.CACHED, _A, _B, _C, 3, 1.5, 2.5, _TEXT, _TEXT, _TEXT, _id(0), "numpy:" + _B),
            ("one", _TEXT),
        )
        params = [ParamRecord(run.id, "", "lr", "0.1"), ParamRecord(run.id, "fit", "file", '"x.csv"', _B)]
        code, environment = CodeRecord(_B, _TEXT), EnvironmentRecord(_C, _TEXT)
        store.create_run(run, steps=[step], params=params, code=[code], environment=environment)
        output = OutputRecord(run.id, "fit", "model", _A, "arrow", "part", "pandas.DataFrame", _TEXT, _TEXT)
        used = InputRecord(run.id, "fit", "df", "load", "output", _A, "arrow", "part")
        metric = MetricRecord(run.id, "fit", "loss", 0, 0.1, 7.5, 12)
        log = LogRecord(run.id, "fit", 0, 8.5, "stdout", _TEXT)
        artifact = ArtifactRecord(_A, "arrow", "aa/bb.arrow", 5_000_000_000, 1.5)
        store.write(Batch(artifacts=[artifact], outputs=[output], inputs=[used], metrics=[metric], logs=[log]))
        joined = replace(output, address="aa/bb.arrow", size=5_000_000_000)
        for one in (store, other_store):
            assert one.run(run.id) == run
            assert one.steps([run.id]) == [step]
            assert one.params([run.id]) == params
            assert one.outputs([run.id]) == one.outputs([run.id], "fit") == [joined]
            assert one.outputs([run.id], "other") == []
            assert one.inputs([run.id]) == [used]
            assert one.metrics([run.id]) == [metric]
            assert one.logs(run.id) == one.logs(run.id, "fit") == [log]
            assert one.logs(run.id, "other") == []
            assert (one.code(_B), one.environment(_C)) == (code, environment)
            assert (one.address_of(_A, "arrow"), one.address_of(_A, "pickle")) == ("aa/bb.arrow", None)
            assert type(one.steps([run.id])[0].state) is StepState

    def test_what_is_not_there_is_none_or_empty(self, store: MetadataStore) -> None:
        """In a store that holds nothing."""
        assert store.run("x") is None
        assert store.code(_A) is None
        assert store.environment(_A) is None
        assert store.previous_step("p", "s", before="z") is None
        assert store.address_of(_A, "json") is None
        for rows in (store.steps, store.outputs, store.inputs, store.params, store.metrics):
            assert [*rows(["x"])] == [*rows([])] == []
        assert [*store.logs("x"), *store.runs(RunQuery()), *store.find_cached(_A), *store.find_run_ids("x")] == []
        store.write(Batch())

    def test_names_of_every_length_are_told_apart(self, store: MetadataStore) -> None:
        """A step's name has up to 100 characters, an output's up to 64; case and accents count."""
        steps = ["s" * 100, "s" * 99 + "t", "S" * 100, "é" * 100, "e" * 100, "🚀" * 100]
        names = ["n" * 64, "n" * 63 + "m", "N" * 64, "é", "e", "E", "ß", "ss"]
        store.create_run(
            _run(1), steps=[_step(1, one, position=n) for n, one in enumerate(steps)], params=[], code=[],
            environment=None,
        )  # fmt: skip
        store.write(
            Batch(
                artifacts=[ArtifactRecord(_A, "f" * 64, "aa/a", 1, 1.0)],
                outputs=[OutputRecord(_id(1), steps[0], name, _A, "f" * 64) for name in names],
                metrics=[MetricRecord(_id(1), steps[0], name, 0, 1.0, 1.0) for name in names],
                params=[ParamRecord(_id(1), steps[0], name, "1") for name in names],
            )
        )
        assert [one.name for one in store.steps([_id(1)])] == steps
        for rows in (store.outputs([_id(1)]), store.metrics([_id(1)]), store.params([_id(1)])):
            assert {one.name for one in rows} == {*names}
            assert len(rows) == len(names)
        assert len(store.outputs([_id(1)], steps[0])) == len(names)
        assert store.outputs([_id(1)], steps[2]) == []

    def test_long_texts_come_back_whole(self, store: MetadataStore) -> None:
        """A plan of 2 MB, a traceback and a log line of 200 kB."""
        plan, long = "plan é " * 300_000, "line\n" * 40_000
        store.create_run(
            _run(1, plan=plan),
            steps=[_step(1, traceback=long)],
            params=[ParamRecord(_id(1), "", "p", long)],
            code=[CodeRecord(_A, plan)],
            environment=EnvironmentRecord(_B, long),
        )
        store.write(Batch(logs=[LogRecord(_id(1), "fit", 0, 1.0, "stdout", long)]))
        run, code, environment = store.run(_id(1)), store.code(_A), store.environment(_B)
        assert run is not None
        assert run.plan == plan
        assert code is not None
        assert code.capsule == plan
        assert environment is not None
        assert environment.description == long
        assert store.steps([_id(1)])[0].traceback == long
        assert store.params([_id(1)])[0].value == long
        assert store.logs(_id(1))[0].text == long

    def test_numbers_come_back_to_the_last_bit(self, store: MetadataStore) -> None:
        """Not-a-number and the infinities too: a metric that exploded is what one looks for."""
        values = [0.1, 1e-300, -1.7e308, 2 / 3, math.inf, -math.inf, math.nan, 3.0]
        at = 1795422653.123457
        _new(store, _run(1, created_at=at))
        store.write(
            Batch(metrics=[MetricRecord(_id(1), "s", "m", n, one, at, index=2**31 - 1) for n, one in enumerate(values)])
        )
        back = store.metrics([_id(1)])
        assert [repr(one.value) for one in back] == [repr(one) for one in values]
        assert {(one.at, one.index) for one in back} == {(at, 2**31 - 1)}
        assert store.runs(RunQuery())[0].created_at == at

    def test_text_that_is_no_text_does_not_cost_the_rest(self, store: MetadataStore) -> None:
        """Half a surrogate pair and a zero are kept or replaced, never refused."""
        _new(store, _run(1))
        store.write(Batch(logs=[LogRecord(_id(1), "s", 0, 1.0, "stdout", "before \ud800 between \0 after")]))
        text = store.logs(_id(1))[0].text
        assert text.startswith("before ")
        assert " between " in text
        assert text.endswith(" after")

    # --- all or nothing, and as often as one likes --------------------------------------------------------------

    def test_a_run_is_created_wholly_or_not_at_all(self, store: MetadataStore) -> None:
        """A row that can't be written takes the others with it, and the store works on."""
        bad = _step(1, "bad", position=object())
        with pytest.raises(Exception):  # noqa: B017, PT011  # which one is the driver's
            store.create_run(_run(1), steps=[_step(1), bad], params=[], code=[CodeRecord(_A, "x")], environment=None)
        assert store.run(_id(1)) is None
        assert store.steps([_id(1)]) == []
        assert store.code(_A) is None
        _new(store, _run(1), _step(1))
        assert store.steps([_id(1)]) == [_step(1)]

    def test_a_batch_is_written_wholly_or_not_at_all(self, store: MetadataStore) -> None:
        """Whichever of its rows can't be."""
        _new(store, _run(1))
        good = MetricRecord(_id(1), "fit", "m", 0, 0.5, 1.0)
        bad: Any = object()
        with pytest.raises(Exception):  # noqa: B017, PT011
            store.write(
                Batch(
                    runs=[RunUpdate(_id(1), RunState.FAILED, 1.0, 2.0)],
                    steps=[_step(1)],
                    metrics=[good, replace(good, n=1, index=bad)],
                )
            )
        assert store.steps([_id(1)]) == []
        assert store.metrics([_id(1)]) == []
        assert store.run(_id(1)) == _run(1)
        store.write(Batch(steps=[_step(1)], metrics=[good]))
        assert (store.steps([_id(1)]), store.metrics([_id(1)])) == ([_step(1)], [good])

    def test_a_batch_may_be_written_again(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """As after a connection that broke in the middle of it; a row of the same key is replaced."""
        _new(store, _run(1, state=RunState.RUNNING, plan="kept"), _step(1, state=StepState.PENDING))
        done = _step(1, why="new", notes=("n",))
        output = OutputRecord(_id(1), "fit", "output", _A, "json")
        batch = Batch(
            runs=[RunUpdate(_id(1), RunState.FAILED, 5.0, 6.0, "broke")],
            steps=[_step(1, state=StepState.RUNNING), done],
            artifacts=[ArtifactRecord(_A, "json", "aa/first", 1, 1.0), ArtifactRecord(_A, "json", "aa/second", 2, 1.0)],
            outputs=[replace(output, preview="old"), output],
            inputs=[InputRecord(_id(1), "fit", "x", "", "x", _A, "json")],
            params=[ParamRecord(_id(1), "fit", "p", "1")],
            metrics=[MetricRecord(_id(1), "fit", "m", 0, 1.0, 1.0)],
            logs=[LogRecord(_id(1), "fit", 0, 1.0, "log", "text")],
        )
        for one in (store, other_store, store):
            one.write(batch)
        assert store.steps([_id(1)]) == [done]
        assert store.outputs([_id(1)]) == [replace(output, address="aa/first", size=1)]
        assert (store.inputs([_id(1)]), store.params([_id(1)])) == (batch.inputs, batch.params)
        assert (store.metrics([_id(1)]), store.logs(_id(1))) == (batch.metrics, batch.logs)
        ended = _run(1, state=RunState.FAILED, plan="kept", started_at=5.0, ended_at=6.0, error="broke")
        assert store.run(_id(1)) == ended

    def test_a_run_that_has_grown_is_created_again(self, store: MetadataStore) -> None:
        """Its row is replaced, and what it had stays."""
        _new(store, _run(1, plan="first"), _step(1))
        _new(store, _run(1, plan="second"), _step(1, "other", position=1))
        assert store.run(_id(1)) == _run(1, plan="second")
        assert [one.name for one in store.steps([_id(1)])] == ["fit", "other"]

    def test_code_and_environment_that_are_known_are_left(self, store: MetadataStore) -> None:
        """They are addressed by their content."""
        for n, text in ((1, "first"), (2, "second")):
            store.create_run(
                _run(n), steps=[], params=[], code=[CodeRecord(_A, text)], environment=EnvironmentRecord(_A, text)
            )
        assert (store.code(_A), store.environment(_A)) == (CodeRecord(_A, "first"), EnvironmentRecord(_A, "first"))

    # --- questions ----------------------------------------------------------------------------------------------

    def test_find_cached_gives_the_newest_eight_that_succeeded(self, store: MetadataStore) -> None:
        """Newest first, with their outputs and metrics; no other key, and no other state."""
        others = [one for one in StepState if one is not StepState.SUCCEEDED]
        for n in (*range(10), *range(20, 20 + len(others)), 40):
            _new(store, _run(n))
        store.write(
            Batch(
                artifacts=[ArtifactRecord(_A, "json", "aa/a", 7, 1.0)],
                steps=[
                    *(_step(n) for n in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)),
                    *(_step(n, state=state) for n, state in enumerate(others, start=20)),
                    _step(40, cache_key=_B),
                ],
                outputs=[OutputRecord(_id(n), "fit", name, _A, "json") for n in range(9) for name in ("x", "y")],
                metrics=[MetricRecord(_id(n), "fit", "m", i, n + i / 4, 1.0) for n in range(10) for i in range(2)],
            )
        )
        found = store.find_cached(_A)
        assert [one.step for one in found] == [_step(n) for n in range(9, 1, -1)]
        assert found[0].outputs == ()
        assert {(one.name, one.address, one.size) for one in found[1].outputs} == {("x", "aa/a", 7), ("y", "aa/a", 7)}
        assert [one.value for one in found[0].metrics] == [9.0, 9.25]
        assert all(row.run == one.step.run for one in found for row in one.outputs)
        assert all(row.run == one.step.run for one in found for row in one.metrics)
        assert [one.step.run for one in store.find_cached(_B)] == [_id(40)]

    def test_find_cached_keeps_two_steps_of_one_run_apart(self, store: MetadataStore) -> None:
        """Each has its own outputs."""
        _new(store, _run(1))
        store.write(
            Batch(
                artifacts=[ArtifactRecord(_A, "json", "aa/a", 7, 1.0)],
                steps=[_step(1), _step(1, "fit_2")],
                outputs=[OutputRecord(_id(1), name, "o", _A, "json") for name in ("fit", "fit_2")],
            )
        )
        found = {one.step.name: [output.step for output in one.outputs] for one in store.find_cached(_A)}
        assert found == {"fit": ["fit"], "fit_2": ["fit_2"]}

    def test_runs_are_paged_and_filtered_newest_first_without_plans(self, store: MetadataStore) -> None:
        """Whatever order they were written in."""
        for n in (2, 0, 6, 4, 1, 3, 5):
            state = RunState.FAILED if n == 3 else RunState.SUCCEEDED
            kind = "cell" if n == 5 else "pipeline"
            _new(store, _run(n, plan="long", pipeline="training" if n % 2 else "other", state=state, kind=kind))

        def found(**query: Any) -> list[str]:
            return [one.id for one in store.runs(RunQuery(**query))]

        def ids(*numbers: int) -> list[str]:
            return [_id(n) for n in numbers]

        assert found() == found(limit=None) == ids(6, 5, 4, 3, 2, 1, 0)
        assert found(limit=3) == ids(6, 5, 4)
        assert found(limit=3, before=_id(4)) == ids(3, 2, 1)
        assert found(pipeline="training") == ids(5, 3, 1)
        assert found(states=(RunState.FAILED, RunState.RUNNING)) == ids(3)
        assert found(kind="cell") == ids(5)
        assert found(kind="pipeline", pipeline="training") == ids(3, 1)
        assert {one.plan for one in store.runs(RunQuery())} == {""}
        whole = store.run(_id(6))
        assert whole is not None
        assert whole.plan == "long"

    def test_a_run_is_found_by_the_beginning_or_end_of_its_id(self, store: MetadataStore) -> None:
        """Newest first; signs that mean something to a database mean nothing here."""
        for name in ("20261123-ab%c", "20261123-abxc", "20261124-zz_1", "20261124-zzz1", "20261125-0123"):
            _new(store, replace(_run(1), id=name))
        assert store.find_run_ids("20261124") == ["20261124-zzz1", "20261124-zz_1"]
        assert store.find_run_ids("123") == ["20261125-0123"]
        assert store.find_run_ids("b%c") == ["20261123-ab%c"]
        assert store.find_run_ids("z_1") == ["20261124-zz_1"]
        assert store.find_run_ids("2026", limit=2) == ["20261125-0123", "20261124-zzz1"]
        assert store.find_run_ids("1123-") == []

    def test_the_previous_step_is_of_the_same_pipeline_and_older(self, store: MetadataStore) -> None:
        """The newest of those."""
        for n in range(5):
            steps = [_step(n), *([_step(n, "rare")] if n == 0 else [])]
            _new(store, _run(n, pipeline="other" if n == 3 else "training"), *steps)
        assert store.previous_step("training", "fit", before=_id(4)) == _step(2)
        assert store.previous_step("training", "rare", before=_id(4)) == _step(0, "rare")
        assert store.previous_step("training", "fit", before=_id(0)) is None
        assert store.previous_step("training", "none", before=_id(4)) is None

    def test_rows_of_many_runs_come_in_their_order(self, store: MetadataStore) -> None:
        """Steps by run and position, metrics as they were logged, a step's log lines by number, all lines by time."""
        numbers = range(520)
        for n in numbers:
            _new(store, _run(n))
        store.write(
            Batch(
                steps=[_step(n, name, position=place) for n in numbers for name, place in (("a", 1), ("b", 0))],
                metrics=[MetricRecord(_id(1), s, "m", n, n, 10.0 - i) for i, s in enumerate("ab") for n in range(2)],
                logs=[
                    LogRecord(_id(1), step, n, at, "log", "")
                    for step, n, at in (("a", 0, 3.0), ("b", 0, 1.0), ("a", 1, 2.0))
                ],
            )
        )
        ids = [_id(n) for n in numbers]
        steps = store.steps(ids[::-1] + ids[:3])
        assert [(one.run, one.name) for one in steps] == [(run, name) for run in ids for name in "ba"]
        assert [(one.step, one.n) for one in store.metrics([_id(1)])] == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]
        assert [(one.step, one.n) for one in store.logs(_id(1))] == [("b", 0), ("a", 1), ("a", 0)]
        assert [one.n for one in store.logs(_id(1), "a")] == [0, 1]

    # --- what changed -------------------------------------------------------------------------------------------

    def test_every_write_to_a_run_gives_it_a_newer_revision(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """Whatever is written, and its deletion too; what touches no run changes nothing."""
        begin = other_store.changes(0)
        assert begin.runs == ()
        _new(store, _run(1), _step(1))
        _new(store, _run(2), _step(2))
        seen = other_store.changes(0)
        assert (seen.store, [(one.run, one.gone) for one in seen.runs]) == (
            begin.store,
            [(_id(1), False), (_id(2), False)],
        )
        whole = _rows_of(_id(1))
        parts = [
            Batch(runs=[RunUpdate(_id(1), RunState.FAILED, 1.0, 2.0)]),
            Batch(steps=[_step(1)]),
            Batch(params=[ParamRecord(_id(1), "", "p", "1")]),
            Batch(artifacts=whole.artifacts, outputs=whole.outputs),
            Batch(inputs=whole.inputs),
            Batch(metrics=whole.metrics),
            Batch(logs=whole.logs),
        ]
        for part in parts:
            store.write(part)
            now = other_store.changes(seen.revision)
            assert [(one.run, one.gone) for one in now.runs] == [(_id(1), False)]
            assert seen.revision < now.runs[0].revision <= now.revision
            seen = now
        store.write(Batch())
        store.write(Batch(artifacts=[ArtifactRecord(_B, "json", "bb/b", 1, 1.0)]))
        assert other_store.changes(seen.revision).runs == ()
        store.delete_runs([_id(1), "20000101-000000-000000"])
        gone = other_store.changes(seen.revision)
        assert [(one.run, one.gone) for one in gone.runs] == [(_id(1), True)]
        _new(store, _run(1))
        assert [(one.run, one.gone) for one in other_store.changes(gone.revision).runs] == [(_id(1), False)]
        assert [one.run for one in other_store.changes(0).runs] == [_id(2), _id(1)]

    def test_who_has_seen_a_revision_has_seen_all_below_it(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """While several write at once: a reader who asks for what is newer ends up with the newest of all."""
        threads, batches = 6, 12
        for number in range(threads):
            _new(store, _run(number))
        done = threading.Event()
        newest: dict[str, int] = {}

        def read() -> None:
            since = 0
            while True:
                last_look = done.is_set()
                now = other_store.changes(since)
                assert all(one.revision > since for one in now.runs)
                for one in now.runs:
                    newest[one.run] = len(store.metrics([one.run]))
                since = now.revision
                if last_look:
                    return

        def work(number: int) -> None:
            for n in range(batches):
                mine = (store, other_store)[number % 2]
                mine.write(Batch(metrics=[MetricRecord(_id(number), "fit", "m", n, 1.0, 1.0)]))

        with ThreadPoolExecutor(threads + 1) as pool:
            reader = pool.submit(read)
            for one in [pool.submit(work, number) for number in range(threads)]:
                one.result()
            done.set()
            reader.result()
        assert newest == {_id(number): batches for number in range(threads)}

    def test_bare_rows_are_what_the_records_hold(self, store: MetadataStore) -> None:
        """Of every kind, in the order of the fields; states as their texts, and without plans."""
        for n in (1, 2, 3):
            store.create_run(
                _run(n, plan="long"),
                steps=[_step(n, notes=("one", _TEXT))],
                params=[ParamRecord(_id(n), "", "p", "1")],
                code=[],
                environment=None,
            )
            store.write(_rows_of(_id(n)))
        store.put_marks([MarkRecord(_id(1), "tag", "good", 1.0)])
        wanted = [_id(1), _id(3)]
        assert sorted(tuple(row) for row in store.rows(RunRecord, wanted)) == [
            tuple(getattr(replace(_run(n), plan=""), one.name) for one in dataclasses.fields(RunRecord)) for n in (1, 3)
        ]
        for record, question in (
            (OutputRecord, store.outputs),
            (InputRecord, store.inputs),
            (ParamRecord, store.params),
            (MetricRecord, store.metrics),
            (MarkRecord, store.marks),
        ):
            assert {record(*row) for row in store.rows(record, wanted)} == {*question(wanted)}
        assert {LogRecord(*row) for row in store.rows(LogRecord, wanted)} == {*store.logs(_id(1)), *store.logs(_id(3))}
        assert {(row[0], row[1], str(row[3])) for row in store.rows(StepRecord, wanted)} == {
            (run, "fit", "succeeded") for run in wanted
        }
        assert store.rows(MetricRecord, []) == []

    def test_tags_notes_and_stars_are_put_replaced_and_taken_off(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """Each write is a change of the run, and a deleted run keeps none."""
        _new(store, _run(1))
        _new(store, _run(2))
        tag, note = MarkRecord(_id(1), "tag", "größer 🚀", 1.5), MarkRecord(_id(1), "note", "", 1.0, "old")
        store.put_marks([tag, note, MarkRecord(_id(2), "star", "", 2.0)])
        store.put_marks([replace(note, text=_TEXT)])
        assert other_store.marks([_id(1)]) == [replace(note, text=_TEXT), tag]
        before = store.changes(0).revision
        store.drop_marks([note, replace(note, name="never there")])
        assert [one.run for one in store.changes(before).runs] == [_id(1)]
        assert other_store.marks([_id(2), _id(1)]) == [tag, MarkRecord(_id(2), "star", "", 2.0)]
        store.delete_runs([_id(1)])
        assert other_store.marks([_id(1)]) == []

    # --- several at once ----------------------------------------------------------------------------------------

    def test_threads_write_at_once_and_no_row_is_lost(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """Of one run and of several, through two connections."""
        threads, batches = 8, 10
        together = threading.Barrier(threads)
        _new(store, _run(0))

        def work(number: int) -> None:
            mine = (store, other_store)[number % 2]
            together.wait()
            _new(mine, _run(number + 1), _step(number + 1))
            for n in range(batches):
                metric = MetricRecord(_id(0), f"step-{number}", "m", n, n, float(n))
                log = LogRecord(_id(number + 1), "fit", n, float(n), "stdout", "x")
                artifact = ArtifactRecord(_A, "json", "aa/a", 1, 1.0)  # the same one for all
                mine.write(
                    Batch(steps=[_step(number + 1, attempt=n)], artifacts=[artifact], metrics=[metric], logs=[log])
                )

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work, number) for number in range(threads)]:
                done.result()
        assert len(store.runs(RunQuery(limit=None))) == threads + 1
        assert len(store.metrics([_id(0)])) == threads * batches
        for number in range(threads):
            assert [one.n for one in store.logs(_id(number + 1))] == [*range(batches)]
            assert store.steps([_id(number + 1)])[0].attempt == batches - 1

    def test_what_one_wrote_another_reads_at_once(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """A write that has returned is there for all, also for one that has read before."""
        assert other_store.runs(RunQuery()) == []
        _new(store, _run(1))
        assert [one.id for one in other_store.runs(RunQuery())] == [_id(1)]
        other_store.write(Batch(runs=[RunUpdate(_id(1), RunState.CANCELLED, 1.0, 2.0)]))
        ended = store.run(_id(1))
        assert ended is not None
        assert ended.state is RunState.CANCELLED

    # --- housekeeping -------------------------------------------------------------------------------------------

    def test_a_deleted_run_is_gone_with_all_that_only_it_has(self, store: MetadataStore) -> None:
        """Other runs, artifacts, code and environments stay; an id that is not there is no error."""
        for n in (1, 2):
            store.create_run(
                _run(n),
                steps=[_step(n)],
                params=[ParamRecord(_id(n), "", "p", "1")],
                code=[CodeRecord(_A, "x")],
                environment=EnvironmentRecord(_B, "y"),
            )
            store.write(_rows_of(_id(n)))
        store.delete_runs([_id(1), "20000101-000000-000000"])
        store.delete_runs([])
        assert store.run(_id(1)) is None
        assert [one.id for one in store.runs(RunQuery())] == [_id(2)]
        of_a_run = (store.steps, store.outputs, store.inputs, store.params, store.metrics)
        assert [rows([_id(1)]) for rows in of_a_run] == [[]] * 5
        assert [len(rows([_id(2)])) for rows in of_a_run] == [1] * 5
        assert (store.logs(_id(1)), len(store.logs(_id(2)))) == ([], 1)
        assert [one.step.run for one in store.find_cached(_A)] == [_id(2)]
        assert (store.code(_A), store.environment(_B)) == (CodeRecord(_A, "x"), EnvironmentRecord(_B, "y"))
        assert store.address_of(_A, "json") == "aa/a"

    def test_artifacts_that_no_run_refers_to_are_found_and_forgotten(self, store: MetadataStore) -> None:
        """Made or read counts, the format counts, and what is younger than the time does not."""
        rows = [
            ArtifactRecord(digest, kind, f"{digest[:2]}/{digest[2:]}.{kind}", 1, at)
            for digest, kind, at in ((_A, "json", 1.0), (_A, "text", 1.0), (_B, "json", 1.0), (_C, "json", 9.0))
        ]
        made, unused, read, young = rows
        _new(store, _run(1), _step(1))
        store.write(
            Batch(
                artifacts=rows,
                outputs=[OutputRecord(_id(1), "fit", "o", _A, "json")],
                inputs=[InputRecord(_id(1), "fit", "x", "", "x", _B, "json")],
            )
        )
        assert store.unreferenced(before=5.0) == [unused]
        assert {one.digest for one in store.unreferenced(before=10.0)} == {_A, _C}
        assert store.forget_artifacts(rows[:3]) == [unused]
        assert [store.address_of(one.digest, one.format) for one in rows] == [
            *(made.address, None, read.address, young.address)
        ]
        assert store.forget_artifacts([]) == []
        store.delete_runs([_id(1)])
        assert {(one.digest, one.format) for one in store.unreferenced(before=5.0)} == {(_A, "json"), (_B, "json")}
        assert store.forget_artifacts([made, read]) == [made, read]
        assert store.unreferenced(before=5.0) == []

    # --- for people ---------------------------------------------------------------------------------------------

    def test_it_describes_itself_and_can_be_checked(self, store: MetadataStore) -> None:
        """Each in one line."""
        for line in (store.describe(), store.check()):
            assert line.strip()
            assert line.isprintable()

    def test_it_can_be_closed_twice(self, store: MetadataStore) -> None:
        """And before it was used."""
        store.close()
        store.close()


def _id(n: int) -> str:
    return f"20261123-000000-{n:06d}"


def _run(n: int, **changes: Any) -> RunRecord:
    return replace(RunRecord(_id(n), "training", "local", RunState.SUCCEEDED, 1000.5 + n), **changes)


def _step(n: int, name: str = "fit", **changes: Any) -> StepRecord:
    return replace(StepRecord(_id(n), name, 0, StepState.SUCCEEDED, cache_key=_A), **changes)


def _new(store: MetadataStore, run: RunRecord, *steps: StepRecord) -> None:
    store.create_run(run, steps=steps, params=[], code=[], environment=None)


def _rows_of(run: str) -> Batch:
    return Batch(
        artifacts=[ArtifactRecord(_A, "json", "aa/a", 1, 1.0)],
        outputs=[OutputRecord(run, "fit", "o", _A, "json")],
        inputs=[InputRecord(run, "fit", "x", "", "x", _A, "json")],
        metrics=[MetricRecord(run, "fit", "m", 0, 1.0, 1.0)],
        logs=[LogRecord(run, "fit", 0, 1.0, "log", "text")],
    )
