"""A component that breaks a promise fails the conformance test of that promise."""

from __future__ import annotations

import hashlib
import inspect
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import pytest

from zenbook.artifact_stores.local_files import LocalArtifactStore
from zenbook.core.events import Event, Listener, Listeners, StepFinished
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.engine.run_context import RunContext
from zenbook.engine.steps.step_runner import run_step
from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.metadata_stores.sql_store.sqlite_database import SqliteDatabase
from zenbook.orchestrators.local import LocalOrchestrator
from zenbook.stack.artifact_store import StoredBytes, StoredFile
from zenbook.stack.orchestrator import Stores
from zenbook.stack.records import ArtifactRecord, Batch, CachedStep, MetricRecord, OutputRecord, RunQuery, RunRecord
from zenbook.stack.stack import OpenStack
from zenbook.testing import ArtifactStoreTests, MetadataStoreTests, OrchestratorTests
from zenbook.testing.orchestrator_tests import RecordingListener

FAILS = (Exception, pytest.fail.Exception)  # whatever makes a test red


# --- artifact stores --------------------------------------------------------------------------------------------------


class KeepsHalf(LocalArtifactStore):
    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        buffer = BytesIO()
        try:
            write(buffer)
        finally:
            stored = super().put_bytes(buffer.getvalue(), suffix=suffix)
        return stored


class HidesTheWritersError(LocalArtifactStore):
    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        try:
            return super().put(write, suffix=suffix)
        except Exception as error:
            raise StoreError("The store failed.") from error


class HashesOtherwise(LocalArtifactStore):
    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        return replace(super().put_bytes(data, suffix=suffix), digest=hashlib.sha256(data).hexdigest())


class StoresEachTime(LocalArtifactStore):
    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        stored = super().put_bytes(data, suffix=suffix)
        other = f"{stored.address}.{random.randrange(10**9)}"
        Path(self.uri(stored.address)).rename(self.uri(other))
        return replace(stored, address=other)


class MissesInItsOwnWords(LocalArtifactStore):
    def local_path(self, address: str) -> Path:
        return Path(self.uri(address)).resolve(strict=True)


class ListsAsItComes(LocalArtifactStore):
    def listing(self) -> Iterator[StoredFile]:
        return iter([*super().listing()][::-1])


class ListsWhatIsHalfWritten(LocalArtifactStore):
    def listing(self) -> Iterator[StoredFile]:
        yield from super().listing()
        for one in Path(self._tmp).glob("*"):
            yield StoredFile(one.name, one.stat().st_size, one.stat().st_mtime)


class LeavesItsProbe(LocalArtifactStore):
    def check(self) -> str:
        self.put_bytes(os.urandom(8), suffix=".txt")
        return "fine"


class FailsToDeleteTwice(LocalArtifactStore):
    def delete(self, address: str) -> None:
        Path(self.uri(address)).unlink()


class ServesWhatWasDeleted(LocalArtifactStore):
    """As one does that trusts its copies on this machine."""

    def local_path(self, address: str) -> Path:
        copy = Path(self._root + "-copies") / address.replace("/", "-")
        with suppress(Exception):
            path = super().local_path(address)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
        return copy if copy.exists() else super().local_path(address)


@pytest.mark.parametrize(
    ("broken", "test", "values"),
    [
        (KeepsHalf, "test_a_writer_that_fails_leaves_nothing", {"error": ValueError("mine"), "size": 1}),
        (HidesTheWritersError, "test_a_writer_that_fails_leaves_nothing", {"error": ValueError("mine"), "size": 1}),
        (HashesOtherwise, "test_bytes_come_back", {"data": b"x"}),
        (StoresEachTime, "test_the_same_bytes_are_stored_once", {}),
        (MissesInItsOwnWords, "test_what_was_deleted_is_missing", {}),
        (ListsAsItComes, "test_a_listing_has_all_artifacts_sorted_by_address", {}),
        (ListsWhatIsHalfWritten, "test_an_unfinished_artifact_is_invisible", {}),
        (LeavesItsProbe, "test_check_leaves_nothing", {}),
        (FailsToDeleteTwice, "test_what_was_deleted_is_missing", {}),
        (ServesWhatWasDeleted, "test_what_was_deleted_is_missing", {}),
    ],
)
def test_a_broken_artifact_store_is_caught(
    broken: type[LocalArtifactStore], test: str, values: dict[str, Any], tmp_path: Path
) -> None:
    promise = getattr(ArtifactStoreTests(), test)
    promise(store=LocalArtifactStore(tmp_path / "sound"), **values)
    with pytest.raises(FAILS):
        promise(store=broken(tmp_path / "broken"), **values)


