"""What a comparison knows of each run: its rows, read for all runs of one store at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from zenbook.core.plain_values import show
from zenbook.engine.run_context import HIDDEN
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import MetricRecord, OutputRecord, ParamRecord, RunRecord, StepRecord
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    from zenbook.history.run import Run

Row = TypeVar("Row", StepRecord, OutputRecord, ParamRecord, MetricRecord)


@dataclass
class RunData:
    """One run and what its store says of it. Steps, outputs and environment are read when they are asked for."""

    record: RunRecord
    stack: OpenStack
    params: Sequence[ParamRecord] = ()
    metrics: Sequence[MetricRecord] = ()
    label: str = field(default="")

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @cached_property
    def steps(self) -> dict[str, StepRecord]:
        """The step runs by name, in order."""
        return {one.name: one for one in self.stack.metadata.steps([self.id])}

    @cached_property
    def outputs(self) -> dict[tuple[str, str], OutputRecord]:
        """What its steps made, by step and output."""
        found = self.stack.metadata.outputs([self.id])
        place = {name: at for at, name in enumerate(self.steps)}
        found.sort(key=lambda one: place.get(one.step, 0))
        return {(one.step, one.name): one for one in found if one.name not in HIDDEN}

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Python, packages, git, host and user; empty where nobody wrote it down."""
        found = self.stack.metadata.environment(self.record.environment)
        return json.loads(found.description) if found is not None else {}


def read_facts(runs: Sequence[Run]) -> list[RunData]:
    """The facts of runs, in their order. Runs of one store cost one question for each kind of row.

    Raises `RunError` for a run that is not in its store.
    """
    of_store: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        of_store[id(run._stack.metadata)].append(run)
    made: dict[tuple[int, str], RunData] = {}
    for store, group in of_store.items():
        metadata: MetadataStore = group[0]._stack.metadata
        ids = list(dict.fromkeys(run.id for run in group))
        params, metrics = _by_run(metadata.params(ids)), _by_run(metadata.metrics(ids))
        for run in group:
            made[store, run.id] = RunData(run.record, run._stack, params.get(run.id, ()), metrics.get(run.id, ()))
    facts = [made[id(run._stack.metadata), run.id] for run in runs]
    for one, label in zip(facts, _labels(facts), strict=True):
        one.label = label
    return facts


def readable(text: str) -> Any:
    """A parameter's JSON as a plain value where it is one, else as text for people."""
    value = json.loads(text)
    return value if isinstance(value, int | float | str | bool | None) else show(value)


def _by_run(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for one in rows:
        found.setdefault(one.run, []).append(one)
    return found


def _labels(facts: Sequence[RunData]) -> list[str]:
    """Short names: the end of the id, or all of it where two ends agree."""
    ends = [one.id.rpartition("-")[2] for one in facts]
    return ends if len(set(ends)) == len({one.id for one in facts}) else [one.id for one in facts]
