"""What the history panel shows: rows of runs as plain data, a page at a time, and then only what has changed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zenbook.core.plain_values import show
from zenbook.core.states import RunState
from zenbook.display.table import cut, one_line
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import QueryError, did_you_mean
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import OpenStack

PAGE = 100  # runs
_COLUMNS = {
    "state": "state",
    "pipeline": "pipeline",
    "id": "id",
    "started": "started_at",
    "took": "seconds",
    "stack": "stack",
    "error": "error",
}
_RUNNING = (RunState.PENDING, RunState.RUNNING)
_MAX_OLDER = 20  # running runs that are older than the page: so many are looked at again
_MAX_LENGTH = 200  # characters of a value
_EXACT = 2**53  # whole numbers from here on are not exact in a browser

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs the panel shows, and in which order."""

    pipeline: str | None = None
    state: RunState | None = None
    where: str = ""  # a condition in SQL
    order: str = ""  # of all runs by a column: its key, with a minus before it for the largest first

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> RunFilter:
        """Read a filter as the page sends it.

        Args:
            message: The entries ``pipeline``, ``state``, ``where`` and ``order``; all are optional.

        Returns:
            The filter.
        """
        state = message.get("state")
        known = RunState(state) if state in list(RunState) else None
        where, order = (str(message.get(key) or "").strip() for key in ("where", "order"))
        return cls(message.get("pipeline") or None, known, where, order)

    def to_message(self) -> dict[str, str]:
        """The filter as the page sends it."""
        return {
            "pipeline": self.pipeline or "",
            "state": self.state or "",
            "where": self.where,
            "order": self.order,
        }

    @property
    def in_sql(self) -> bool:
        """Whether it needs a query in SQL; the store alone has no such query."""
        return bool(self.where or self.order)

    def query(self, *, limit: int, before: str | None = None) -> RunQuery:
        """The filter as a query of the store; runs of single cells are left out.

        Args:
            limit: How many runs at most.
            before: The id of a run; only older ones are found.

        Returns:
            The query.
        """
        states = () if self.state is None else (self.state,)
        return RunQuery(pipeline=self.pipeline, states=states, limit=limit, before=before, kind="pipeline")

    def matches(self, run: RunRecord) -> bool:
        """Whether it shows a run, as far as that is known without a query in SQL.

        Args:
            run: The run's record.

        Returns:
            True if the pipeline and the state match.
        """
        return self.pipeline in (None, run.pipeline) and self.state in (None, run.state)


def page(
    stack: OpenStack, wanted: RunFilter, before: str | None = None, *, offset: int = 0
) -> tuple[list[RunRecord], bool]:
    """Read one page of runs, newest first or in the filter's order.

    Args:
        stack: Where the runs are recorded.
        wanted: Which runs.
        before: The id of the run before the page; None for the first page. An order ignores it.
        offset: In an order, how many runs come before the page.

    Returns:
        The runs, and whether there are more.
    """
    metadata = stack.metadata
    if wanted.state is not None and wanted.state.ended:  # some that seem to be running may have crashed
        mark_crashed_runs(metadata, metadata.runs(replace(wanted.query(limit=PAGE), states=_RUNNING)))
    if wanted.in_sql:
        records = _select(stack, wanted, before, offset)
    else:
        records = metadata.runs(wanted.query(limit=PAGE + 1, before=before))
    known = mark_crashed_runs(metadata, records[:PAGE])
    return [record for record in known if wanted.matches(record)], len(records) > PAGE


def _select(stack: OpenStack, wanted: RunFilter, before: str | None, offset: int) -> list[RunRecord]:
    from zenbook.history.sql.mirror import mirror_of
    from zenbook.history.sql.run_selection import select_runs

    mirror = mirror_of(stack)
    mirror.cursor().close()  # it knows the names of the fields from here on
    records: list[RunRecord] = select_runs(
        stack,
        pipeline=wanted.pipeline,
        state=wanted.state,
        where=wanted.where or None,
        order_by=_order(wanted.order, mirror.field) if wanted.order else None,
        limit=PAGE + 1,
        before=None if wanted.order else before,
        offset=offset if wanted.order else 0,
    )
    return records


