"""The conformance tests of metadata stores: reading."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from zenbook.core.states import RunState, StepState
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
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
from zenbook.testing.sample_records import TEXT, A, B, a_run, a_step, id_of, new, rows_of


class ReadingTests:
    """Rows come in their order, and all changes are reported."""

    # --- queries -------------------------------------------------------------------------------------------------

    def test_find_cached_gives_the_newest_eight_that_succeeded(self, store: MetadataStore) -> None:
        """The newest is the first, with its outputs and metrics. Other keys and other states are left out."""
        others = [state for state in StepState if state is not StepState.SUCCEEDED]
        for n in (*range(10), *range(20, 20 + len(others)), 40):
            new(store, a_run(n))
        store.write(
            Batch(
                artifacts=[ArtifactRecord(A, "json", "aa/a", 7, 1.0)],
                steps=[
                    *(a_step(n) for n in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)),
                    *(a_step(n, state=state) for n, state in enumerate(others, start=20)),
                    a_step(40, cache_key=B),
                ],
                outputs=[OutputRecord(id_of(n), "fit", name, A, "json") for n in range(9) for name in ("x", "y")],
                metrics=[MetricRecord(id_of(n), "fit", "m", i, n + i / 4, 1.0) for n in range(10) for i in range(2)],
            )
        )
        hits = store.find_cached(A)
        assert [hit.step for hit in hits] == [a_step(n) for n in range(9, 1, -1)]
        assert hits[0].outputs == ()
        assert {(hit.name, hit.address, hit.size) for hit in hits[1].outputs} == {("x", "aa/a", 7), ("y", "aa/a", 7)}
        assert [hit.value for hit in hits[0].metrics] == [9.0, 9.25]
        assert all(row.run == hit.step.run for hit in hits for row in hit.outputs)
        assert all(row.run == hit.step.run for hit in hits for row in hit.metrics)
        assert [hit.step.run for hit in store.find_cached(B)] == [id_of(40)]

    def test_find_cached_keeps_two_steps_of_one_run_apart(self, store: MetadataStore) -> None:
        """Each step has its own outputs."""
        new(store, a_run(1))
        store.write(
            Batch(
                artifacts=[ArtifactRecord(A, "json", "aa/a", 7, 1.0)],
                steps=[a_step(1), a_step(1, "fit_2")],
                outputs=[OutputRecord(id_of(1), name, "o", A, "json") for name in ("fit", "fit_2")],
            )
        )
        outputs = {hit.step.name: [output.step for output in hit.outputs] for hit in store.find_cached(A)}
        assert outputs == {"fit": ["fit"], "fit_2": ["fit_2"]}

    def test_runs_are_paged_and_filtered_newest_first_without_plans(self, store: MetadataStore) -> None:
        """The order in which they were written does not matter."""
        for n in (2, 0, 6, 4, 1, 3, 5):
            state = RunState.FAILED if n == 3 else RunState.SUCCEEDED
            kind = "cell" if n == 5 else "pipeline"
            new(store, a_run(n, plan="long", pipeline="training" if n % 2 else "other", state=state, kind=kind))

        def query_ids(**query: Any) -> list[str]:
            return [run.id for run in store.runs(RunQuery(**query))]

        def ids(*numbers: int) -> list[str]:
            return [id_of(n) for n in numbers]

        assert query_ids() == query_ids(limit=None) == ids(6, 5, 4, 3, 2, 1, 0)
        assert query_ids(limit=3) == ids(6, 5, 4)
        assert query_ids(limit=3, before=id_of(4)) == ids(3, 2, 1)
        assert query_ids(pipeline="training") == ids(5, 3, 1)
        assert query_ids(states=(RunState.FAILED, RunState.RUNNING)) == ids(3)
        assert query_ids(kind="cell") == ids(5)
        assert query_ids(kind="pipeline", pipeline="training") == ids(3, 1)
        assert {run.plan for run in store.runs(RunQuery())} == {""}
        whole = store.run(id_of(6))
        assert whole is not None
        assert whole.plan == "long"

    def test_a_run_is_found_by_the_beginning_or_end_of_its_id(self, store: MetadataStore) -> None:
        """The newest is the first. Wildcards of SQL are ordinary characters."""
        for name in ("20261123-ab%c", "20261123-abxc", "20261124-zz_1", "20261124-zzz1", "20261125-0123"):
            new(store, replace(a_run(1), id=name))
        assert store.find_run_ids("20261124") == ["20261124-zzz1", "20261124-zz_1"]
        assert store.find_run_ids("123") == ["20261125-0123"]
        assert store.find_run_ids("b%c") == ["20261123-ab%c"]
        assert store.find_run_ids("z_1") == ["20261124-zz_1"]
        assert store.find_run_ids("2026", limit=2) == ["20261125-0123", "20261124-zzz1"]
        assert store.find_run_ids("1123-") == []

    def test_the_previous_step_is_of_the_same_pipeline_and_older(self, store: MetadataStore) -> None:
        """It is the newest of those steps."""
        for n in range(5):
            steps = [a_step(n), *([a_step(n, "rare")] if n == 0 else [])]
            new(store, a_run(n, pipeline="other" if n == 3 else "training"), *steps)
        assert store.previous_step("training", "fit", before=id_of(4)) == a_step(2)
        assert store.previous_step("training", "rare", before=id_of(4)) == a_step(0, "rare")
        assert store.previous_step("training", "fit", before=id_of(0)) is None
        assert store.previous_step("training", "none", before=id_of(4)) is None

    def test_rows_of_many_runs_come_in_their_order(self, store: MetadataStore) -> None:
        """Steps are sorted by run and position, metrics by time, a step's log lines by number, all lines by time."""
        numbers = range(520)
        for n in numbers:
            new(store, a_run(n))
        store.write(
            Batch(
                steps=[a_step(n, name, position=place) for n in numbers for name, place in (("a", 1), ("b", 0))],
                metrics=[MetricRecord(id_of(1), s, "m", n, n, 10.0 - i) for i, s in enumerate("ab") for n in range(2)],
                logs=[
                    LogRecord(id_of(1), step, n, at, "log", "")
                    for step, n, at in (("a", 0, 3.0), ("b", 0, 1.0), ("a", 1, 2.0))
                ],
            )
        )
        ids = [id_of(n) for n in numbers]
        steps = store.steps(ids[::-1] + ids[:3])
        assert [(step.run, step.name) for step in steps] == [(run, name) for run in ids for name in "ba"]
        assert [(metric.step, metric.n) for metric in store.metrics([id_of(1)])] == [
            ("b", 0),
            ("b", 1),
            ("a", 0),
            ("a", 1),
        ]
        assert [(line.step, line.n) for line in store.logs(id_of(1))] == [("b", 0), ("a", 1), ("a", 0)]
        assert [line.n for line in store.logs(id_of(1), "a")] == [0, 1]

    # --- changes -------------------------------------------------------------------------------------------------

    def test_every_write_to_a_run_gives_it_a_newer_revision(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """All rows and a deletion do that; a write that concerns no run does not."""
        begin = other_store.changes(0)
        assert begin.runs == ()
        new(store, a_run(1), a_step(1))
        new(store, a_run(2), a_step(2))
        seen = other_store.changes(0)
        assert (seen.store, [(change.run, change.gone) for change in seen.runs]) == (
            begin.store,
            [(id_of(1), False), (id_of(2), False)],
        )
        whole = rows_of(id_of(1))
        parts = [
            Batch(runs=[RunUpdate(id_of(1), RunState.FAILED, 1.0, 2.0)]),
            Batch(steps=[a_step(1)]),
            Batch(params=[ParamRecord(id_of(1), "", "p", "1")]),
            Batch(artifacts=whole.artifacts, outputs=whole.outputs),
            Batch(inputs=whole.inputs),
            Batch(metrics=whole.metrics),
            Batch(logs=whole.logs),
        ]
        for part in parts:
            store.write(part)
            now = other_store.changes(seen.revision)
            assert [(change.run, change.gone) for change in now.runs] == [(id_of(1), False)]
            assert seen.revision < now.runs[0].revision <= now.revision
            seen = now
        store.write(Batch())
        store.write(Batch(artifacts=[ArtifactRecord(B, "json", "bb/b", 1, 1.0)]))
        assert other_store.changes(seen.revision).runs == ()
        store.delete_runs([id_of(1), "20000101-000000-000000"])
        gone = other_store.changes(seen.revision)
        assert [(change.run, change.gone) for change in gone.runs] == [(id_of(1), True)]
        new(store, a_run(1))
        assert [(change.run, change.gone) for change in other_store.changes(gone.revision).runs] == [(id_of(1), False)]
        assert [change.run for change in other_store.changes(0).runs] == [id_of(2), id_of(1)]

    def test_no_change_gets_a_revision_below_one_that_was_seen(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """While several threads write, a reader that asks for what is newer gets every change."""
        threads, batches = 6, 12
        for number in range(threads):
            new(store, a_run(number))
        done = threading.Event()
        newest: dict[str, int] = {}

        def read() -> None:
            since = 0
            while True:
                is_last = done.is_set()
                now = other_store.changes(since)
                assert all(change.revision > since for change in now.runs)
                for change in now.runs:
                    newest[change.run] = len(store.metrics([change.run]))
                since = now.revision
                if is_last:
                    return

        def work(number: int) -> None:
            for n in range(batches):
                connection = (store, other_store)[number % 2]
                connection.write(Batch(metrics=[MetricRecord(id_of(number), "fit", "m", n, 1.0, 1.0)]))

        with ThreadPoolExecutor(threads + 1) as pool:
            reader = pool.submit(read)
            for writer in [pool.submit(work, number) for number in range(threads)]:
                writer.result()
            done.set()
            reader.result()
        assert newest == {id_of(number): batches for number in range(threads)}

    def test_bare_rows_have_the_fields_of_the_records(self, store: MetadataStore) -> None:
        """Rows of every kind have the fields in their order. States are texts, and plans are left out."""
        for n in (1, 2, 3):
            store.create_run(
                a_run(n, plan="long"),
                steps=[a_step(n, notes=("one", TEXT))],
                params=[ParamRecord(id_of(n), "", "p", "1")],
                code=[],
                environment=None,
            )
            store.write(rows_of(id_of(n)))
        store.put_marks([MarkRecord(id_of(1), "tag", "good", 1.0)])
        ids = [id_of(1), id_of(3)]
        assert sorted(tuple(row) for row in store.rows(RunRecord, ids)) == [
            tuple(getattr(replace(a_run(n), plan=""), field.name) for field in dataclasses.fields(RunRecord))
            for n in (1, 3)
        ]
        for record, read in (
            (OutputRecord, store.outputs),
            (InputRecord, store.inputs),
            (ParamRecord, store.params),
            (MetricRecord, store.metrics),
            (MarkRecord, store.marks),
        ):
            assert {record(*row) for row in store.rows(record, ids)} == {*read(ids)}
        assert {LogRecord(*row) for row in store.rows(LogRecord, ids)} == {
            *store.logs(id_of(1)),
            *store.logs(id_of(3)),
        }
        assert {(row[0], row[1], str(row[3])) for row in store.rows(StepRecord, ids)} == {
            (run, "fit", "succeeded") for run in ids
        }
        assert store.rows(MetricRecord, []) == []

    def test_tags_notes_and_stars_are_added_replaced_and_removed(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """Each write is a change of the run. They are deleted with the run."""
        new(store, a_run(1))
        new(store, a_run(2))
        tag, note = MarkRecord(id_of(1), "tag", "größer 🚀", 1.5), MarkRecord(id_of(1), "note", "", 1.0, "old")
        store.put_marks([tag, note, MarkRecord(id_of(2), "star", "", 2.0)])
        store.put_marks([replace(note, text=TEXT)])
        assert other_store.marks([id_of(1)]) == [replace(note, text=TEXT), tag]
        before = store.changes(0).revision
        store.drop_marks([note, replace(note, name="never there")])
        assert [change.run for change in store.changes(before).runs] == [id_of(1)]
        assert other_store.marks([id_of(2), id_of(1)]) == [tag, MarkRecord(id_of(2), "star", "", 2.0)]
        store.delete_runs([id_of(1)])
        assert other_store.marks([id_of(1)]) == []
