"""Housekeeping: delete runs, and the artifacts that no run refers to any more.

Deleting a run leaves its artifacts, since other runs may have been served them from the cache; `collect_garbage` finds
those that nobody has any more. Downloads in the workspace's ``cache`` and what waits in ``spool`` are none of it.
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

_GOING_ON = (RunState.PENDING, RunState.RUNNING)
_AT_ONCE = 100  # artifacts whose rows are gone before their files are, if the store fails in the middle
_PAGE = 500  # runs
_EVER = 2.0**40  # seconds since the epoch; not every database knows infinity


@dataclass(frozen=True, slots=True)
class Unused:
    """One stored object that no run refers to; ``formats`` is empty where the metadata store never knew it."""

    address: str
    size: int  # bytes
    stored_at: float
    formats: tuple[str, ...]


class Garbage(Sequence[Unused]):
    """What `collect_garbage` found or deleted, largest first; shows itself as a table."""

    def __init__(self, found: Sequence[Unused], *, deleted: bool, store: str) -> None:
        self._found = sorted(found, key=lambda one: (-one.size, one.address))
        self._store = store
        self.deleted = deleted

    @property
    def bytes(self) -> int:
        """How many bytes all of them take, or took."""
        return sum(one.size for one in self._found)

    @property
    def freed(self) -> int:
        """How many bytes were freed: none by a dry run."""
        return self.bytes if self.deleted else 0

    def __getitem__(self, place: Any) -> Any:
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)

    def table(self) -> Table:
        """The artifacts with their sizes and times."""
        rows = [(one.address, file_size(one.size), moment(one.stored_at), _kinds(one)) for one in self._found]
        return Table(self._title, ("artifact", "size", "stored", "format"), rows, "(no garbage)")

    @property
    def _title(self) -> str:
        count = f"{len(self)} artifact{'s' if len(self) != 1 else ''}"
        if self.deleted:
            return f"Deleted {count} from {self._store}, {file_size(self.freed)} freed"
        would = f"; nothing is deleted yet, zen gc --delete frees {file_size(self.bytes)}" if self._found else ""
        return f"{count} that no run refers to in {self._store}{would}"

    def df(self) -> Any:
        """The table as a pandas DataFrame, with sizes in bytes."""
        rows = [(one.address, one.size, moment(one.stored_at), _kinds(one)) for one in self._found]
        return Table(self._title, ("artifact", "bytes", "stored", "format"), rows).df()

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class DeletedRuns(Sequence[str]):
    """The ids of the runs that `delete_runs` deleted, or would delete; shows itself as a table."""

    def __init__(self, records: Sequence[RunRecord], *, deleted: bool) -> None:
        self._records = list(records)
        self.deleted = deleted

    def __getitem__(self, place: Any) -> Any:
        return [one.id for one in self._records][place]

    def __len__(self) -> int:
        return len(self._records)

    def table(self) -> Table:
        """The runs as they were."""
        count = f"{len(self)} run{'s' if len(self) != 1 else ''}"
        title = f"Deleted {count}; zen gc frees what only they had" if self.deleted else f"{count} would be deleted"
        rows = [
            (one.id, one.pipeline, str(one.state), moment(one.started_at), time_between(one.started_at, one.ended_at))
            for one in self._records
        ]
        return Table(title, ("run", "pipeline", "state", "started", "took"), rows, "(no runs)")

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def delete_runs(references: Sequence[str], stack: str | None = None, *, dry_run: bool = False) -> DeletedRuns:
    """Delete runs by id, part of an id or pipeline (its newest run), all of them or none.

    Runs that were served what a deleted run had made keep it: they refer to the artifacts themselves. The cache forgets
    it, though: a step's outputs are served while the run that made them exists, so the next run makes them anew.

    Raises `RunError` for a run that is not there, or that goes on.
    """
    opened = open_stack(stack)
    runs: dict[str, Run] = {}
    for one in references:
        run = find_run(one, stack=stack)
        runs[run.id] = run
    records = [one.record for one in runs.values()]
    going_on = [one for one in records if not one.state.ended]
    if going_on:
        raise RunError(
            f"{_named(going_on)}, so nothing was deleted.", "Wait for the end, or cancel first: zen cancel RUN."
        )
    if not dry_run and runs:
        opened.metadata.delete_runs([*runs])
    return DeletedRuns(records, deleted=not dry_run)


def collect_garbage(
    stack: str | None = None,
    *,
    delete: bool = False,
    older_than: float | str = "1h",
    strays: bool = False,
    force: bool = False,
) -> Garbage:
    """Find the artifacts that no run of the metadata store refers to, and with ``delete`` remove them.

    What is younger than ``older_than`` (seconds, or ``'90s'``, ``'1h30m'``) is left: it may be about to be recorded.
    With ``strays`` files are garbage too that the metadata store knows nothing of. Ask for that only where no other
    metadata store keeps its artifacts in the same folder or bucket: theirs would be strays here.

    Raises `RunError` for ``delete`` while runs go on, or while something waits to be recorded (a metadata store was
    away): unless ``force`` says that it does not matter.
    """
    opened = open_stack(stack)
    before = time.time() - _age(older_than)
    if delete and not force:
        _refuse_while_runs_go_on(opened.metadata)
        _refuse_while_something_waits(opened.workspace.home)
    sweep = _Sweep(opened, before, strays=strays)
    if delete:
        sweep.delete()
    return Garbage(sweep.found, deleted=delete, store=opened.artifacts.describe())


class _Sweep:
    """The rows and files of one store that nobody needs."""

    def __init__(self, stack: OpenStack, before: float, *, strays: bool) -> None:
        self.artifacts, self.metadata, self.before = stack.artifacts, stack.metadata, before
        self.rows: dict[str, list[ArtifactRecord]] = {}  # by address
        for row in self.metadata.unreferenced(before=before):
            self.rows.setdefault(row.address, []).append(row)
        self.strays = self._strays() if strays else []

    @property
    def found(self) -> list[Unused]:
        """What takes room: an object that still has a row in another format is not among it."""
        known = [
            Unused(
                address, rows[0].size, max(one.created_at for one in rows), tuple(sorted(one.format for one in rows))
            )
            for address, rows in self.rows.items()
            if address not in self.kept
        ]
        return [*known, *self.strays]

    def delete(self) -> None:
        """Forget rows, then delete what they stood for: a row without its object would promise what is not there."""
        found = {one.address: one for one in self.found}  # before a row is gone
        addresses = [*self.rows]
        gone: set[str] = {one.address for one in self.strays}
        for start in range(0, len(addresses), _AT_ONCE):
            some = addresses[start : start + _AT_ONCE]
            wanted = [row for address in some for row in self.rows[address]]
            forgotten = {(row.digest, row.format) for row in self.metadata.forget_artifacts(wanted)}
            for address in some:
                if address in found and all((row.digest, row.format) in forgotten for row in self.rows[address]):
                    self._remove(address)
                    gone.add(address)
        for one in self.strays:
            self._remove(one.address)
        self.rows = {address: rows for address, rows in self.rows.items() if address in gone}

    def _remove(self, address: str) -> None:
        try:
            self.artifacts.delete(address)
        except StoreError as error:
            raise StoreError(
                f"The artifact {address} could not be deleted: {error.message}",
                f"{error.hint} Then zen gc --untracked --delete finds it again.".strip(),
            ) from error

    @cached_property
    def kept(self) -> set[str]:
        """The addresses of all rows that stay: the same bytes may be known in two formats, and one be in use."""
        going = {(row.digest, row.format) for rows in self.rows.values() for row in rows}
        young = self.metadata.unreferenced(before=_EVER)
        kept = {row.address for row in young if (row.digest, row.format) not in going}
        inputs: set[tuple[str, str]] = set()
        made: set[tuple[str, str]] = set()
        for ids in self._pages():
            for output in self.metadata.outputs(ids):
                kept.add(output.address)
                made.add((output.digest, output.format))
            inputs |= {(one.digest, one.format) for one in self.metadata.inputs(ids)}
        for digest, kind in inputs - made:  # of objects that were passed to a pipeline
            kept.add(self.metadata.address_of(digest, kind) or "")
        return kept

    def _pages(self) -> Iterator[list[str]]:
        before: str | None = None
        while ids := [one.id for one in self.metadata.runs(RunQuery(limit=_PAGE, before=before))]:
            yield ids
            before = ids[-1]

    def _strays(self) -> list[Unused]:
        return [
            Unused(one.address, one.size, one.modified_at, ())
            for one in self.artifacts.listing()
            if one.modified_at < self.before and one.address not in self.kept and one.address not in self.rows
        ]


def _refuse_while_runs_go_on(metadata: MetadataStore) -> None:
    seen = metadata.runs(RunQuery(states=_GOING_ON, limit=None))
    going_on = [one for one in mark_crashed_runs(metadata, seen) if not one.state.ended]
    if going_on:
        raise RunError(
            f"{_named(going_on)}, and may use artifacts before that is recorded, so nothing was deleted.",
            "Wait for the end, or --force if you know that it is over (a run of another machine that crashed).",
        )


def _refuse_while_something_waits(home: Path) -> None:
    waiting = [*(home / FOLDER).rglob("*.json")]
    if waiting:
        raise RunError(
            f"What waits in {home / FOLDER} ({len(waiting)} parts) may refer to artifacts, so nothing was deleted.",
            "A command that reaches its metadata store sends it: zen runs; see zen doctor. --force deletes anyway.",
        )


def _named(runs: Sequence[RunRecord]) -> str:
    shown = ", ".join(f"{one.id} ({one.pipeline}, on {one.host or 'an unknown host'})" for one in runs[:5])
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return f"Run {shown} goes on" if len(runs) == 1 else f"The runs {shown}{more} go on"


def _age(older_than: float | str) -> float:
    try:
        return seconds(older_than, "older_than", "gc")
    except DefinitionError as error:
        raise RunError(
            f"{older_than!r} is no length of time.", "Give seconds as a number, or a text as '90s', '1h30m' or '7d'."
        ) from error


def _kinds(one: Unused) -> str:
    return ", ".join(one.formats) or "(a stray)"


__all__ = ["DeletedRuns", "Garbage", "Unused", "collect_garbage", "delete_runs"]
