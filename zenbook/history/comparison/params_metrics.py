"""Parameters and metrics of runs, side by side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zenbook.history.comparison.metric_goals import Goal
from zenbook.history.comparison.run_data import RunData, readable


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
        """Whether a run's change is ``better`` or ``worse``; empty where nobody said which way is which."""
        change = self.change.get(run, 0.0)
        if self.better is None or not change or math.isnan(change):
            return ""
        return "better" if (change > 0) == (self.better is Goal.HIGHER) else "worse"

    @property
    def best(self) -> str | None:
        """The id of the best run (the first of equals); None where nobody said which way is better."""
        known = {run: value for run, value in self.values.items() if not math.isnan(value)}
        if self.better is None or not known:
            return None
        choose = max if self.better is Goal.HIGHER else min
        return choose(known, key=known.__getitem__)


def params(facts: Sequence[RunData]) -> dict[str, dict[str, Any]]:
    """Each parameter's value in each run that has it, by run id.

    A step's parameter is there as ``step.name``, unless it says what the pipeline's of that name says. A path whose
    file has another content says so.
    """
    of_run: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    of_step: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for run in facts:
        for one in run.params:
            place = of_step[one.step, one.name] if one.step else of_run[one.name]
            place[run.id] = one.value, one.content
    found = dict(of_run)
    for (step, name), values in of_step.items():
        if of_run.get(name) != values:
            found[f"{step}.{name}"] = values
    return {name: _shown(values) for name, values in found.items()}


def metrics(facts: Sequence[RunData], better: Mapping[str, Goal]) -> dict[str, Metric]:
    """Each metric by name; ``step.name`` where several steps of one run log it."""
    last: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))  # name → run → step → value
    for run in facts:
        for one in run.metrics:
            last[one.name][run.id][one.step] = one.value
    found: dict[str, dict[str, float]] = {}
    for name, runs in last.items():
        if all(len(steps) == 1 for steps in runs.values()):
            found[name] = {run: next(iter(steps.values())) for run, steps in runs.items()}
            continue
        for run_id, steps in runs.items():
            for step, value in steps.items():
                found.setdefault(f"{step}.{name}", {})[run_id] = value
    order = [run.id for run in facts]
    return {name: _metric(values, order, _direction(name, better)) for name, values in found.items()}


def differs(values: Mapping[str, Any], facts: Sequence[RunData]) -> bool:
    """Whether runs differ in a value: one lacks it, or has another one (NaN is NaN)."""
    ids = [run.id for run in facts]
    if len(values) < len(set(ids)) or any(run not in values for run in ids):
        return True
    first, *others = (values[run] for run in ids)
    return any(type(one) is not type(first) or not _same(one, first) for one in others)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def _shown(values: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    several = len({content for _, content in values.values()}) > 1
    return {
        run: f"{readable(text)} (content {content[:8]})" if several and content else readable(text)
        for run, (text, content) in values.items()
    }


def _metric(values: Mapping[str, float], order: Sequence[str], better: Goal | None) -> Metric:
    start = values.get(order[0])
    others = [run for run in order[1:] if run in values and run != order[0]]
    if start is None:
        return Metric(values, better=better)
    change = {run: 0.0 if _same(values[run], start) else values[run] - start for run in others}
    relative = {run: one / abs(start) for run, one in change.items() if start and math.isfinite(start)}
    return Metric(values, change, relative, better)


def _direction(name: str, better: Mapping[str, Goal]) -> Goal | None:
    return better.get(name) or better.get(name.rpartition(".")[2])