# --- metadata stores --------------------------------------------------------------------------------------------------


class SqliteStore(SqlMetadataStore):
    def __init__(self, path: Path) -> None:
        super().__init__(SqliteDatabase(path))


class WritesInParts(SqliteStore):
    def write(self, batch: Batch) -> None:
        super().write(Batch(runs=batch.runs, steps=batch.steps))
        super().write(replace(batch, runs=[], steps=[]))


class ServesTheOldest(SqliteStore):
    def find_cached(self, cache_key: str) -> list[CachedStep]:
        return super().find_cached(cache_key)[::-1]


class ServesWhatFailed(SqliteStore):
    def write(self, batch: Batch) -> None:
        steps = [replace(one, state=StepState.SUCCEEDED) for one in batch.steps]
        super().write(replace(batch, steps=steps))


class CountsNanAsZero(SqliteStore):
    def metrics(self, run_ids: Sequence[str]) -> list[MetricRecord]:
        return [replace(one, value=0.0) if one.value != one.value else one for one in super().metrics(run_ids)]


class TakesNamesForAlike(SqliteStore):
    """As MySQL does with its default collation."""

    def write(self, batch: Batch) -> None:
        alike = {(one.run, one.step, one.name.casefold()): one for one in batch.outputs}
        super().write(replace(batch, outputs=[*alike.values()]))


class CutsLongTexts(SqliteStore):
    """As MySQL's TEXT does outside of its strict mode."""

    def write(self, batch: Batch) -> None:
        super().write(replace(batch, logs=[replace(one, text=one.text[:65535]) for one in batch.logs]))


class ListsPlans(SqliteStore):
    def runs(self, query: RunQuery) -> list[RunRecord]:
        return [one for listed in super().runs(query) if (one := self.run(listed.id))]


class ForgetsReaders(SqliteStore):
    def unreferenced(self, *, before: float) -> list[ArtifactRecord]:
        everything = super().unreferenced(before=before)
        return [*everything, ArtifactRecord("b" * 64, "json", f"bb/{'b' * 62}.json", 1, 1.0)]


class LeavesOutputs(SqliteStore):
    def delete_runs(self, run_ids: Sequence[str]) -> None:
        kept = self.outputs(run_ids)
        super().delete_runs(run_ids)
        self.write(Batch(outputs=kept))


class WritesLater(SqliteStore):
    late: Batch = Batch()

    def write(self, batch: Batch) -> None:
        super().write(self.late)
        self.late = batch


class AppendsAnew(SqliteStore):
    """As one with keys of its own does, when a batch is written again."""

    def write(self, batch: Batch) -> None:
        logs = [replace(one, n=one.n + len(self.logs(one.run, one.step))) for one in batch.logs]
        super().write(replace(batch, logs=logs))


class WritesUnseen(SqliteStore):
    """As one that marks changes in a transaction of their own would, when it dies in between."""

    def write(self, batch: Batch) -> None:
        quiet = Batch(logs=batch.logs)
        super().write(replace(batch, logs=[]))
        self._database.write([(self._writers.logs, quiet.logs)])


