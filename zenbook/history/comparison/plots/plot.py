"""Pictures of many runs: parallel coordinates, a metric against a parameter, curves.

A picture is a static SVG for everyone; it is also a Vega-Lite chart, which JupyterLab draws by itself, without a kernel
and without the internet. Altair is needed only to change the chart in Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.display.markup import Html
from zenbook.display.svg import image
from zenbook.errors import RunError, ZenbookError, did_you_mean
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.metric_goals import Goal
from zenbook.history.comparison.params_metrics import differs
from zenbook.history.comparison.plots import charts, vega
from zenbook.history.comparison.plots.charts import Axis, Curve
from zenbook.history.comparison.run_data import RunData

_MAX_AXES = 12
_MAX_POINTS, _MAX_POINTS_OF_ALL, _MIN_POINTS = 400, 20_000, 10  # of one curve and of all; longer ones are thinned
MIME = "application/vnd.vegalite.v5+json"  # what JupyterLab 4 draws


@dataclass(frozen=True, slots=True, repr=False)
class Plot:
    """A picture: ``svg`` is the static one, ``spec`` the Vega-Lite chart as plain data.

    What is shown holds both. JupyterLab prefers the static one; `interactive` shows the chart, with values to point at.
    """

    title: str
    svg: str
    spec: Mapping[str, Any]

    @property
    def img(self) -> Html:
        """The static picture as an HTML image that needs nothing else."""
        return image(self.svg, self.title)

    def interactive(self) -> Interactive:
        """The chart with values to point at; where no chart can be drawn, the static picture."""
        return Interactive(self)

    def chart(self) -> Any:
        """The chart as an `altair` object, to be changed and saved. Without altair it raises `ZenbookError`."""
        try:
            import altair
        except ImportError:
            raise ZenbookError("altair is not installed.", 'Install it: pip install "zenbook[plots]"') from None
        return altair.Chart.from_dict({name: value for name, value in self.spec.items() if name != "$schema"})

    def __repr__(self) -> str:
        return f"<plot {self.title}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": str(self.img), MIME: dict(self.spec)}


@dataclass(frozen=True, slots=True, repr=False)
class Interactive:
    """A picture that notebooks draw by Vega-Lite, because no HTML is beside it that JupyterLab would prefer."""

    plot: Plot

    def __repr__(self) -> str:
        return repr(self.plot)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "image/svg+xml": self.plot.svg, MIME: dict(self.plot.spec)}


def parallel(comparison: ComparisonData, metric: str | None) -> Plot:
    """Parallel coordinates of the parameters and metrics that vary (Inselberg, 1985).

    Args:
        comparison: The runs.
        metric: The metric that colours the lines; None for the one that was logged last.

    Returns:
        The picture.

    Raises:
        RunError: The runs do not have the metric, or differ in fewer than two parameters or metrics.
    """
    runs = comparison.run_data
    if metric is not None:
        _check_name(metric, comparison.all_metrics, "metric")
    params = {name: values for name, values in comparison.all_params.items() if differs(values, runs)}
    metrics = {name: each.values for name, each in comparison.all_metrics.items() if differs(each.values, runs)}
    chosen = metric or next(reversed(metrics), None)  # a score is logged last
    others = [name for name in metrics if name != chosen][: _MAX_AXES // 2]
    axes = [Axis.of(name, values) for name, values in params.items()][: _MAX_AXES - len(others) - 1]
    axes += [Axis.of(name, metrics[name]) for name in others]
    if chosen is not None:
        axes.append(Axis.of(chosen, comparison.all_metrics[chosen].values))
    if len(axes) < 2:
        raise RunError("Nothing to plot: the runs differ in fewer than two parameters or metrics.")
    varying = len(params) + len(metrics)
    title = f"{len(runs)} runs" + (f", coloured by {chosen}" if chosen else "")
    title += f" ({len(axes)} of {varying} parameters and metrics)" if len(axes) < varying else ""
    svg = charts.parallel(title, runs, axes, _shades(comparison, chosen))
    return Plot(title, svg, vega.parallel(runs, axes, chosen))


def scatter(comparison: ComparisonData, param: str, metric: str) -> Plot:
    """A metric against a parameter.

    Args:
        comparison: The runs.
        param: The parameter.
        metric: The metric.

    Returns:
        The picture.

    Raises:
        RunError: The runs do not have such names, or no run has both with a finite value.
    """
    _check_name(param, comparison.all_params, "parameter")
    _check_name(metric, comparison.all_metrics, "metric")
    x, y = Axis.of(param, comparison.all_params[param]), Axis.of(metric, comparison.all_metrics[metric].values)
    title = f"{metric} against {param}"
    points = [run for run in comparison.run_data if run.id in x.places and run.id in y.places]
    if not points:
        raise RunError(f"No run has both the parameter {param!r} and a finite {metric!r}.", "Choose others.")
    return Plot(title, charts.scatter(title, points, x, y), vega.scatter(points, x, y))


def curves(comparison: ComparisonData, metric: str | None, over: str) -> Plot:
    """A metric's values in each run.

    Args:
        comparison: The runs.
        metric: The metric; None for the first that was logged more than once.
        over: What the values are drawn over: ``step`` or ``time``.

    Returns:
        The picture.

    Raises:
        RunError: The runs do not have the metric, none was logged more than once, or it has no finite values.
    """
    if over not in ("step", "time"):
        raise RunError(f"Cannot draw a curve over {over!r}.", did_you_mean(over, ("step", "time")))
    runs = comparison.run_data
    often = logged_often(runs)
    name = metric if metric is not None else next(iter(often), None)
    if name is None:
        raise RunError("No metric was logged more than once.", "Log one in a loop: log_metrics(loss=…, step=i).")
    if name not in often:
        _check_name(name, {**comparison.all_metrics, **often}, "metric")
    most = max(_MIN_POINTS, min(_MAX_POINTS, _MAX_POINTS_OF_ALL // len(runs)))
    lines = [curve for run in runs for curve in _curves(run, name, over, most)]
    if not lines:
        raise RunError(f"The metric {name!r} has no finite values.", "Choose another one.")
    title = f"{name} over {'time (s)' if over == 'time' else 'steps'}"
    return Plot(title, charts.curves(title, lines, over), vega.curves(lines, name, over))


def logged_often(runs: Sequence[RunData]) -> dict[str, None]:
    """The metrics that some step of some run logged more than once.

    Args:
        runs: The runs.

    Returns:
        Names, in the order of the records.
    """
    return {metric.name: None for run in runs for metric in run.metrics if metric.n > 0}


def _curves(run: RunData, name: str, over: str, most: int) -> list[Curve]:
    """A curve for each step of the run that logged the metric, of its finite values; time starts at the first."""
    of_step: dict[str, list[tuple[float, float]]] = {}
    starts: dict[str, float] = {}
    for metric in run.metrics:
        if name not in (f"{metric.step}.{metric.name}", metric.name):
            continue
        if math.isfinite(metric.value):
            start = starts.setdefault(metric.step, metric.at)
            x = metric.at - start if over == "time" else metric.index if metric.index is not None else metric.n
            of_step.setdefault(metric.step, []).append((float(x), metric.value))
    several = len(of_step) > 1
    return [
        Curve(f"{run.label} {step}" if several else run.label, _thinned(sorted(points), most))
        for step, points in of_step.items()
    ]


def _thinned(points: list[tuple[float, float]], most: int) -> tuple[tuple[float, float], ...]:
    """Few enough points to draw, the first and the last among them."""
    if len(points) <= most:
        return tuple(points)
    step = (len(points) - 1) / (most - 1)
    return tuple(points[round(place * step)] for place in range(most))


def _shades(comparison: ComparisonData, name: str | None) -> dict[str, float]:
    """Where each run's value of a metric is between the least (0) and the most (1); better ones are darker."""
    if name is None:
        return {}
    metric = comparison.all_metrics[name]
    values = {run: value for run, value in metric.values.items() if math.isfinite(value)}
    if not values:
        return {}
    low, high = min(values.values()), max(values.values())
    shares = {run: 0.5 if high == low else (value - low) / (high - low) for run, value in values.items()}
    return {run: 1 - share for run, share in shares.items()} if metric.better is Goal.LOWER else shares


def _check_name(name: str, names: Mapping[str, Any], noun: str) -> None:
    if name not in names:
        raise RunError(f"The runs have no {noun} {name!r}.", did_you_mean(name, names, noun=noun))