def _order(order: str, field: Callable[[str, str], str]) -> str:
    """A column's key as an expression of SQL. Raises `QueryError` for a column that the panel does not have."""
    from zenbook.history.sql.mirror.mirror_schema import quoted

    down, key = ("-", order[1:]) if order.startswith("-") else ("", order)
    section = {"p:": "params", "m:": "metrics"}.get(key[:2])
    if section is not None:
        return f"{down}{section}.{quoted(field(section, key[2:]))}"
    if key not in _COLUMNS:
        raise QueryError(f"Runs cannot be sorted by {key!r}.", did_you_mean(key, _COLUMNS, noun="column"))
    return f"{down}{_COLUMNS[key]}"


def rows_of(metadata: MetadataStore, runs: Sequence[RunRecord]) -> list[Row]:
    """Read the runs' parameters and the last values of their metrics.

    Args:
        metadata: Where the runs are recorded.
        runs: The runs.

    Returns:
        A row for each run, in the same order.
    """
    ids = [record.id for record in runs]
    values: dict[str, dict[str, Any]] = {run: {} for run in ids}
    if ids:
        for param in metadata.params(ids):
            if not param.step:
                values[param.run][f"p:{param.name}"] = _to_json(json.loads(param.value))
        for metric in metadata.metrics(ids):
            values[metric.run][f"m:{metric.name}"] = _to_json(metric.value)
    return [_row(record, values[record.id]) for record in runs]


class Newest:
    """The newest page, of which only what has changed is sent.

    Args:
        wanted: Which runs.
    """

    def __init__(self, wanted: RunFilter) -> None:
        self.wanted = wanted
        self._rows: dict[str, Row] = {}
        self._ids: list[str] | None = None
        self._running: set[str] = set()

    def follow(self, rows: Iterable[Row]) -> None:
        """Look again at the running runs of an older page.

        Args:
            rows: The rows of that page.
        """
        for row in rows:
            if row["state"] in _RUNNING:
                self._rows[row["id"]] = row
                self._running.add(row["id"])

    def look(self, stack: OpenStack) -> dict[str, Any] | None:
        """Find what has changed since the last look.

        Args:
            stack: Where the runs are recorded.

        Returns:
            The message for the page, or None. Its ``ids`` are those of the newest page: a run that is newer than the
            last of them, and is not one of them, was deleted.
        """
        metadata = stack.metadata
        runs, more = page(stack, self.wanted)
        ids = [record.id for record in runs]
        older = self._older(metadata, set(ids))
        gone = [record.id for record in older if not self.wanted.matches(record)]
        here = [*runs, *(record for record in older if record.id not in gone)]
        # A run that had ended when it was sent does not change any more.
        alive = [record for record in here if record.id not in self._rows or record.id in self._running]
        changed = [row for row in rows_of(metadata, alive) if row != self._rows.get(row["id"])]
        new_page = ids != self._ids
        self._ids = ids
        self._rows = {record.id: self._rows[record.id] for record in here if record.id in self._rows}
        self._rows |= {row["id"]: row for row in changed}
        self._running = {record.id for record in here if not record.state.ended}
        if not (changed or gone or new_page):
            return None
        message: dict[str, Any] = {"wanted": self.wanted.to_message(), "rows": changed, "gone": gone}
        return message | {"ids": ids, "more": more} if new_page else message

    def _older(self, metadata: MetadataStore, shown: set[str]) -> list[RunRecord]:
        """Those that were running when they were last seen, and are not on the page."""
        records = (metadata.run(run) for run in sorted(self._running - shown, reverse=True)[:_MAX_OLDER])
        return mark_crashed_runs(metadata, [replace(record, plan="") for record in records if record is not None])


def _row(run: RunRecord, values: dict[str, Any]) -> Row:
    return {
        "id": run.id,
        "pipeline": one_line(run.pipeline),
        "state": str(run.state),
        "stack": run.stack,
        "error": cut(one_line(run.error), _MAX_LENGTH),
        "from": run.started_at,
        "to": run.ended_at,
        "values": values,
    }


def _to_json(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) < _EXACT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return cut(one_line(value if isinstance(value, str) else show(value)), _MAX_LENGTH)
