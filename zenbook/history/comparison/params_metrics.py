"""Parameters and metrics of runs, side by side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zenbook.history.comparison.metric_goals import Goal
from zenbook.history.comparison.run_data import RunData, parameter_text


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its last value in each run that has it, by run id, and how the others differ from the first run's.

    ``relative`` is the change divided by the first run's absolute value; a run is left out where that is not defined.
    """

    values: Mapping[str, float]
    change: Mapping[str, float] = field(default_factory=dict)
    relative: Mapping[str, float] = field(default_factory=dict)
    better: Goal | None = None  # see `metric_goal`

    def verdict(self, run: str) -> str:
        """Whether a run's change is an improvement.

        Args:
            run: The run's id.

        Returns:
            ``better`` or ``worse``; empty where nothing changed, or where the metric has no goal.
        """
        change = self.change.get(run, 0.0)
        if self.better is None or not change or math.isnan(change):
            return ""
        return "better" if (change > 0) == (self.better is Goal.HIGHER) else "worse"

    @property
    def best(self) -> str | None:
        """The id of the best run (the first of equals); None where the metric has no goal."""
        values = {run: value for run, value in self.values.items() if not math.isnan(value)}
        if self.better is None or not values:
            return None
        choose = max if self.better is Goal.HIGHER else min
        return choose(values, key=values.__getitem__)


def params(runs: Sequence[RunData]) -> dict[str, dict[str, Any]]:
    """The parameters of all runs.

    A step's parameter is there as ``step.name``, unless it equals the pipeline's of that name in all runs. A path whose
    file has another content shows the content's digest.

    Args:
        runs: The runs.

    Returns:
        Each parameter's value in each run that has it, by run id.
    """
    of_run: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    of_step: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for run in runs:
        for param in run.params:
            values = of_step[param.step, param.name] if param.step else of_run[param.name]
            values[run.id] = param.value, param.content
    merged = dict(of_run)
    for (step, name), values in of_step.items():
        if of_run.get(name) != values:
            merged[f"{step}.{name}"] = values
    return {name: _parameter_texts(values) for name, values in merged.items()}


def metrics(runs: Sequence[RunData], goals: Mapping[str, Goal]) -> dict[str, Metric]:
    """The metrics of all runs.

    Args:
        runs: The runs; changes are from the first.
        goals: The metrics' goals.

    Returns:
        Each metric by name; by ``step.name`` where several steps of one run log it.
    """
    last: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))  # name → run → step → value
    for run in runs:
        for metric in run.metrics:
            last[metric.name][run.id][metric.step] = metric.value
    by_name: dict[str, dict[str, float]] = {}
    for name, of_runs in last.items():
        if all(len(steps) == 1 for steps in of_runs.values()):
            by_name[name] = {run: next(iter(steps.values())) for run, steps in of_runs.items()}
            continue
        for run_id, steps in of_runs.items():
            for step, value in steps.items():
                by_name.setdefault(f"{step}.{name}", {})[run_id] = value
    order = [run.id for run in runs]
    return {name: _metric(values, order, _goal(name, goals)) for name, values in by_name.items()}


def differs(values: Mapping[str, Any], runs: Sequence[RunData]) -> bool:
    """Whether runs differ in a value: one lacks it, or has another one.

    Args:
        values: The value by run id.
        runs: The runs.

    Returns:
        True for a difference; NaN equals NaN.
    """
    ids = [run.id for run in runs]
    if len(values) < len(set(ids)) or any(run not in values for run in ids):
        return True
    first, *others = (values[run] for run in ids)
    return any(type(other) is not type(first) or not _equal(other, first) for other in others)


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right) or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def _parameter_texts(values: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    several = len({content for _, content in values.values()}) > 1
    return {
        run: f"{parameter_text(text)} (content {content[:8]})" if several and content else parameter_text(text)
        for run, (text, content) in values.items()
    }


def _metric(values: Mapping[str, float], order: Sequence[str], goal: Goal | None) -> Metric:
    first = values.get(order[0])
    others = [run for run in order[1:] if run in values and run != order[0]]
    if first is None:
        return Metric(values, better=goal)
    changes = {run: 0.0 if _equal(values[run], first) else values[run] - first for run in others}
    relative = {run: change / abs(first) for run, change in changes.items() if first and math.isfinite(first)}
    return Metric(values, changes, relative, goal)


def _goal(name: str, goals: Mapping[str, Goal]) -> Goal | None:
    return goals.get(name) or goals.get(name.rpartition(".")[2])
