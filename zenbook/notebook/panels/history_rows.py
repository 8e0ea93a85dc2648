"""What the history panel is told: rows of runs as plain data, a page at a time, and then only what has changed."""

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
_GOING_ON = (RunState.PENDING, RunState.RUNNING)
_FOLLOWED = 20  # runs that go on though many newer ones have begun: so many are looked at again
_LONGEST = 200  # characters of a value
_EXACT = 2**53  # whole numbers from here on are not exact in a browser

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs the panel shows; the store leaves out all others."""

    pipeline: str | None = None
    state: RunState | None = None
    where: str = ""  # a condition in SQL
    order: str = ""  # of all runs by a column: its key, with a minus before it for the largest first

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Wanted:
        """As the browser says it."""
        state = asked.get("state")
        known = RunState(state) if state in list(RunState) else None
        where, order = (str(asked.get(one) or "").strip() for one in ("where", "order"))
        return cls(asked.get("pipeline") or None, known, where, order)

    def told(self) -> dict[str, str]:
        """As the browser says it."""
        return {
            "pipeline": self.pipeline or "",
            "state": self.state or "",
            "where": self.where,
            "order": self.order,
        }

    @property
    def in_sql(self) -> bool:
        """Whether the history has to be asked in SQL, which the store alone can't answer."""
        return bool(self.where or self.order)

    def query(self, *, limit: int, before: str | None = None) -> RunQuery:
        """As the store is asked; runs of single cells are left out."""
        states = () if self.state is None else (self.state,)
        return RunQuery(pipeline=self.pipeline, states=states, limit=limit, before=before, kind="pipeline")

    def takes(self, run: RunRecord) -> bool:
        """Whether it shows the run, as far as can be said without asking."""
        return self.pipeline in (None, run.pipeline) and self.state in (None, run.state)


def page(
    stack: OpenStack, wanted: Wanted, before: str | None = None, *, offset: int = 0
) -> tuple[list[RunRecord], bool]:
    """One page of runs, newest first or in the order that is wanted, and whether there are more.

    It begins after the run ``before``; in an order, after so many runs as ``offset`` says. Raises `QueryError`.
    """
    metadata = stack.metadata
    if wanted.state is not None and wanted.state.ended:  # some that seem to go on may have crashed
        mark_crashed_runs(metadata, metadata.runs(replace(wanted.query(limit=PAGE), states=_GOING_ON)))
    if wanted.in_sql:
        found = _asked(stack, wanted, before, offset)
    else:
        found = metadata.runs(wanted.query(limit=PAGE + 1, before=before))
    return [one for one in mark_crashed_runs(metadata, found[:PAGE]) if wanted.takes(one)], len(found) > PAGE


def _asked(stack: OpenStack, wanted: Wanted, before: str | None, offset: int) -> list[RunRecord]:
    from zenbook.history.sql.mirror import mirror_of
    from zenbook.history.sql.run_selection import select_runs

    mirror = mirror_of(stack)
    mirror.cursor().close()  # it knows the names of the fields from here on
    found: list[RunRecord] = select_runs(
        stack,
        pipeline=wanted.pipeline,
        state=wanted.state,
        where=wanted.where or None,
        order_by=_order(wanted.order, mirror.field) if wanted.order else None,
        limit=PAGE + 1,
        before=None if wanted.order else before,
        offset=offset if wanted.order else 0,
    )
    return found


def _order(order: str, field: Callable[[str, str], str]) -> str:
    """A column's key as an expression of SQL. Raises `QueryError` for a column that the panel does not have."""
    from zenbook.history.sql.mirror.mirror_schema import quoted

    down, key = ("-", order[1:]) if order.startswith("-") else ("", order)
    section = {"p:": "params", "m:": "metrics"}.get(key[:2])
    if section is not None:
        return f"{down}{section}.{quoted(field(section, key[2:]))}"
    if key not in _COLUMNS:
        raise QueryError(f"Runs can't be sorted by {key!r}.", did_you_mean(key, _COLUMNS, noun="column"))
    return f"{down}{_COLUMNS[key]}"


def rows_of(metadata: MetadataStore, runs: Sequence[RunRecord]) -> list[Row]:
    """The runs with their parameters and the last values of their metrics."""
    ids = [one.id for one in runs]
    values: dict[str, dict[str, Any]] = {one: {} for one in ids}
    if ids:
        for param in metadata.params(ids):
            if not param.step:
                values[param.run][f"p:{param.name}"] = _plain(json.loads(param.value))
        for metric in metadata.metrics(ids):
            values[metric.run][f"m:{metric.name}"] = _plain(metric.value)
    return [_row(one, values[one.id]) for one in runs]


class Newest:
    """The newest page, of which only that is told which has not been told before."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._rows: dict[str, Row] = {}
        self._ids: list[str] | None = None
        self._going_on: set[str] = set()

    def follow(self, rows: Iterable[Row]) -> None:
        """Look again at those of an older page that go on."""
        for row in rows:
            if row["state"] in _GOING_ON:
                self._rows[row["id"]] = row
                self._going_on.add(row["id"])

    def look(self, stack: OpenStack) -> dict[str, Any] | None:
        """What has changed, or None. Raises `QueryError`.

        ``ids`` are those of the page: what is newer than its end and not in it is gone.
        """
        metadata = stack.metadata
        runs, more = page(stack, self.wanted)
        ids = [one.id for one in runs]
        older = self._older(metadata, set(ids))
        gone = [one.id for one in older if not self.wanted.takes(one)]
        here = [*runs, *(one for one in older if one.id not in gone)]
        # What had ended when it was told does not change any more.
        alive = [one for one in here if one.id not in self._rows or one.id in self._going_on]
        changed = [row for row in rows_of(metadata, alive) if row != self._rows.get(row["id"])]
        new_page = ids != self._ids
        self._ids = ids
        self._rows = {one.id: self._rows[one.id] for one in here if one.id in self._rows}
        self._rows |= {row["id"]: row for row in changed}
        self._going_on = {one.id for one in here if not one.state.ended}
        if not (changed or gone or new_page):
            return None
        told: dict[str, Any] = {"wanted": self.wanted.told(), "rows": changed, "gone": gone}
        return told | {"ids": ids, "more": more} if new_page else told

    def _older(self, metadata: MetadataStore, shown: set[str]) -> list[RunRecord]:
        """Those that went on when they were last seen and are not on the page."""
        found = (metadata.run(one) for one in sorted(self._going_on - shown, reverse=True)[:_FOLLOWED])
        return mark_crashed_runs(metadata, [replace(one, plan="") for one in found if one is not None])


def _row(run: RunRecord, values: dict[str, Any]) -> Row:
    return {
        "id": run.id,
        "pipeline": one_line(run.pipeline),
        "state": str(run.state),
        "stack": run.stack,
        "error": cut(one_line(run.error), _LONGEST),
        "from": run.started_at,
        "to": run.ended_at,
        "values": values,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) < _EXACT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return cut(one_line(value if isinstance(value, str) else show(value)), _LONGEST)
