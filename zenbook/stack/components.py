"""The three kinds of component: what runs ask of them, whatever their flavour."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from zenbook.errors import StackError, StoreError
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

if TYPE_CHECKING:
    from zenbook.core.events import Listener
    from zenbook.core.plan import Plan
    from zenbook.stack.stack import OpenStack


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of an artifact store, as a listing shows it; ``modified_at`` is in seconds since the epoch."""

    address: str
    size: int  # bytes
    modified_at: float


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What `ArtifactStore.put` wrote: the blake3 digest (64 hex digits), the address, the size in bytes."""

    digest: str
    address: str
    size: int


class ArtifactStore(ABC):
    """Keeps artifacts, addressed by the digest of their content. Writing the same bytes twice stores them once."""

    on_this_machine: ClassVar[bool] = False  # whether `local_path` names the stored file itself

    @abstractmethod
    def put(self, write: Callable[[BinaryIO], object], *, suffix: str) -> StoredBytes:
        """Store what ``write`` writes to the file it is given, atomically, hashing on the way.

        Raises `StoreError` when the store can't be written (full, read-only); nothing is left behind. What ``write``
        itself raises passes through, and leaves nothing behind either.
        """

    def put_bytes(self, data: bytes, *, suffix: str) -> StoredBytes:
        """Store bytes that are in memory already."""
        return self.put(lambda file: file.write(data), suffix=suffix)

    @abstractmethod
    def open(self, address: str) -> AbstractContextManager[BinaryIO]:
        """Open an artifact for reading. Raises `ArtifactError` when there is none at that address."""

    @abstractmethod
    def local_path(self, address: str) -> Path:
        """Where the artifact can be read and memory-mapped as a file; a remote store downloads it first.

        Raises `ArtifactError` when there is none at that address.
        """

    @abstractmethod
    def exists(self, address: str) -> bool:
        """Whether an artifact is there."""

    @abstractmethod
    def uri(self, address: str) -> str:
        """The artifact's address for people and other programs: a path or a URL."""

    def describe(self) -> str:
        """One line for people."""
        return type(self).__name__

    @abstractmethod
    def listing(self) -> Iterator[StoredFile]:
        """All that is stored, by address."""

    @abstractmethod
    def delete(self, address: str) -> None:
        """Remove an artifact; removing what is not there is no error."""

    def together(self) -> AbstractContextManager[None]:
        """Within the block `put` may return before the bytes have arrived; at the block's end all have.

        Leaving the block raises the `StoreError` of the first that did not arrive.
        """
        return nullcontext()

    def fetch(self, addresses: Sequence[str]) -> None:  # noqa: B027  # nothing to do where files are here already
        """Bring artifacts to this machine, several at once, where `local_path` would do it one by one.

        What can't be brought is left for `local_path` to complain of.
        """

    def check(self) -> str:
        """Write, read and remove a small object; one line for people.

        Raises `StoreError` that says what is wrong (credentials, bucket, rights) and how to mend it.
        """
        probe = f"zenbook probe {os.urandom(8).hex()}".encode()
        written = self.put_bytes(probe, suffix=".txt")
        try:
            with self.open(written.address) as file:
                same = file.read() == probe
        finally:
            self.delete(written.address)
        if not same:
            raise StoreError(f"{self.uri(written.address)} reads back differently.", "Look at the store by hand.")
        return f"{self.describe()}: writes and reads"


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


class Orchestrator(ABC):
    """Executes a plan. It sees no function and no cell."""

    @abstractmethod
    def execute(self, plan: Plan, run_id: str, stack: OpenStack, listener: Listener, *, use_cache: bool) -> None:
        """Run the plan's steps in order, record what becomes of them, and tell ``listener`` too.

        Raises a step's own exception after telling of its end, and `KeyboardInterrupt` when interrupted. The run's
        row exists already; the launcher tells of the run's start and end.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line for people."""

    def check(self) -> str:
        """See whether it can be reached; one line for people. Raises `StackError` that says how to mend it."""
        return self.describe()

    def cancel(self, run: RunRecord, stack: OpenStack) -> None:
        """End a run that goes on elsewhere: one whose row names no process. Raises `StackError` where that can't be."""
        raise StackError(f"{self.describe()} can't end runs from here.", "End it where it runs.")

    def rejoin(self, run: RunRecord, stack: OpenStack) -> None:  # noqa: B027  # most runs end with their process
        """Write the end of a run that has ended elsewhere while nobody followed it."""
