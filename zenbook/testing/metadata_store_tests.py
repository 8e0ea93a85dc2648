"""The conformance tests of metadata stores."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zenbook.core.states import RunState
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
    RunUpdate,
)
from zenbook.testing.metadata_reading_tests import ReadingTests
from zenbook.testing.metadata_writing_tests import WritingTests
from zenbook.testing.sample_records import (
    A,
    B,
    C,
    a_run,
    a_step,
    id_of,
    new,
    rows_of,
)


class MetadataStoreTests(WritingTests, ReadingTests):
    """Tests of a metadata store. The class that inherits has a fixture ``store``, which gives an empty store.

    A fixture ``other_store`` may give a second connection to the same store, as another process has it; by default it
    is the store itself.
    """

    @pytest.fixture
    def store(self) -> Any:
        """An empty store. The class that inherits overrides this fixture."""
        raise NotImplementedError("Define the fixture `store`: it returns an empty metadata store of yours.")

    @pytest.fixture
    def other_store(self, store: MetadataStore) -> Any:
        """The same store as another process sees it."""
        return store

    # --- several threads -----------------------------------------------------------------------------------------

    def test_threads_write_at_once_and_no_row_is_lost(self, store: MetadataStore, other_store: MetadataStore) -> None:
        """They write to one run and to several, through two connections."""
        threads, batches = 8, 10
        barrier = threading.Barrier(threads)
        new(store, a_run(0))

        def work(number: int) -> None:
            connection = (store, other_store)[number % 2]
            barrier.wait()
            new(connection, a_run(number + 1), a_step(number + 1))
            for n in range(batches):
                metric = MetricRecord(id_of(0), f"step-{number}", "m", n, n, float(n))
                log = LogRecord(id_of(number + 1), "fit", n, float(n), "stdout", "x")
                artifact = ArtifactRecord(A, "json", "aa/a", 1, 1.0)  # the same in all threads
                connection.write(
                    Batch(steps=[a_step(number + 1, attempt=n)], artifacts=[artifact], metrics=[metric], logs=[log])
                )

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work, number) for number in range(threads)]:
                done.result()
        assert len(store.runs(RunQuery(limit=None))) == threads + 1
        assert len(store.metrics([id_of(0)])) == threads * batches
        for number in range(threads):
            assert [line.n for line in store.logs(id_of(number + 1))] == [*range(batches)]
            assert store.steps([id_of(number + 1)])[0].attempt == batches - 1

    def test_what_one_connection_wrote_another_reads_at_once(
        self, store: MetadataStore, other_store: MetadataStore
    ) -> None:
        """After a write has returned all connections see it, also those that have read before."""
        assert other_store.runs(RunQuery()) == []
        new(store, a_run(1))
        assert [run.id for run in other_store.runs(RunQuery())] == [id_of(1)]
        other_store.write(Batch(runs=[RunUpdate(id_of(1), RunState.CANCELLED, 1.0, 2.0)]))
        ended = store.run(id_of(1))
        assert ended is not None
        assert ended.state is RunState.CANCELLED

    # --- deleting ------------------------------------------------------------------------------------------------

    def test_a_deleted_run_is_gone_with_all_that_only_it_has(self, store: MetadataStore) -> None:
        """Other runs, artifacts, code and environments stay. Unknown ids are ignored."""
        for n in (1, 2):
            store.create_run(
                a_run(n),
                steps=[a_step(n)],
                params=[ParamRecord(id_of(n), "", "p", "1")],
                code=[CodeRecord(A, "x")],
                environment=EnvironmentRecord(B, "y"),
            )
            store.write(rows_of(id_of(n)))
        store.delete_runs([id_of(1), "20000101-000000-000000"])
        store.delete_runs([])
        assert store.run(id_of(1)) is None
        assert [run.id for run in store.runs(RunQuery())] == [id_of(2)]
        of_a_run = (store.steps, store.outputs, store.inputs, store.params, store.metrics)
        assert [rows([id_of(1)]) for rows in of_a_run] == [[]] * 5
        assert [len(rows([id_of(2)])) for rows in of_a_run] == [1] * 5
        assert (store.logs(id_of(1)), len(store.logs(id_of(2)))) == ([], 1)
        assert [hit.step.run for hit in store.find_cached(A)] == [id_of(2)]
        assert (store.code(A), store.environment(B)) == (
            CodeRecord(A, "x"),
            EnvironmentRecord(B, "y"),
        )
        assert store.address_of(A, "json") == "aa/a"

    def test_artifacts_that_no_run_uses_are_found_and_deleted(self, store: MetadataStore) -> None:
        """Outputs and inputs use artifacts, by their formats. Artifacts that are too new are left out."""
        rows = [
            ArtifactRecord(digest, kind, f"{digest[:2]}/{digest[2:]}.{kind}", 1, at)
            for digest, kind, at in (
                (A, "json", 1.0),
                (A, "text", 1.0),
                (B, "json", 1.0),
                (C, "json", 9.0),
            )
        ]
        created, unused, read, new_artifact = rows
        new(store, a_run(1), a_step(1))
        store.write(
            Batch(
                artifacts=rows,
                outputs=[OutputRecord(id_of(1), "fit", "o", A, "json")],
                inputs=[InputRecord(id_of(1), "fit", "x", "", "x", B, "json")],
            )
        )
        assert store.unreferenced(before=5.0) == [unused]
        assert {artifact.digest for artifact in store.unreferenced(before=10.0)} == {A, C}
        assert store.forget_artifacts(rows[:3]) == [unused]
        assert [store.address_of(artifact.digest, artifact.format) for artifact in rows] == [
            *(created.address, None, read.address, new_artifact.address)
        ]
        assert store.forget_artifacts([]) == []
        store.delete_runs([id_of(1)])
        assert {(artifact.digest, artifact.format) for artifact in store.unreferenced(before=5.0)} == {
            (A, "json"),
            (B, "json"),
        }
        assert store.forget_artifacts([created, read]) == [created, read]
        assert store.unreferenced(before=5.0) == []

    # --- texts for people ----------------------------------------------------------------------------------------

    def test_it_describes_itself_and_can_be_checked(self, store: MetadataStore) -> None:
        """Both texts are one line."""
        for line in (store.describe(), store.check()):
            assert line.strip()
            assert line.isprintable()

    def test_it_can_be_closed_twice(self, store: MetadataStore) -> None:
        """It can also be closed before it was used."""
        store.close()
        store.close()
