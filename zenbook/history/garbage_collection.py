"""Delete runs, and the artifacts that no run uses any more.

Deleting a run keeps its artifacts, because other runs may have been served them from the cache; `collect_garbage` finds
those that no run uses any more. It does not touch the workspace's folders ``cache`` and ``spool``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zenbook.core.durations import seconds
from zenbook.core.states import RunState
from zenbook.display.table import Table, file_size, moment
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import DefinitionError, RunError, StoreError
from zenbook.history.run import Run
from zenbook.history.runs import find_run
from zenbook.history.step_runs import time_between
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import ArtifactRecord, RunQuery, RunRecord
from zenbook.stack.spool import FOLDER
from zenbook.stack.stack import OpenStack, open_stack

_UNFINISHED = (RunState.PENDING, RunState.RUNNING)
_BATCH = 100  # artifacts whose rows are deleted before their files are, if the store fails in between
_PAGE = 500  # runs that are read at once
_FAR_FUTURE = 2.0**40  # seconds since the epoch; not every database knows infinity


@dataclass(frozen=True, slots=True)
class Unused:
    """One stored object that no run uses."""

    address: str
    size: int  # bytes
    stored_at: float  # seconds since the epoch
    formats: tuple[str, ...]  # empty if the metadata store has no row of it


class Garbage(Sequence[Unused]):
    """What `collect_garbage` found or deleted, largest first. It shows itself as a table."""

    def __init__(self, unused: Sequence[Unused], *, deleted: bool, store: str) -> None:
        self._unused = sorted(unused, key=lambda item: (-item.size, item.address))
        self._store = store
        self.deleted = deleted

    @property
    def bytes(self) -> int:
        """The bytes that all of them use, or used."""
        return sum(item.size for item in self._unused)

    @property
    def freed(self) -> int:
        """The bytes that were freed; 0 if nothing was deleted."""
        return self.bytes if self.deleted else 0

    def __getitem__(self, place: Any) -> Any:
        return self._unused[place]

    def __len__(self) -> int:
        return len(self._unused)

    def table(self) -> Table:
        """The artifacts with their sizes and times."""
        rows = [(item.address, file_size(item.size), moment(item.stored_at), _formats(item)) for item in self._unused]
        return Table(self._title, ("artifact", "size", "stored", "format"), rows, "(no garbage)")

    @property
    def _title(self) -> str:
        count = f"{len(self)} artifact{'s' if len(self) != 1 else ''}"
        if self.deleted:
            return f"Deleted {count} from {self._store}, {file_size(self.freed)} freed"
        preview = f"; nothing is deleted yet, zen gc --delete frees {file_size(self.bytes)}" if self._unused else ""
        return f"{count} that no run uses in {self._store}{preview}"

    def df(self) -> Any:
        """The table as a pandas DataFrame, with sizes in bytes."""
        rows = [(item.address, item.size, moment(item.stored_at), _formats(item)) for item in self._unused]
        return Table(self._title, ("artifact", "bytes", "stored", "format"), rows).df()

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class DeletedRuns(Sequence[str]):
    """The ids of the runs that `delete_runs` deleted, or would delete. It shows itself as a table."""

    def __init__(self, records: Sequence[RunRecord], *, deleted: bool) -> None:
        self._records = list(records)
        self.deleted = deleted

    def __getitem__(self, place: Any) -> Any:
        return [record.id for record in self._records][place]

    def __len__(self) -> int:
        return len(self._records)

    def table(self) -> Table:
        """The runs as they were before they were deleted."""
        count = f"{len(self)} run{'s' if len(self) != 1 else ''}"
        title = f"Deleted {count}; zen gc finds what only they used" if self.deleted else f"{count} would be deleted"
        rows = [
            (run.id, run.pipeline, str(run.state), moment(run.started_at), time_between(run.started_at, run.ended_at))
            for run in self._records
        ]
        return Table(title, ("run", "pipeline", "state", "started", "took"), rows, "(no runs)")

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def delete_runs(references: Sequence[str], stack: str | None = None, *, dry_run: bool = False) -> DeletedRuns:
    """Delete all of some runs, or none of them.

    Other runs that were served the outputs of a deleted run keep them. The cache forgets them: a step's outputs are
    served only while the run that produced them exists, so the next run computes them again. A reference that matches
    no run raises `RunError`.

    Args:
        references: References of runs, as `find_run` takes them.
        stack: The name of the stack whose metadata store holds them; None is the active stack.
        dry_run: Only list the runs.

    Returns:
        The runs that were deleted, or would be.

    Raises:
        RunError: If one of the runs has not ended.
    """
    opened = open_stack(stack)
    runs: dict[str, Run] = {}
    for reference in references:
        run = find_run(reference, stack=stack)
        runs[run.id] = run
    records = [run.record for run in runs.values()]
    running = [record for record in records if not record.state.ended]
    if running:
        raise RunError(
            f"{_are_running(running)}. Nothing was deleted.", "Wait until they end, or cancel them: zen cancel RUN."
        )
    if not dry_run and runs:
        opened.metadata.delete_runs([*runs])
    return DeletedRuns(records, deleted=not dry_run)


def collect_garbage(
    stack: str | None = None,
    *,
    delete: bool = False,
    older_than: float | str = "1h",
    untracked: bool = False,
    force: bool = False,
) -> Garbage:
    """Find the artifacts that no run of the metadata store uses, and delete them on request.

    While runs are running, or while batches in the spool wait to be recorded, ``delete`` raises `RunError`, except with
    ``force``. So does an invalid ``older_than``.

    Args:
        stack: The name of the stack whose stores are searched; None is the active stack.
        delete: Delete the artifacts.
        older_than: Only artifacts that were stored before this time are garbage, because newer ones may be about to be
            recorded. Seconds, or a text as ``'90s'`` or ``'1h30m'``.
        untracked: Also files that the metadata store has no record of. Do not use it if another metadata store has its
            artifacts in the same folder or bucket: its files are untracked here.
        force: Delete even while runs are running or batches wait.

    Returns:
        The artifacts that were found or deleted.
    """
    opened = open_stack(stack)
    before = time.time() - _age(older_than)
    if delete and not force:
        _refuse_while_running(opened.metadata)
        _refuse_while_batches_wait(opened.workspace.home)
    sweep = _Sweep(opened, before, untracked=untracked)
    if delete:
        sweep.delete()
    return Garbage(sweep.unused, deleted=delete, store=opened.artifacts.describe())


class _Sweep:
    """The rows and files of one store that no run uses."""

    def __init__(self, stack: OpenStack, before: float, *, untracked: bool) -> None:
        self.artifacts, self.metadata, self.before = stack.artifacts, stack.metadata, before
        self.rows: dict[str, list[ArtifactRecord]] = {}  # by address
        for row in self.metadata.unreferenced(before=before):
            self.rows.setdefault(row.address, []).append(row)
        self.untracked = self._untracked() if untracked else []

    @property
    def unused(self) -> list[Unused]:
        """The objects that use space; without those that still have a row in another format."""
        recorded = [
            Unused(
                address, rows[0].size, max(row.created_at for row in rows), tuple(sorted(row.format for row in rows))
            )
            for address, rows in self.rows.items()
            if address not in self.used
        ]
        return [*recorded, *self.untracked]

    def delete(self) -> None:
        """Delete rows before their objects, so that no row refers to an object that is gone."""
        unused = {item.address: item for item in self.unused}  # computed before rows are deleted
        addresses = [*self.rows]
        gone: set[str] = {item.address for item in self.untracked}
        for start in range(0, len(addresses), _BATCH):
            batch = addresses[start : start + _BATCH]
            rows = [row for address in batch for row in self.rows[address]]
            forgotten = {(row.digest, row.format) for row in self.metadata.forget_artifacts(rows)}
            for address in batch:
                if address in unused and all((row.digest, row.format) in forgotten for row in self.rows[address]):
                    self._delete_object(address)
                    gone.add(address)
        for item in self.untracked:
            self._delete_object(item.address)
        self.rows = {address: rows for address, rows in self.rows.items() if address in gone}

    def _delete_object(self, address: str) -> None:
        try:
            self.artifacts.delete(address)
        except StoreError as error:
            raise StoreError(
                f"The artifact {address} could not be deleted: {error.message}",
                f"{error.hint} Then zen gc --untracked --delete finds it again.".strip(),
            ) from error

    @cached_property
    def used(self) -> set[str]:
        """The addresses of all rows that stay. The same bytes may have rows in two formats, of which one is used."""
        unused = {(row.digest, row.format) for rows in self.rows.values() for row in rows}
        young = self.metadata.unreferenced(before=_FAR_FUTURE)
        used = {row.address for row in young if (row.digest, row.format) not in unused}
        inputs: set[tuple[str, str]] = set()
        outputs: set[tuple[str, str]] = set()
        for ids in self._pages():
            for output in self.metadata.outputs(ids):
                used.add(output.address)
                outputs.add((output.digest, output.format))
            inputs |= {(row.digest, row.format) for row in self.metadata.inputs(ids)}
        for digest, kind in inputs - outputs:  # objects that were passed to a pipeline
            used.add(self.metadata.address_of(digest, kind) or "")
        return used

    def _pages(self) -> Iterator[list[str]]:
        before: str | None = None
        while ids := [run.id for run in self.metadata.runs(RunQuery(limit=_PAGE, before=before))]:
            yield ids
            before = ids[-1]

    def _untracked(self) -> list[Unused]:
        return [
            Unused(file.address, file.size, file.modified_at, ())
            for file in self.artifacts.listing()
            if file.modified_at < self.before and file.address not in self.used and file.address not in self.rows
        ]


def _refuse_while_running(metadata: MetadataStore) -> None:
    unfinished = metadata.runs(RunQuery(states=_UNFINISHED, limit=None))
    running = [run for run in mark_crashed_runs(metadata, unfinished) if not run.state.ended]
    if running:
        raise RunError(
            f"{_are_running(running)}, and may use artifacts that are not recorded yet. Nothing was deleted.",
            "Wait until they end. Use --force if you know that they have ended, such as a run that crashed elsewhere.",
        )


def _refuse_while_batches_wait(home: Path) -> None:
    waiting = [*(home / FOLDER).rglob("*.json")]
    if waiting:
        raise RunError(
            f"{'1 batch' if len(waiting) == 1 else f'{len(waiting)} batches'} in {home / FOLDER} did not reach the "
            "metadata store yet, and may use artifacts. Nothing was deleted.",
            "A command that reaches the metadata store sends them: zen runs. See zen doctor. --force deletes anyway.",
        )


def _are_running(runs: Sequence[RunRecord]) -> str:
    shown = ", ".join(f"{run.id} ({run.pipeline}, on {run.host or 'an unknown host'})" for run in runs[:5])
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return f"Run {shown} is running" if len(runs) == 1 else f"The runs {shown}{more} are running"


def _age(older_than: float | str) -> float:
    try:
        return seconds(older_than, "older_than", "gc")
    except DefinitionError as error:
        raise RunError(
            f"{older_than!r} is not a duration.", "Give seconds as a number, or a text as '90s', '1h30m' or '7d'."
        ) from error


def _formats(item: Unused) -> str:
    return ", ".join(item.formats) or "(untracked)"


__all__ = ["DeletedRuns", "Garbage", "Unused", "collect_garbage", "delete_runs"]
