"""``run.diff(other)``, ``zen compare A B …``: what differs between runs, section by section, drawn as text and HTML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zenbook.errors import RunError
from zenbook.history.comparison.code_differences import CodeChange, capsule_of, code_changes
from zenbook.history.comparison.metric_goals import known_goals
from zenbook.history.comparison.output_differences import ArtifactChange, ArtifactStatus, artifact_changes
from zenbook.history.comparison.params_metrics import Metric, differs, metrics, params
from zenbook.history.comparison.run_data import RunData, read_facts
from zenbook.history.comparison.steps_environment import StepTimes, environment, steps
from zenbook.stack.workspace import Workspace

if TYPE_CHECKING:
    from zenbook.display.table import Table
    from zenbook.history.comparison.plot import Plot
    from zenbook.history.run import Run


@dataclass(frozen=True, slots=True)
class CodeDifference:
    """One edited part of the code that steps reach; ``run`` is compared with the first run."""

    run: str
    steps: tuple[str, ...]  # those that reach it
    change: CodeChange


class Comparison:
    """What differs between runs. It is read when it is asked for, and shows itself as text and HTML.

    The attributes hold what differs, or everything where it was made with ``all=True``. Values of several runs are
    mappings by run id; a run that has no value is left out. Code and artifacts of each run are compared with the first
    run's.
    """

    def __init__(self, runs: Sequence[Run], *, all: bool = False, key: str | None = None) -> None:
        self._runs = list(runs)
        self.all = all
        self.key = key

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of the runs; the others are compared with the first."""
        return tuple(run.id for run in self._runs)

    @cached_property
    def facts(self) -> list[RunData]:
        """What the stores say of each run."""
        return read_facts(self._runs)

    @cached_property
    def every_param(self) -> dict[str, dict[str, Any]]:
        """All parameters, also those in which the runs agree."""
        return params(self.facts)

    @cached_property
    def every_metric(self) -> dict[str, Metric]:
        """All metrics, also those in which the runs agree."""
        return metrics(self.facts, self._directions())

    @cached_property
    def params(self) -> dict[str, dict[str, Any]]:
        """Parameters: name → run id → value."""
        return self._kept(self.every_param)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Metrics by name, with changes from the first run."""
        return {name: one for name, one in self.every_metric.items() if self.all or differs(one.values, self.facts)}

    @cached_property
    def steps(self) -> dict[str, StepTimes]:
        """Steps by name: states, seconds and attempts by run id."""
        return {name: one for name, one in steps(self.facts).items() if self.all or one.differs(self.facts)}

    @cached_property
    def environment(self) -> dict[str, dict[str, Any]]:
        """Python, platform, packages, git, host, user: name → run id → value."""
        return self._kept(environment(self.facts))

    @cached_property
    def code(self) -> list[CodeDifference]:
        """The parts of the code that differ; what several steps reach is there once."""
        return [one for other in self.facts[1:] for one in _code(self.facts[0], other)]

    @cached_property
    def artifacts(self) -> list[ArtifactChange]:
        """The outputs that differ. Their contents are read now."""
        found = (one for other in self.facts[1:] for one in artifact_changes(self.facts[0], other, key=self.key))
        return [one for one in found if self.all or one.fate is not ArtifactStatus.SAME]

    @property
    def differs(self) -> bool:
        """Whether anything differs: parameters, metrics, steps, environment, code or outputs."""
        told = Comparison(self._runs, key=self.key) if self.all else self
        return any((told.params, told.metrics, told.code, told.steps, told.environment, told.artifacts))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "runs": list(self.runs),
            "params": self.params,
            "metrics": {name: dataclasses.asdict(one) for name, one in self.metrics.items()},
            "steps": {name: dataclasses.asdict(one) for name, one in self.steps.items()},
            "environment": self.environment,
            "code": [dataclasses.asdict(one) | {"diff": one.change.diff} for one in self.code],
            "artifacts": [dataclasses.asdict(one) for one in self.artifacts],
        }

    def table(self) -> Table:
        """One row a run: its parameters and metrics that differ."""
        from zenbook.display.table import Table

        named = _columns(self.params, {name: one.values for name, one in self.metrics.items()})
        rows = [
            (one.id, one.record.pipeline, str(one.record.state), *(values.get(one.id) for values in named.values()))
            for one in self.facts
        ]
        return Table("", ("run", "pipeline", "state", *named), rows)

    def df(self) -> Any:
        """The `table` as a pandas DataFrame."""
        return self.table().df()

    def plot(self, *, metric: str | None = None) -> Plot:
        """Parallel coordinates: a line for each run through its parameters and metrics, coloured by ``metric``.

        Raises `RunError` where the runs have no parameters or metrics, or for a metric that they don't have.
        """
        from zenbook.history.comparison.plot import parallel

        return parallel(self, metric)

    def scatter(self, param: str, metric: str) -> Plot:
        """A point for each run: a metric against a parameter. Raises `RunError` for names that the runs don't have."""
        from zenbook.history.comparison.plot import scatter

        return scatter(self, param, metric)

    def curves(self, metric: str | None = None, *, over: str = "step") -> Plot:
        """A line for each run: a metric's values over the ``step`` that it was logged with, or over ``time``.

        Without a metric, the first that was logged more than once. Raises `RunError` where there is none.
        """
        from zenbook.history.comparison.plot import curves

        return curves(self, metric, over)

    def __repr__(self) -> str:
        from zenbook.history.comparison.as_text import text

        return text(self)

    def _repr_html_(self) -> str:
        from zenbook.history.comparison.as_html import html

        return html(self)

    def _kept(self, named: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: dict(values) for name, values in named.items() if self.all or differs(values, self.facts)}

    def _directions(self) -> Mapping[str, Any]:
        homes: dict[str, Workspace] = {str(run._stack.workspace.home): run._stack.workspace for run in self._runs}
        return {name: way for home in homes.values() for name, way in known_goals(home).items()}


