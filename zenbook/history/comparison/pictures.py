"""Which pictures a comparison shows by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from zenbook.errors import RunError
from zenbook.history.comparison.params_metrics import differs
from zenbook.history.comparison.plot import Plot, curves, logged_often, parallel, scatter

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison

FEW = 50  # runs whose curves can be told apart
_CURVES = 4  # metrics that were logged more than once


def pictures(of: Comparison) -> list[Plot]:
    """Parallel coordinates and a scatter of three runs or more, and the curves of the first metrics that have some."""
    drawn = []
    for draw in _wanted(of):
        with suppress(RunError):  # nothing finite to draw: the tables say so
            drawn.append(draw())
    return drawn


def _wanted(of: Comparison) -> Iterator[Callable[[], Plot]]:
    params = [name for name, values in of.every_param.items() if differs(values, of.facts)]
    metrics = [name for name, one in of.every_metric.items() if differs(one.values, of.facts)]
    if len(of.runs) > 2:
        yield lambda: parallel(of, None)
        numeric = {
            name: len(set(of.every_param[name].values())) for name in params if _is_numeric(of.every_param[name])
        }
        if numeric and metrics:
            param, score = max(numeric, key=lambda name: numeric[name]), metrics[-1]  # a score is logged last
            yield lambda: scatter(of, param, score)
    if len(of.runs) <= FEW:
        for name in [*logged_often(of.facts)][:_CURVES]:
            yield partial(curves, of, name, "step")


def _is_numeric(values: Any) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values.values())
