"""``run.diff(other)``, ``zen compare A B …``: what differs between runs, drawn as text, as HTML and as plots."""

from __future__ import annotations

from collections.abc import Sequence

from zenbook.errors import RunError
from zenbook.history.comparison.as_html import comparison_html
from zenbook.history.comparison.as_text import comparison_text
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.plots.plot import Plot, curves, parallel, scatter
from zenbook.history.comparison.run_data import RunData


class Comparison(ComparisonData):
    """What differs between runs; it shows itself as text and HTML.

    The attributes hold what differs, or everything where ``all`` is set. Values of several runs are mappings by run id;
    a run that has no value is left out. Code and artifacts of each run are compared with the first run's.
    """

    def plot(self, *, metric: str | None = None) -> Plot:
        """Parallel coordinates: a line for each run through its parameters and metrics.

        Args:
            metric: The metric that colours the lines; None for the one that was logged last.

        Returns:
            The picture. `RunError` is raised where the runs have too few parameters and metrics, or not this metric.
        """
        return parallel(self, metric)

    def scatter(self, param: str, metric: str) -> Plot:
        """A point for each run: a metric against a parameter.

        Args:
            param: The parameter.
            metric: The metric.

        Returns:
            The picture. `RunError` is raised for names that the runs do not have.
        """
        return scatter(self, param, metric)

    def curves(self, metric: str | None = None, *, over: str = "step") -> Plot:
        """A line for each run: the values of a metric that was logged more than once.

        Args:
            metric: The metric; None for the first that was logged more than once.
            over: What the values are drawn over: the ``step`` that they were logged with, or ``time`` in seconds.

        Returns:
            The picture. `RunError` is raised where no metric was logged more than once.
        """
        return curves(self, metric, over)

    def __repr__(self) -> str:
        return comparison_text(self)

    def _repr_html_(self) -> str:
        return comparison_html(self)


def compare(runs: Sequence[RunData], *, all: bool = False, key: str | None = None) -> Comparison:
    """Compare runs with the first of them. They may be of different pipelines and stacks.

    Args:
        runs: Two runs or more, see `read_run_data`.
        all: Show everything, not only what differs.
        key: The column that identifies the rows of data frames.

    Returns:
        What differs.

    Raises:
        RunError: There are fewer than two runs.
    """
    if len(runs) < 2:
        raise RunError("A comparison needs two runs or more.", "Name another run: zen compare A B. See `zen runs`.")
    return Comparison(runs, all=all, key=key)