class MixesOutputsUp(SqliteStore):
    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        return super().outputs(run_ids)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (WritesInParts, "test_a_batch_is_written_completely_or_not_at_all"),
        (ServesTheOldest, "test_find_cached_gives_the_newest_eight_that_succeeded"),
        (ServesWhatFailed, "test_find_cached_gives_the_newest_eight_that_succeeded"),
        (CountsNanAsZero, "test_numbers_come_back_to_the_last_bit"),
        (TakesNamesForAlike, "test_names_of_every_length_are_different"),
        (CutsLongTexts, "test_long_texts_are_not_cut"),
        (ListsPlans, "test_runs_are_paged_and_filtered_newest_first_without_plans"),
        (ForgetsReaders, "test_artifacts_that_no_run_uses_are_found_and_deleted"),
        (LeavesOutputs, "test_a_deleted_run_is_gone_with_all_that_only_it_has"),
        (WritesLater, "test_what_one_connection_wrote_another_reads_at_once"),
        (AppendsAnew, "test_a_batch_may_be_written_again"),
        (WritesUnseen, "test_every_write_to_a_run_gives_it_a_newer_revision"),
        (MixesOutputsUp, "test_every_field_of_every_record_comes_back"),
    ],
)
def test_a_broken_metadata_store_is_caught(broken: type[SqliteStore], test: str, tmp_path: Path) -> None:
    promise = getattr(MetadataStoreTests(), test)
    _keeps(promise, SqliteStore(tmp_path / "sound.sqlite"))
    with pytest.raises(FAILS):
        _keeps(promise, broken(SqliteDatabase(tmp_path / "broken.sqlite")))


def _keeps(promise: Callable[..., None], store: SqlMetadataStore) -> None:
    both = {"store": store, "other_store": store}
    try:
        promise(**{name: both[name] for name in inspect.signature(promise).parameters})
    finally:
        store.close()


# --- orchestrators ----------------------------------------------------------------------------------------------------


class Swallows(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        with suppress(BaseException):
            super().execute(plan, run_id, stack, listener, use_cache=use_cache)


class AlwaysUsesTheCache(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        super().execute(plan, run_id, stack, listener, use_cache=True)


class NeverUsesTheCache(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        super().execute(plan, run_id, stack, listener, use_cache=False)


class TellsNobody(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        super().execute(plan, run_id, stack, Listeners(()), use_cache=use_cache)


class TellsEndsTwice(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        class Twice:
            def on_event(self, event: Event) -> None:
                for _ in range(2 if isinstance(event, StepFinished) else 1):
                    listener.on_event(event)

        super().execute(plan, run_id, stack, Twice(), use_cache=use_cache)


class ForgetsTheRest(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        with RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context:
            for node in plan.graph:
                run_step(context, node)


class GoesOnAfterAFailure(LocalOrchestrator):
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        failed: list[Exception] = []
        with RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context:
            for node in plan.graph:
                try:
                    run_step(context, node)
                except Exception as error:
                    failed.append(error)
        if failed:
            raise failed[0]


class TestBrokenOrchestrators:
    stack = OrchestratorTests.stack
    sample = OrchestratorTests.sample
    listener = OrchestratorTests.listener

    @pytest.fixture
    def orchestrator(self, request: pytest.FixtureRequest) -> LocalOrchestrator:
        return request.param()

    @pytest.mark.parametrize(
        ("orchestrator", "test"),
        [
            (Swallows, "test_a_step_that_fails_ends_the_run"),
            (Swallows, "test_an_interrupt_cancels_the_run"),
            (AlwaysUsesTheCache, "test_without_the_cache_every_step_runs"),
            (NeverUsesTheCache, "test_unchanged_steps_come_from_the_cache"),
            (TellsNobody, "test_the_listener_gets_the_events_that_are_recorded"),
            (TellsEndsTwice, "test_the_listener_gets_the_events_that_are_recorded"),
            (ForgetsTheRest, "test_a_step_that_fails_ends_the_run"),
            (GoesOnAfterAFailure, "test_a_step_that_fails_ends_the_run"),
        ],
        indirect=["orchestrator"],
    )
    def test_a_broken_orchestrator_is_caught(
        self, orchestrator: LocalOrchestrator, test: str, stack: OpenStack, sample: ModuleType, listener: RecordingListener,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        promise = getattr(OrchestratorTests(), test)
        fixtures = {"stack": stack, "sample": sample, "listener": listener, "tmp_path": tmp_path}
        with pytest.raises(FAILS):
            promise(**{name: fixtures[name] for name in inspect.signature(promise).parameters})
