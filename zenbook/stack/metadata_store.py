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

    Every method raises `StoreError` if the store cannot be reached, read or written; `StoreUnreachableError` means that
    the same write may succeed later.
    """

    on_this_machine: ClassVar[bool] = False  # whether processes of other machines cannot reach it

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
        """Write a new run with its steps, or one that has grown (a notebook's), as a whole or not at all.

        Args:
            run: The run.
            steps: Its steps.
            params: Its parameters.
            code: The capsules of its steps; those that the store knows are left out.
            environment: Where it runs; left out if the store knows it.
        """

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Write all changes of a batch, or none.

        Args:
            batch: The changes.
        """

    @abstractmethod
    def find_cached(self, cache_key: str) -> list[CachedStep]:
        """Find step runs whose outputs may be used again.

        Args:
            cache_key: The cache key of the step.

        Returns:
            The succeeded step runs with this key, newest first, with outputs and metrics; at most 8.
        """

    @abstractmethod
    def previous_step(self, pipeline: str, step: str, *, before: str) -> StepRecord | None:
        """Find the newest earlier step run of a step.

        Args:
            pipeline: The pipeline's name.
            step: The step's name.
            before: A run id; only older runs count.

        Returns:
            The step run, or None.
        """

    @abstractmethod
    def run(self, run_id: str) -> RunRecord | None:
        """Read one run with its plan.

        Args:
            run_id: The run's id.

        Returns:
            The run, or None.
        """

    @abstractmethod
    def runs(self, query: RunQuery) -> list[RunRecord]:
        """List runs without their plans.

        Args:
            query: Which runs.

        Returns:
            The runs, newest first.
        """

    @abstractmethod
    def find_run_ids(self, part: str, *, limit: int = 5) -> list[str]:
        """Find runs by a part of their id.

        Args:
            part: The beginning or end of the id.
            limit: The largest number of results.

        Returns:
            The ids, newest first.
        """

    @abstractmethod
    def steps(self, run_ids: Sequence[str]) -> list[StepRecord]:
        """Read the steps of some runs.

        Args:
            run_ids: The runs' ids.

        Returns:
            The steps, by run and position.
        """

    @abstractmethod
    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        """Read the outputs of some runs.

        Args:
            run_ids: The runs' ids.
            step: Only the outputs of this step.

        Returns:
            The outputs, with address and size of their artifacts.
        """

    @abstractmethod
    def inputs(self, run_ids: Sequence[str]) -> list[InputRecord]:
        """Read the inputs of some runs.

        Args:
            run_ids: The runs' ids.

        Returns:
            The inputs.
        """

    @abstractmethod
    def params(self, run_ids: Sequence[str]) -> list[ParamRecord]:
        """Read the parameters of some runs.

        Args:
            run_ids: The runs' ids.

        Returns:
            The parameters.
        """

    @abstractmethod
    def metrics(self, run_ids: Sequence[str]) -> list[MetricRecord]:
        """Read the metrics of some runs.

        Args:
            run_ids: The runs' ids.

        Returns:
            The metrics, in the order in which they were logged.
        """

    @abstractmethod
    def logs(self, run_id: str, step: str | None = None) -> list[LogRecord]:
        """Read what a run's steps printed.

        Args:
            run_id: The run's id.
            step: Only what this step printed.

        Returns:
            The pieces, in order.
        """

    @abstractmethod
    def code(self, digest: str) -> CodeRecord | None:
        """Read a capsule.

        Args:
            digest: Its digest.

        Returns:
            The capsule, or None.
        """

    @abstractmethod
    def environment(self, digest: str) -> EnvironmentRecord | None:
        """Read a description of where a run ran.

        Args:
            digest: Its digest.

        Returns:
            The description, or None.
        """

    @abstractmethod
    def address_of(self, digest: str, format: str) -> str | None:
        """Find where an artifact is stored.

        Args:
            digest: The artifact's digest.
            format: The name of its format.

        Returns:
            Its address, or None if the store does not know the artifact.
        """

    @abstractmethod
    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Delete runs with all that only they have; artifacts, code and environments stay.

        Args:
            run_ids: The runs' ids; unknown ids are ignored.
        """

    @abstractmethod
    def unreferenced(self, *, before: float) -> list[ArtifactRecord]:
        """Find artifacts that no run wrote or read.

        Args:
            before: Only artifacts stored before this time, in seconds since the epoch.

        Returns:
            The artifacts.
        """

    @abstractmethod
    def forget_artifacts(self, artifacts: Sequence[ArtifactRecord]) -> list[ArtifactRecord]:
        """Remove the rows of artifacts that still no run refers to.

        Args:
            artifacts: The artifacts.

        Returns:
            Those whose rows were removed.
        """

    @abstractmethod
    def changes(self, since: int) -> Changes:
        """Find the runs that were written or deleted after a revision of this store.

        Revisions become visible in their order: a reader who has seen one has seen all writes of a lower one. Every
        write that changes what this store says about a run gives the run a new revision, in the same transaction.

        Args:
            since: The revision; 0 means all runs.

        Returns:
            The changes, in the order of their revisions.
        """

    @abstractmethod
    def put_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Put tags, notes and stars on runs; one of the same key is replaced.

        Args:
            marks: The tags, notes and stars.
        """

    @abstractmethod
    def drop_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Remove tags, notes and stars from runs; one that does not exist is ignored.

        Args:
            marks: The tags, notes and stars.
        """

    @abstractmethod
    def marks(self, run_ids: Sequence[str]) -> list[MarkRecord]:
        """Read the tags, notes and stars of some runs.

        Args:
            run_ids: The runs' ids.

        Returns:
            The tags, notes and stars, by run, kind and name.
        """

    def rows(self, record: type[Any], run_ids: Sequence[str]) -> list[Sequence[Any]]:
        """Read one kind of record of some runs as bare values in the order of its fields, in any order.

        States are their texts, notes of steps are JSON or a tuple, and plans are left out (""). The rows equal what the
        methods for records return; a store overrides this where it can be quicker: an analysis reads millions of rows.

        Args:
            record: The class of the record.
            run_ids: The runs' ids.

        Returns:
            The rows.
        """
        if record is RunRecord:
            records: Sequence[Any] = [dataclasses.replace(run, plan="") for run in map(self.run, run_ids) if run]
        elif record is LogRecord:
            records = [line for run_id in run_ids for line in self.logs(run_id)]
        else:
            readers: dict[type[Any], Callable[[Sequence[str]], Sequence[Any]]] = {
                StepRecord: self.steps,
                OutputRecord: self.outputs,
                InputRecord: self.inputs,
                ParamRecord: self.params,
                MetricRecord: self.metrics,
                MarkRecord: self.marks,
            }
            records = readers[record](run_ids)
        names = [field.name for field in dataclasses.fields(record)]
        return [tuple(getattr(row, name) for name in names) for row in records]

    @abstractmethod
    def describe(self) -> str:
        """One line for people: kind, place, schema revision. It contains no secret."""

    def check(self) -> str:
        """Reach the store and read from it.

        Returns:
            One line for people.
        """
        self.runs(RunQuery(limit=1))
        return self.describe()

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""