def compare(runs: Sequence[Run | str], *, all: bool = False, key: str | None = None) -> Comparison:
    """Compare runs with the first of them: only what differs, or everything with ``all``.

    Runs may be of different pipelines and stacks. A run is a `Run`, or what `find_run` takes; ``id@stack`` looks in
    another stack's store. ``key`` names the column that tells the rows of frames apart. Raises `RunError` for fewer
    than two runs, and for one that is not there.
    """
    found = [_found(one) if isinstance(one, str) else one for one in runs]
    if len(found) < 2:
        raise RunError("A comparison needs two runs or more.", "Name another run: zen compare A B. See `zen runs`.")
    return Comparison(found, all=all, key=key)


def _found(reference: str) -> Run:
    from zenbook.history.runs import find_run

    name, at, stack = reference.rpartition("@")
    return find_run(name, stack=stack) if at and name else find_run(reference)


def _code(first: RunData, other: RunData) -> list[CodeDifference]:
    changed = [
        (name, old.capsule, new.capsule)
        for name, old in first.steps.items()
        if (new := other.steps.get(name)) is not None and new.fingerprint != old.fingerprint
    ]
    of_pair: dict[tuple[str, str], list[CodeChange]] = {}
    reached: dict[CodeChange, list[str]] = {}
    for step, was, now in changed:
        if (was, now) not in of_pair:
            before, after = capsule_of(first.stack.metadata, was), capsule_of(other.stack.metadata, now)
            of_pair[was, now] = list(code_changes(after, before)) if before is not None and after is not None else []
        for change in of_pair[was, now]:
            reached.setdefault(change, []).append(step)
    return [CodeDifference(other.id, tuple(names), change) for change, names in reached.items()]


def _columns(*groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    params, metrics = groups
    both = params.keys() & metrics.keys()
    return {
        **params,
        **{f"{name} (metric)" if name in both else name: values for name, values in metrics.items()},
    }


__all__ = ["CodeDifference", "Comparison", "compare"]
