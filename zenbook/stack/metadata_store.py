"""What runs ask of a metadata store, whatever its flavour."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CachedStep,
    Changes,
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
    StepRecord,
)


class MetadataStore(ABC):
    """Remembers runs. Every method may be called from any thread; every write is one transaction.

    Raises `StoreError` when the store can't be reached, read or written; `StoreUnreachableError` where what was to be
    written can be written later.
    """

    on_this_machine: ClassVar[bool] = False  # whether processes of other machines can't reach it

    @abstractmethod
    def create_run(
        self,
        run: RunRecord,
        *,
        steps: Sequence[StepRecord],
        params: Sequence[ParamRecord],
        code: Sequence[CodeRecord],
        environment: EnvironmentRecord | None,
    ) -> None:
        """Write a new run with its steps, or one that has grown (a notebook's), all or nothing.

        Code and environment that are known already are left.
        """

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Write all changes of a batch, or none."""

    @abstractmethod
    def find_cached(self, cache_key: str) -> list[CachedStep]:
        """The succeeded step runs with this cache key, newest first, with their outputs and metrics (at most 8)."""

    @abstractmethod
    def previous_step(self, pipeline: str, step: str, *, before: str) -> StepRecord | None:
        """The newest step run of this name in an older run (id below ``before``) of the pipeline, if there is one."""

    @abstractmethod
    def run(self, run_id: str) -> RunRecord | None:
        """One run with its plan."""

    @abstractmethod
    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs without their plans, newest first."""

    @abstractmethod
    def find_run_ids(self, part: str, *, limit: int = 5) -> list[str]:
        """Ids of runs that begin or end with ``part``, newest first."""

    @abstractmethod
    def steps(self, run_ids: Sequence[str]) -> list[StepRecord]:
        """The steps of some runs, by run and position."""

    @abstractmethod
    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        """The outputs of some runs, with address and size of their artifacts."""

    @abstractmethod
    def inputs(self, run_ids: Sequence[str]) -> list[InputRecord]:
        """The inputs of some runs."""

    @abstractmethod
    def params(self, run_ids: Sequence[str]) -> list[ParamRecord]:
        """The parameters of some runs."""

    @abstractmethod
    def metrics(self, run_ids: Sequence[str]) -> list[MetricRecord]:
        """The metrics of some runs, in the order in which they were logged."""

    @abstractmethod
    def logs(self, run_id: str, step: str | None = None) -> list[LogRecord]:
        """What a run's steps printed, in order."""

    @abstractmethod
    def code(self, digest: str) -> CodeRecord | None:
        """A capsule."""

    @abstractmethod
    def environment(self, digest: str) -> EnvironmentRecord | None:
        """A description of where a run ran."""

    @abstractmethod
    def address_of(self, digest: str, format: str) -> str | None:
        """Where an artifact is stored, or None when this store doesn't know the digest."""

    @abstractmethod
    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Forget runs with all that only they have; artifacts, code and environments stay. Unknown ids are no error."""

    @abstractmethod
    def unreferenced(self, *, before: float) -> list[ArtifactRecord]:
        """The artifacts stored before a time that no run made or read."""

    @abstractmethod
    def forget_artifacts(self, artifacts: Sequence[ArtifactRecord]) -> list[ArtifactRecord]:
        """Remove the rows of those that still nobody refers to, and give these."""

    @abstractmethod
    def changes(self, since: int) -> Changes:
        """Which runs were written or deleted after a revision of this store (0: all that there ever were).

        Revisions become visible in their order: who has seen one has seen all writes of a lower one. Every write that
        changes what this store tells of a run gives the run a new revision, in the same transaction.
        """

    @abstractmethod
    def put_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Put tags, notes and stars on runs; one of the same key is replaced."""

    @abstractmethod
    def drop_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Take tags, notes and stars off runs; one that is not there is no error."""

    @abstractmethod
    def marks(self, run_ids: Sequence[str]) -> list[MarkRecord]:
        """The tags, notes and stars of some runs, by run, kind and name."""

    def rows(self, record: type[Any], run_ids: Sequence[str]) -> list[Sequence[Any]]:
        """What some runs have of one kind of record, as bare values in the order of its fields, in any order.

        States are their texts, notes of steps JSON or a tuple, plans are left out (""). It gives what the methods for
        records give; a store overrides it where it can be quicker, since an analysis reads millions of rows.
        """
        if record is RunRecord:
            found: Sequence[Any] = [dataclasses.replace(one, plan="") for one in map(self.run, run_ids) if one]
        elif record is LogRecord:
            found = [line for run_id in run_ids for line in self.logs(run_id)]
        else:
            questions: dict[type[Any], Callable[[Sequence[str]], Sequence[Any]]] = {
                StepRecord: self.steps,
                OutputRecord: self.outputs,
                InputRecord: self.inputs,
                ParamRecord: self.params,
                MetricRecord: self.metrics,
                MarkRecord: self.marks,
            }
            found = questions[record](run_ids)
        names = [field.name for field in dataclasses.fields(record)]
        return [tuple(getattr(one, name) for name in names) for one in found]

    @abstractmethod
    def describe(self) -> str:
        """One line for people: kind, place, schema revision. Holds no secret."""

    def check(self) -> str:
        """Reach the store and read from it; one line for people. Raises `StoreError` that says how to mend it."""
        self.runs(RunQuery(limit=1))
        return self.describe()

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""
