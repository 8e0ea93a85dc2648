"""Lists of runs, and functions that find one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zenbook.core.states import RunState
from zenbook.display.table import Table, moment
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import RunError, did_you_mean
from zenbook.history.comparison.run_data import parameter_text, read_run_data
from zenbook.history.references import run_id_of
from zenbook.history.run import Run
from zenbook.history.step_runs import time_between
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison
    from zenbook.history.comparison.plots.plot import Plot

_UNFINISHED = (RunState.PENDING, RunState.RUNNING)


class Runs(Sequence[Run]):
    """A list of runs, newest first. It shows itself as a table."""

    def __init__(self, records: Sequence[RunRecord], stack: OpenStack, *, more: bool = False) -> None:
        self._records = list(records)
        self._stack = stack
        self.more = more  # whether there are older runs

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Runs(self._records[place], self._stack)
        return Run(self._records[place].id, self._stack)

    def __len__(self) -> int:
        return len(self._records)

    def table(self) -> Table:
        """The runs with their parameters and metrics as columns."""
        ids = [record.id for record in self._records]
        metadata = self._stack.metadata
        params = [param for param in metadata.params(ids) if not param.step] if ids else []
        metrics = metadata.metrics(ids) if ids else []
        names = {param.name for param in params}
        columns: dict[str, dict[str, Any]] = {}
        for param in params:
            columns.setdefault(param.name, {})[param.run] = parameter_text(param.value)
        for metric in metrics:
            name = f"{metric.name} (metric)" if metric.name in names else metric.name
            columns.setdefault(name, {})[metric.run] = metric.value
        rows = [
            (
                run.id,
                run.pipeline,
                str(run.state),
                moment(run.started_at),
                time_between(run.started_at, run.ended_at),
                run.stack,
                *(values.get(run.id) for values in columns.values()),
            )
            for run in self._records
        ]
        title = f"Runs: the newest {len(self)}, and there are older ones" if self.more else "Runs"
        return Table(title, ("run", "pipeline", "state", "started", "took", "stack", *columns), rows, "(no runs yet)")

    def df(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table().df()

    def compare(self, *, all: bool = False) -> Comparison:
        """Compare the runs with the oldest of them.

        Args:
            all: Show everything, not only what differs.

        Returns:
            What differs; it shows itself as text and HTML.
        """
        from zenbook.history.comparison.compare import compare

        return compare(read_run_data([(run.record, run._stack) for run in reversed(self)]), all=all)

    def plot(self, *, metric: str | None = None) -> Plot:
        """Draw parallel coordinates of the runs, as `Comparison.plot` does.

        Args:
            metric: The metric that colours the lines.

        Returns:
            The plot.
        """
        return self.compare().plot(metric=metric)

    def scatter(self, param: str, metric: str) -> Plot:
        """Draw a metric against a parameter, as `Comparison.scatter` does.

        Args:
            param: The parameter's name.
            metric: The metric's name.

        Returns:
            The plot.
        """
        return self.compare().scatter(param, metric)

    def curves(self, metric: str | None = None, *, over: str = "step") -> Plot:
        """Draw the values of a metric over training steps or time, as `Comparison.curves` does.

        Args:
            metric: The metric's name; None is the first that was logged more than once.
            over: ``step`` or ``time``.

        Returns:
            The plot.
        """
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
    """List runs of pipelines, newest first. An invalid condition or order raises `QueryError`.

    Args:
        pipeline: The name of a pipeline; None for all.
        state: One of the states of a run, such as ``succeeded``; None for all.
        where: A condition in SQL over the view ``runs``: ``"metrics.accuracy > 0.9"``.
        order_by: One or more expressions in SQL; a minus before one sorts it from large to small.
        limit: The largest number of runs, at least 1; None for all.
        stack: The name of the stack whose metadata store is searched; None is the active stack.

    Returns:
        The runs.

    Raises:
        RunError: If the state is unknown, or the limit is less than 1.
    """
    if state is not None and state not in list(RunState):
        raise RunError(f"Unknown state {state!r}.", did_you_mean(state, list(RunState), noun="state"))
    if limit is not None and limit < 1:
        raise RunError(f"The limit is {limit}.", "Use a limit of at least 1, or None for all runs.")
    opened = open_stack(stack)
    metadata = opened.metadata
    one_more = None if limit is None else limit + 1  # to see whether there are older runs
    if where is not None or order_by is not None:
        from zenbook.history.sql.run_selection import select_runs

        selected = select_runs(opened, pipeline=pipeline, state=state, where=where, order_by=order_by, limit=one_more)
        return Runs(selected[:limit], opened, more=len(selected) > len(selected[:limit]))
    if state not in (None, RunState.RUNNING, RunState.PENDING):  # some that seem to be running may have crashed
        mark_crashed_runs(metadata, metadata.runs(RunQuery(pipeline=pipeline, states=_UNFINISHED, limit=limit)))
    states = (RunState(state),) if state is not None else ()
    records = metadata.runs(RunQuery(pipeline=pipeline, states=states, limit=one_more, kind="pipeline"))
    shown = [run for run in mark_crashed_runs(metadata, records[:limit]) if not states or run.state in states]
    return Runs(shown, opened, more=len(records) > len(records[:limit]))


def best(
    pipeline: str, metric: str, *, lower: bool | None = None, where: str | None = None, stack: str | None = None
) -> Run:
    """Find the run of a pipeline that succeeded with the best value of a metric; of several, the newest.

    A metric that no run has, or an invalid condition, raises `QueryError`.

    Args:
        pipeline: The pipeline's name.
        metric: The metric's name.
        lower: Whether lower values are better. None uses the goal set by `zenbook.metric_goal`, else higher.
        where: A further condition in SQL over the view ``runs``.
        stack: The name of the stack whose metadata store is searched; None is the active stack.

    Returns:
        The run.

    Raises:
        RunError: If no run of the pipeline that succeeded has the metric.
    """
    from zenbook.history.comparison.metric_goals import Goal, known_goals
    from zenbook.history.sql.run_selection import best_run

    opened = open_stack(stack)
    if lower is None:
        lower = known_goals(opened.workspace).get(metric) is Goal.LOWER
    record = best_run(opened, pipeline, metric, lower=lower, where=where)
    if record is None:
        raise RunError(f"No run of {pipeline!r} that succeeded has the metric {metric!r}.", "See `zen runs`.")
    return Run(record.id, opened)


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


__all__ = ["Run", "Runs", "best", "find_run", "runs"]
