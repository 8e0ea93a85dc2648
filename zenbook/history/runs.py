"""The history: lists of runs, and the way to find one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zenbook.core.plain_values import show
from zenbook.core.states import RunState
from zenbook.display.table import Table, moment
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import RunError, did_you_mean
from zenbook.history.references import run_id_of
from zenbook.history.run import Run
from zenbook.history.step_runs import time_between
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison
    from zenbook.history.comparison.plots.plot import Plot

_GOING_ON = (RunState.PENDING, RunState.RUNNING)


class Runs(Sequence[Run]):
    """A list of runs, newest first, that shows itself as a table. ``more`` says that there are older ones."""

    def __init__(self, records: Sequence[RunRecord], stack: OpenStack, *, more: bool = False) -> None:
        self._records = list(records)
        self._stack = stack
        self.more = more

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Runs(self._records[place], self._stack)
        return Run(self._records[place].id, self._stack)

    def __len__(self) -> int:
        return len(self._records)

    def table(self) -> Table:
        """The runs with their parameters and metrics as columns."""
        ids = [one.id for one in self._records]
        metadata = self._stack.metadata
        params = [one for one in metadata.params(ids) if not one.step] if ids else []
        metrics = metadata.metrics(ids) if ids else []
        names = {one.name for one in params}
        columns: dict[str, dict[str, Any]] = {}
        for one in params:
            columns.setdefault(one.name, {})[one.run] = _cell(one.value)
        for value in metrics:
            name = f"{value.name} (metric)" if value.name in names else value.name
            columns.setdefault(name, {})[value.run] = value.value
        rows = [
            (
                one.id,
                one.pipeline,
                str(one.state),
                moment(one.started_at),
                time_between(one.started_at, one.ended_at),
                one.stack,
                *(values.get(one.id) for values in columns.values()),
            )
            for one in self._records
        ]
        title = f"Runs: the newest {len(self)}, and there are older ones" if self.more else "Runs"
        return Table(title, ("run", "pipeline", "state", "started", "took", "stack", *columns), rows, "(no runs yet)")

    def df(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table().df()

    def compare(self, *, all: bool = False) -> Comparison:
        """What differs among the runs, each compared with the oldest of them; everything with ``all``."""
        from zenbook.history.comparison.compare import compare
        from zenbook.history.comparison.run_data import read_run_data

        return compare(read_run_data([(run.record, run._stack) for run in reversed(self)]), all=all)

    def plot(self, *, metric: str | None = None) -> Plot:
        """Parallel coordinates of the runs; see `Comparison.plot`."""
        return self.compare().plot(metric=metric)

    def scatter(self, param: str, metric: str) -> Plot:
        """A metric against a parameter; see `Comparison.scatter`."""
        return self.compare().scatter(param, metric)

    def curves(self, metric: str | None = None, *, over: str = "step") -> Plot:
        """A metric over steps or time; see `Comparison.curves`."""
        return self.compare().curves(metric, over=over)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def runs(
    pipeline: str | None = None,
    *,
    state: str | None = None,
    where: str | None = None,
    order_by: str | Sequence[str] | None = None,
    limit: int | None = 20,
    stack: str | None = None,
) -> Runs:
    """The runs of the active stack's metadata store, newest first; runs of single cells are left out.

    ``where`` is a condition in SQL over the view ``runs``, ``order_by`` an expression or several, with a minus before
    one for the largest first. Raises `RunError` for a state that there is not, `QueryError` for a condition.
    """
    if state is not None and state not in list(RunState):
        raise RunError(f"There is no state {state!r}.", did_you_mean(state, list(RunState), noun="state"))
    if limit is not None and limit < 1:
        raise RunError(f"A list of {limit} runs shows nothing.", "Give a limit of at least 1, or None for all.")
    opened = open_stack(stack)
    metadata = opened.metadata
    if where is not None or order_by is not None:
        from zenbook.history.sql.run_selection import select_runs

        most = None if limit is None else limit + 1
        chosen = select_runs(opened, pipeline=pipeline, state=state, where=where, order_by=order_by, limit=most)
        return Runs(chosen[:limit], opened, more=len(chosen) > len(chosen[:limit]))
    if state not in (None, RunState.RUNNING, RunState.PENDING):  # some that seem to go on may have crashed
        mark_crashed_runs(metadata, metadata.runs(RunQuery(pipeline=pipeline, states=_GOING_ON, limit=limit)))
    states = (RunState(state),) if state is not None else ()
    one_more = None if limit is None else limit + 1
    found = metadata.runs(RunQuery(pipeline=pipeline, states=states, limit=one_more, kind="pipeline"))
    records = [one for one in mark_crashed_runs(metadata, found[:limit]) if not states or one.state in states]
    return Runs(records, opened, more=len(found) > len(found[:limit]))


def best(
    pipeline: str, metric: str, *, lower: bool | None = None, where: str | None = None, stack: str | None = None
) -> Run:
    """The run of a pipeline that succeeded with the highest value of a metric, or with ``lower`` the lowest.

    Without ``lower`` the goal that `zenbook.metric_goal` set decides, else the highest value. Of several runs it is the
    newest; ``where`` is one more condition in SQL. Raises `RunError` when there is none, `QueryError` for a metric that
    no run has.
    """
    from zenbook.history.comparison.metric_goals import Goal, known_goals
    from zenbook.history.sql.run_selection import best_run

    opened = open_stack(stack)
    if lower is None:
        lower = known_goals(opened.workspace).get(metric) is Goal.LOWER
    found = best_run(opened, pipeline, metric, lower=lower, where=where)
    if found is None:
        raise RunError(f"No run of {pipeline!r} that succeeded has the metric {metric!r}.", "See `zen runs`.")
    return Run(found.id, opened)


def find_run(reference: str | None = None, *, stack: str | None = None) -> Run:
    """Find a run. If no run matches, or more than one, it raises `RunError`.

    Args:
        reference: A run's id, ``latest`` (the default), the name of a pipeline (its newest run), or the beginning or
            end of an id. ``latest~1`` is the run before the latest, ``training~2`` the third newest of a pipeline.
        stack: The name of the stack whose metadata store is searched; None is the active stack.

    Returns:
        The run.
    """
    opened = open_stack(stack)
    return Run(run_id_of(opened.metadata, reference), opened)


def _cell(text: str) -> Any:
    value = json.loads(text)
    return value if isinstance(value, int | float | str | bool | None) else show(value)


__all__ = ["Run", "Runs", "best", "find_run", "runs"]
