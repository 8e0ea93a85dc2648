"""The same pictures as Vega-Lite charts: plain data, with the values in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zenbook.display.table import cell_text
from zenbook.history.comparison.plots.charts import Axis, Curve, is_wide
from zenbook.history.comparison.run_data import RunData

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, not fetched


def parallel(runs: Sequence[RunData], axes: Sequence[Axis], metric: str | None) -> Spec:
    """A line for each run through the axes, each scaled to its own range; the values are in the tooltip.

    Args:
        runs: The runs.
        axes: Two axes or more, from left to right.
        metric: The name of the last axis where it colours the lines; None where it does not.

    Returns:
        The chart.
    """
    scales = [axis.scale(0.0, 1.0) for axis in axes]
    rows = []
    for run in runs:
        values = {_field(place): _json_value(axis.values.get(run.id)) for place, axis in enumerate(axes)}
        for axis, scale in zip(axes, scales, strict=True):
            if run.id in axis.places:
                rows.append({"run": run.id, "axis": axis.name, "at": scale(axis.places[run.id]), **values})
    colour: Spec = {"value": "#3f83dd"}
    if metric is not None:
        field = _field(len(axes) - 1)
        colour = {"field": field, "type": "quantitative", "title": metric, "scale": {"scheme": "blues"}}
    tooltip = [{"field": "run", "type": "nominal"}]
    tooltip += [{"field": _field(place), "type": "nominal", "title": axis.name} for place, axis in enumerate(axes)]
    return _chart(
        rows,
        {"type": "line", "opacity": 0.75},
        {
            "x": {
                "field": "axis",
                "type": "nominal",
                "sort": [axis.name for axis in axes],
                "title": None,
                "axis": {"labelAngle": 0, "grid": True},
            },
            "y": {"field": "at", "type": "quantitative", "axis": None},
            "detail": {"field": "run", "type": "nominal"},
            "color": colour,
            "tooltip": tooltip,
        },
    )


def scatter(runs: Sequence[RunData], x: Axis, y: Axis) -> Spec:
    """A point for each run.

    Args:
        runs: The runs; all have a value on both axes.
        x: The axis from left to right.
        y: The axis from bottom to top.

    Returns:
        The chart.
    """
    rows = [{"run": run.id, "x": _json_value(x.values[run.id]), "y": _json_value(y.values[run.id])} for run in runs]
    return _chart(
        rows,
        {"type": "point", "filled": True, "size": 60},
        {
            "x": {"field": "x", "title": x.name, **_kind(x)},
            "y": {"field": "y", "title": y.name, **_kind(y)},
            "tooltip": [
                {"field": "run", "type": "nominal"},
                {"field": "x", "type": _kind(x)["type"], "title": x.name},
                {"field": "y", "type": _kind(y)["type"], "title": y.name},
            ],
        },
    )


def curves(lines: Sequence[Curve], metric: str, over: str) -> Spec:
    """A line for each curve.

    Args:
        lines: The curves.
        metric: The metric that they show.
        over: What they are drawn over: ``step`` or ``time``.

    Returns:
        The chart.
    """
    rows = [{"run": curve.label, "x": x, "y": y} for curve in lines for x, y in curve.points]
    return _chart(
        rows,
        {"type": "line"},
        {
            "x": {"field": "x", "type": "quantitative", "title": "seconds" if over == "time" else "step"},
            "y": {"field": "y", "type": "quantitative", "title": metric, "scale": _scale(lines)},
            "color": {"field": "run", "type": "nominal"},
        },
    )


def _scale(lines: Sequence[Curve]) -> Spec:
    return {"type": "log"} if is_wide([y for curve in lines for _, y in curve.points]) else {"zero": False}


def _chart(rows: list[dict[str, Any]], mark: Spec, encoding: Spec) -> Spec:
    return {
        "$schema": _SCHEMA,
        "width": 560,
        "height": 240,
        "data": {"values": rows},
        "mark": {**mark, "tooltip": True},
        "encoding": encoding,
    }


def _kind(axis: Axis) -> Mapping[str, Any]:
    if axis.labels:
        return {"type": "nominal"}
    return {"type": "quantitative", "scale": {"type": "log"} if axis.log else {"zero": False}}


def _field(place: int) -> str:
    """A field without the dots and brackets that Vega-Lite reads as paths."""
    return f"v{place}"


def _json_value(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return cell_text(value)
