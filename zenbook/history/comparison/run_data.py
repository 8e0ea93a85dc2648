"""What a comparison knows of each run: its rows, read for all runs of one store at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from zenbook.core.plain_values import show
from zenbook.engine.run_context import HIDDEN
from zenbook.stack.records import InputRecord, MetricRecord, OutputRecord, ParamRecord, RunRecord, StepRecord
from zenbook.stack.stack import OpenStack

Row = TypeVar("Row", ParamRecord, MetricRecord, InputRecord)


@dataclass
class RunData:
    """One run and what its store holds about it. Steps, outputs and environment are read when they are needed."""

    record: RunRecord
    stack: OpenStack
    params: Sequence[ParamRecord] = ()
    metrics: Sequence[MetricRecord] = ()
    label: str = ""  # a short name, which differs from the other runs' in the comparison

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @cached_property
    def steps(self) -> dict[str, StepRecord]:
        """The step runs by name, in order."""
        return {step.name: step for step in self.stack.metadata.steps([self.id])}

    @cached_property
    def outputs(self) -> dict[tuple[str, str], OutputRecord]:
        """The outputs of its steps, by step and output, in the order of the steps."""
        records = self.stack.metadata.outputs([self.id])
        position = {name: place for place, name in enumerate(self.steps)}
        records.sort(key=lambda record: position.get(record.step, 0))
        return {(record.step, record.name): record for record in records if record.name not in HIDDEN}

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Python, packages, git, host and user; empty where it was not recorded."""
        record = self.stack.metadata.environment(self.record.environment)
        return json.loads(record.description) if record is not None else {}


def read_run_data(runs: Sequence[tuple[RunRecord, OpenStack]]) -> list[RunData]:
    """Read the parameters and metrics of runs. Runs of one store cost one query for each kind of row.

    Args:
        runs: The record of each run, and the stack whose store holds it.

    Returns:
        The data of each run, in their order.
    """
    of_store: dict[int, list[tuple[RunRecord, OpenStack]]] = defaultdict(list)
    for record, stack in runs:
        of_store[id(stack.metadata)].append((record, stack))
    data: dict[tuple[int, str], RunData] = {}
    for store, group in of_store.items():
        metadata = group[0][1].metadata
        ids = list(dict.fromkeys(record.id for record, _ in group))
        params, metrics = group_by_run(metadata.params(ids)), group_by_run(metadata.metrics(ids))
        for record, stack in group:
            data[store, record.id] = RunData(record, stack, params.get(record.id, ()), metrics.get(record.id, ()))
    ordered = [data[id(stack.metadata), record.id] for record, stack in runs]
    for run, label in zip(ordered, _labels(ordered), strict=True):
        run.label = label
    return ordered


def parameter_text(text: str) -> Any:
    """A parameter's JSON for people.

    Args:
        text: JSON.

    Returns:
        A plain value where it is one, else text.
    """
    value = json.loads(text)
    return value if isinstance(value, int | float | str | bool | None) else show(value)


def group_by_run(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by run.

    Args:
        rows: Rows of several runs.

    Returns:
        The rows of each run in their order, by run id.
    """
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row.run, []).append(row)
    return by_run


def _labels(runs: Sequence[RunData]) -> list[str]:
    """Short names: the end of the id, or all of it where two ends agree."""
    ends = [run.id.rpartition("-")[2] for run in runs]
    return ends if len(set(ends)) == len({run.id for run in runs}) else [run.id for run in runs]
