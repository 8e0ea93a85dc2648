"""Which pictures a comparison shows by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from zenbook.errors import RunError
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.params_metrics import differs
from zenbook.history.comparison.plots.plot import Plot, curves, logged_often, parallel, scatter

_MAX_RUNS = 50  # runs whose curves can be told apart
_MAX_CURVES = 4  # metrics that were logged more than once


def pictures(comparison: ComparisonData) -> list[Plot]:
    """Parallel coordinates and a scatter of three runs or more, and the curves of the first metrics that have some.

    Args:
        comparison: The comparison.

    Returns:
        The pictures for which there is something to draw.
    """
    plots = []
    for draw in _chosen(comparison):
        with suppress(RunError):  # nothing finite to draw: the tables say so
            plots.append(draw())
    return plots


def _chosen(comparison: ComparisonData) -> Iterator[Callable[[], Plot]]:
    runs = comparison.run_data
    params = [name for name, values in comparison.all_params.items() if differs(values, runs)]
    metrics = [name for name, metric in comparison.all_metrics.items() if differs(metric.values, runs)]
    if len(runs) > 2:
        yield partial(parallel, comparison, None)
        distinct = {
            name: len(set(comparison.all_params[name].values()))
            for name in params
            if _is_numeric(comparison.all_params[name])
        }
        if distinct and metrics:  # a score is logged last
            yield partial(scatter, comparison, max(distinct, key=distinct.__getitem__), metrics[-1])
    if len(runs) <= _MAX_RUNS:
        for name in [*logged_often(runs)][:_MAX_CURVES]:
            yield partial(curves, comparison, name, "step")


def _is_numeric(values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
