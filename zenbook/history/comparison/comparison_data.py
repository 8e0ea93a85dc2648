"""What differs between runs, section by section, as data. It is read when it is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zenbook.core.capsule import Capsule
from zenbook.display.table import Table
from zenbook.history.comparison.code_differences import CodeChange, capsule_of, code_changes
from zenbook.history.comparison.metric_goals import Goal, known_goals
from zenbook.history.comparison.output_differences import ArtifactChange, ArtifactStatus, artifact_changes
from zenbook.history.comparison.params_metrics import Metric, differs, metrics, params
from zenbook.history.comparison.run_data import RunData
from zenbook.history.comparison.steps_environment import StepTimes, environment, steps
from zenbook.stack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CodeDifference:
    """One edited part of the code that steps reach; ``run`` is compared with the first run."""

    run: str
    steps: tuple[str, ...]  # those that reach it
    change: CodeChange


class ComparisonData:
    """What differs between runs. It is read when it is needed.

    The attributes hold what differs, or everything where ``all`` is set. Values of several runs are mappings by run id;
    a run that has no value is left out. Code and artifacts of each run are compared with the first run's.
    """

    def __init__(self, runs: Sequence[RunData], *, all: bool = False, key: str | None = None) -> None:
        self.run_data = list(runs)
        self.all = all
        self.key = key

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of the runs; the others are compared with the first."""
        return tuple(run.id for run in self.run_data)

    @cached_property
    def all_params(self) -> dict[str, dict[str, Any]]:
        """All parameters, also those in which the runs agree."""
        return params(self.run_data)

    @cached_property
    def all_metrics(self) -> dict[str, Metric]:
        """All metrics, also those in which the runs agree."""
        return metrics(self.run_data, self._goals())

    @cached_property
    def params(self) -> dict[str, dict[str, Any]]:
        """Parameters: name → run id → value."""
        return self._differing(self.all_params)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Metrics by name, with changes from the first run."""
        return {
            name: metric
            for name, metric in self.all_metrics.items()
            if self.all or differs(metric.values, self.run_data)
        }

    @cached_property
    def steps(self) -> dict[str, StepTimes]:
        """Steps by name: states, seconds and attempts by run id."""
        return {name: times for name, times in steps(self.run_data).items() if self.all or times.differs(self.run_data)}

    @cached_property
    def environment(self) -> dict[str, dict[str, Any]]:
        """Python, platform, packages, git, host, user: name → run id → value."""
        return self._differing(environment(self.run_data))

    @cached_property
    def code(self) -> list[CodeDifference]:
        """The parts of the code that differ; what several steps reach is there once."""
        first, *others = self.run_data
        return [difference for other in others for difference in _code_differences(first, other)]

    @cached_property
    def artifacts(self) -> list[ArtifactChange]:
        """The outputs that differ. Their contents are read now."""
        first, *others = self.run_data
        changes = (change for other in others for change in artifact_changes(first, other, key=self.key))
        return [change for change in changes if self.all or change.status is not ArtifactStatus.SAME]

    @property
    def differs(self) -> bool:
        """Whether anything differs: parameters, metrics, steps, environment, code or outputs."""
        of = ComparisonData(self.run_data, key=self.key) if self.all else self
        return any((of.params, of.metrics, of.code, of.steps, of.environment, of.artifacts))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "runs": list(self.runs),
            "params": self.params,
            "metrics": {name: dataclasses.asdict(metric) for name, metric in self.metrics.items()},
            "steps": {name: dataclasses.asdict(times) for name, times in self.steps.items()},
            "environment": self.environment,
            "code": [dataclasses.asdict(part) | {"diff": part.change.diff} for part in self.code],
            "artifacts": [change.to_dict() for change in self.artifacts],
        }

    def table(self) -> Table:
        """One row a run: its parameters and metrics that differ."""
        columns = _columns(self.params, {name: metric.values for name, metric in self.metrics.items()})
        rows = [
            (run.id, run.record.pipeline, str(run.record.state), *(values.get(run.id) for values in columns.values()))
            for run in self.run_data
        ]
        return Table("", ("run", "pipeline", "state", *columns), rows)

    def df(self) -> Any:
        """The `table` as a pandas DataFrame."""
        return self.table().df()

    def _differing(self, named: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: dict(values) for name, values in named.items() if self.all or differs(values, self.run_data)}

    def _goals(self) -> Mapping[str, Goal]:
        homes: dict[str, Workspace] = {str(run.stack.workspace.home): run.stack.workspace for run in self.run_data}
        return {name: goal for home in homes.values() for name, goal in known_goals(home).items()}


def _code_differences(first: RunData, other: RunData) -> list[CodeDifference]:
    edited = [
        (name, old.capsule, new.capsule)
        for name, old in first.steps.items()
        if (new := other.steps.get(name)) is not None and new.fingerprint != old.fingerprint
    ]
    of_pair: dict[tuple[str, str], list[CodeChange]] = {}
    steps_of: dict[CodeChange, list[str]] = {}
    for step, before, after in edited:
        if (before, after) not in of_pair:
            capsules = capsule_of(other.stack.metadata, after), capsule_of(first.stack.metadata, before)
            of_pair[before, after] = list(_changes_of(*capsules))
        for change in of_pair[before, after]:
            steps_of.setdefault(change, []).append(step)
    return [CodeDifference(other.id, tuple(names), change) for change, names in steps_of.items()]


def _changes_of(new: Capsule | None, old: Capsule | None) -> Iterator[CodeChange]:
    return iter(()) if new is None or old is None else code_changes(new, old)


def _columns(
    params: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    shared = params.keys() & metrics.keys()
    return {
        **params,
        **{f"{name} (metric)" if name in shared else name: values for name, values in metrics.items()},
    }
