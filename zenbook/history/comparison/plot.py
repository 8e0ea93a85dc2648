"""Pictures of many runs: parallel coordinates, a metric against a parameter, curves.

A picture is a static SVG for everyone; it is also a Vega-Lite chart, which JupyterLab draws by itself, without a kernel
and without the internet. Altair is needed only to go on from the chart in Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zenbook.display.svg import image
from zenbook.errors import RunError, ZenbookError, did_you_mean
from zenbook.history.comparison import charts, vega
from zenbook.history.comparison.charts import Axis, Curve
from zenbook.history.comparison.metric_goals import Goal
from zenbook.history.comparison.params_metrics import differs
from zenbook.history.comparison.run_data import RunData

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison

_MOST_AXES = 12
_MOST_POINTS = 400, 20_000  # of one curve, and of all; longer ones are thinned
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
    def img(self) -> str:
        """The static picture as an HTML image that needs nothing."""
        return image(self.svg, self.title)

    def interactive(self) -> Interactive:
        """The chart with values to point at; where no chart can be drawn, the static picture."""
        return Interactive(self)

    def chart(self) -> Any:
        """The chart as an `altair` object, to be changed and saved. Raises `ZenbookError` without altair."""
        try:
            import altair
        except ImportError:
            raise ZenbookError("altair is not installed.", 'Install it: pip install "zenbook[plots]"') from None
        return altair.Chart.from_dict({name: one for name, one in self.spec.items() if name != "$schema"})

    def __repr__(self) -> str:
        return f"<plot {self.title}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self.img, MIME: dict(self.spec)}


@dataclass(frozen=True, slots=True, repr=False)
class Interactive:
    """A picture that notebooks draw by Vega-Lite, since no HTML is beside it that JupyterLab would prefer."""

    plot: Plot

    def __repr__(self) -> str:
        return repr(self.plot)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "image/svg+xml": self.plot.svg, MIME: dict(self.plot.spec)}


def parallel(of: Comparison, metric: str | None) -> Plot:
    """Parallel coordinates of what varies; see `Comparison.plot`."""
    if metric is not None:
        _known(metric, of.every_metric, "metric")
    metrics = {name: one for name, one in of.every_metric.items() if differs(one.values, of.facts)}
    chosen = metric or next(reversed(metrics), None)  # a score is logged last
    kept = [name for name in metrics if name != chosen][: _MOST_AXES // 2]
    axes = [
        *(Axis.of(name, values) for name, values in of.every_param.items() if differs(values, of.facts)),
    ][: _MOST_AXES - len(kept) - 1]
    axes += [Axis.of(name, metrics[name].values) for name in kept]
    if chosen is not None:
        axes.append(Axis.of(chosen, of.every_metric[chosen].values))
    if len(axes) < 2:
        raise RunError("There is too little to draw: the runs differ in less than two parameters and metrics.")
    shades = _shades(of, chosen)
    every = len(metrics) + sum(differs(values, of.facts) for values in of.every_param.values())
    title = f"{len(of.facts)} runs" + (f", coloured by {chosen}" if chosen else "")
    title += f" ({len(axes)} of {every} parameters and metrics)" if len(axes) < every else ""
    return Plot(title, charts.parallel(title, of.facts, axes, shades), vega.parallel(of.facts, axes, chosen))


def scatter(of: Comparison, param: str, metric: str) -> Plot:
    """A metric against a parameter; see `Comparison.scatter`."""
    _known(param, of.every_param, "parameter")
    _known(metric, of.every_metric, "metric")
    x, y = Axis.of(param, of.every_param[param]), Axis.of(metric, of.every_metric[metric].values)
    title = f"{metric} against {param}"
    points = [run for run in of.facts if run.id in x.places and run.id in y.places]
    if not points:
        raise RunError(f"No run has both the parameter {param!r} and a finite {metric!r}.", "Choose others.")
    return Plot(title, charts.scatter(title, points, x, y), vega.scatter(points, x, y))


def curves(of: Comparison, metric: str | None, over: str) -> Plot:
    """A metric's values in each run; see `Comparison.curves`."""
    if over not in ("step", "time"):
        raise RunError(f"A curve can't run over {over!r}.", did_you_mean(over, ("step", "time")))
    often = logged_often(of.facts)
    name = metric if metric is not None else next(iter(often), None)
    if name is None:
        raise RunError("No metric was logged more than once.", "Log one in a loop: log_metrics(loss=…, step=i).")
    if name not in often:
        _known(name, {**of.every_metric, **often}, "metric")
    most = max(10, min(_MOST_POINTS[0], _MOST_POINTS[1] // len(of.facts)))
    found = [curve for run in of.facts for curve in _curves(run, name, over, most)]
    if not found:
        raise RunError(f"The metric {name!r} has no finite values.", "Choose another one.")
    title = f"{name} over {'time (s)' if over == 'time' else 'steps'}"
    return Plot(title, charts.curves(title, found, over), vega.curves(found, name, over))


def logged_often(facts: Sequence[RunData]) -> dict[str, None]:
    """The metrics that some step of some run logged more than once."""
    return {one.name: None for run in facts for one in run.metrics if one.n > 0}


def _curves(run: RunData, name: str, over: str, most: int) -> list[Curve]:
    """A curve for each step of the run that logged the metric; time runs from its first value.

    Values that are not finite are left out.
    """
    of_step: dict[str, list[tuple[float, float]]] = {}
    began: dict[str, float] = {}
    for one in run.metrics:
        if name not in (f"{one.step}.{one.name}", one.name):
            continue
        if math.isfinite(one.value):
            start = began.setdefault(one.step, one.at)
            x = one.at - start if over == "time" else one.index if one.index is not None else one.n
            of_step.setdefault(one.step, []).append((float(x), one.value))
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


def _shades(of: Comparison, metric: str | None) -> dict[str, float]:
    """Where each run's value of the metric is between the least (0) and the most (1); better ones are darker."""
    if metric is None:
        return {}
    one = of.every_metric[metric]
    known = {run: value for run, value in one.values.items() if math.isfinite(value)}
    if not known:
        return {}
    low, high = min(known.values()), max(known.values())
    shares = {run: 0.5 if high == low else (value - low) / (high - low) for run, value in known.items()}
    return {run: 1 - share for run, share in shares.items()} if one.better is Goal.LOWER else shares


def _known(name: str, names: Mapping[str, Any], noun: str) -> None:
    if name not in names:
        raise RunError(f"The runs have no {noun} {name!r}.", did_you_mean(name, names, noun=noun))
