"""The step runs of a run as users see them: state, outputs, inputs, parameters, metrics, logs and code."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.core.capsule import Capsule
from zenbook.core.plain_values import decode, show
from zenbook.core.states import StepState
from zenbook.display.table import Table, duration
from zenbook.engine.run_context import HIDDEN
from zenbook.errors import RunError, did_you_mean
from zenbook.history.cache_explanation import CacheExplanation, explain
from zenbook.history.outputs import Outputs, StoredOutput
from zenbook.stack.records import MetricRecord, RunRecord, StepRecord
from zenbook.stack.stack import OpenStack


class Steps(Mapping[str, "StepRun"]):
    """The step runs of a run, by name."""

    def __init__(self, steps: dict[str, StepRun]) -> None:
        self._steps = steps

    def __getitem__(self, name: str) -> StepRun:
        if name not in self._steps:
            raise RunError(f"The run has no step {name!r}.", did_you_mean(str(name), self._steps, noun="step"))
        return self._steps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __contains__(self, name: object) -> bool:
        return name in self._steps

    def _table(self) -> Table:
        rows = [
            (name, str(step.state), step.seconds, step.attempt, ", ".join(step.outputs)) for name, step in self.items()
        ]
        return Table("Steps", ("step", "state", "seconds", "attempt", "outputs"), rows)

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


class StepRun:
    """What happened to one step in one run. What it shows is read from the stores when you ask for it."""

    def __init__(self, stack: OpenStack, run: RunRecord, record: StepRecord) -> None:
        self._stack = stack
        self._metadata = stack.metadata
        self._run = run
        self.record = record

    @property
    def name(self) -> str:
        """The step's name in its run."""
        return self.record.name

    @property
    def state(self) -> StepState:
        """The state when the record was read."""
        return self.record.state

    @property
    def attempt(self) -> int:
        """The number of attempts."""
        return self.record.attempt

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the last attempt took; None if the step did not run."""
        return time_between(self.record.started_at, self.record.ended_at)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        return None if self.duration is None else self.duration.total_seconds()

    @property
    def why(self) -> str:
        """Why it ran or was served from the cache."""
        return explain(self._metadata, self._run, self.record)

    @property
    def explanation(self) -> CacheExplanation:
        """`why` in full: what changed, with its diff, and the earlier run that differs least."""
        return CacheExplanation(self._metadata, self._run, self.record)

    @property
    def error(self) -> str:
        """The error that ended it, in one line."""
        return self.record.error

    @property
    def traceback(self) -> str:
        """The traceback of its error."""
        return self.record.traceback

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings."""
        return self.record.notes

    @property
    def outputs(self) -> Outputs:
        """The outputs by name."""
        records = self._metadata.outputs([self._run.id], self.name)
        return Outputs(
            self.name,
            {record.name: StoredOutput(self._stack, record) for record in records if record.name not in HIDDEN},
        )

    @property
    def inputs(self) -> dict[str, str]:
        """Where each input came from: ``step.output``, or the name of an object passed to the pipeline."""
        return {
            record.name: f"{record.source_step}.{record.source_output}" if record.source_step else record.source_output
            for record in self._metadata.inputs([self._run.id])
            if record.step == self.name and record.name not in HIDDEN
        }

    @property
    def params(self) -> dict[str, Any]:
        """The parameters."""
        records = self._metadata.params([self._run.id])
        return {record.name: parameter_value(record.value) for record in records if record.step == self.name}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {record.name: record.value for record in self._metric_records()}

    @property
    def logs(self) -> str:
        """What it printed and logged."""
        return "".join(record.text for record in self._metadata.logs(self._run.id, self.name))

    @property
    def code(self) -> str:
        """The source code that ran."""
        record = self._metadata.code(self.record.capsule)
        return Capsule.from_json(json.loads(record.capsule)).source if record is not None else ""

    def _metric_records(self) -> list[MetricRecord]:
        return [record for record in self._metadata.metrics([self._run.id]) if record.step == self.name]

    def __repr__(self) -> str:
        took = f" in {duration(self.seconds)}" if self.seconds is not None else ""
        lines = [f"{self.name} {self.state}{took} (run {self._run.id})", f"  why      {self.why}"]
        lines += [f"  param    {name} = {value!r:.60}" for name, value in self.params.items()]
        lines += [f"  input    {name} ← {source}" for name, source in self.inputs.items()]
        lines += [f"  output   {output.line}" for output in self.outputs.values()]
        lines += [f"  metric   {name} = {value:.6g}" for name, value in self.metrics.items()]
        lines += [f"  note     {note}" for note in self.notes]
        lines += [f"  error    {self.error}"] if self.error else []
        lines += ["", self.traceback.rstrip()] if self.traceback else []
        return "\n".join(lines)


def steps_of(stack: OpenStack, run: RunRecord) -> Steps:
    """Read the step runs of a run.

    Args:
        stack: The stack whose metadata store holds the run.
        run: The run's record.

    Returns:
        The step runs by name, in the order of the plan.
    """
    records = stack.metadata.steps([run.id])
    return Steps({record.name: StepRun(stack, run, record) for record in records})


def time_between(start: float | None, end: float | None) -> datetime.timedelta | None:
    """The time between two moments.

    Args:
        start: Seconds since the epoch, or None if unknown.
        end: The same.

    Returns:
        The time from start to end; None unless both are known.
    """
    return None if start is None or end is None else datetime.timedelta(seconds=end - start)


def parameter_value(text: str) -> Any:
    """Decode a recorded parameter.

    Args:
        text: The parameter's JSON, as `zenbook.core.plain_values` encodes it.

    Returns:
        The value, or a text that describes it if its class cannot be imported here.
    """
    value = json.loads(text)
    try:
        return decode(value)
    except (ImportError, AttributeError, KeyError):
        return show(value)
