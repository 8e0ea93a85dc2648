"""Runs as users see them: ask a run for its state, steps, outputs, parameters, metrics and logs."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from typing import Any

from zenbook.core.capsule import Capsule
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.core.values import decode, show
from zenbook.errors import RunError, did_you_mean
from zenbook.runs import view as views
from zenbook.runs.artifacts import Reader
from zenbook.runs.environment import is_alive
from zenbook.runs.explain import explain
from zenbook.runs.step_run import HIDDEN, as_stored
from zenbook.runs.table import Table, duration
from zenbook.runs.watching import is_on_show
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import (
    Batch,
    MetricRecord,
    OutputRecord,
    RunQuery,
    RunRecord,
    RunUpdate,
    StepRecord,
)
from zenbook.stack.stack import OpenStack, open_stack


class Run:
    """One execution of a pipeline. What it says is read from the metadata store when it is asked."""

    def __init__(self, run_id: str, stack: OpenStack) -> None:
        self.id = run_id
        self._stack = stack
        self._record: RunRecord | None = None

    @property
    def record(self) -> RunRecord:
        """The run's row; read again until the run has ended. Raises `RunError` when it is not in the store."""
        if self._record is None or not self._record.state.ended:
            found = self._stack.metadata.run(self.id)
            if found is None:
                raise RunError(f"There is no run {self.id!r} in {self._stack.metadata.describe()}.", "See `zen runs`.")
            self._record = _healed(self._stack.metadata, [found])[0]
        return self._record

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.record.pipeline

    @property
    def state(self) -> RunState:
        """What became of it."""
        return self.record.state

    @property
    def error(self) -> str:
        """The error that ended it, in one line."""
        return self.record.error

    @property
    def started_at(self) -> datetime.datetime | None:
        """When it began, in local time."""
        return _moment(self.record.started_at)

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long it took, or None while it goes on."""
        return _span(self.record.started_at, self.record.ended_at)

    @cached_property
    def plan(self) -> Plan:
        """What was executed."""
        return Plan.from_json(self.record.plan)

    @property
    def params(self) -> dict[str, Any]:
        """The pipeline's parameters; of a cell, the step's."""
        records = self._stack.metadata.params([self.id])
        wanted = "" if self.record.kind == "pipeline" else None
        return {one.name: _decoded(one.value) for one in records if wanted is None or one.step == wanted}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {one.name: one.value for one in self._stack.metadata.metrics([self.id])}

    @property
    def steps(self) -> Steps:
        """The step runs by name, in order."""
        records = self._stack.metadata.steps([self.id])
        return Steps({one.name: StepRun(self, one) for one in records})

    @property
    def outputs(self) -> dict[str, Outputs]:
        """The outputs of all steps, by step."""
        return {name: step.outputs for name, step in self.steps.items()}

    @property
    def logs(self) -> str:
        """What the steps printed and logged."""
        return "".join(one.text for one in self._stack.metadata.logs(self.id))

    @property
    def environment(self) -> dict[str, Any]:
        """Python, packages, git commit, host and user."""
        found = self._stack.metadata.environment(self.record.environment)
        return json.loads(found.description) if found is not None else {}

    @property
    def why(self) -> Table:
        """For each step, why it ran or was served from the cache."""
        rows = [(name, str(step.state), step.why) for name, step in self.steps.items()]
        return Table(f"Why the steps of run {self.id} ran", ("step", "state", "why"), rows)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for the run's end, ``timeout`` seconds at most. Raises `RunError` when it takes longer."""
        waited, pause, never = 0.0, 0.05, threading.Event()
        while not self.record.state.ended:
            if timeout is not None and waited >= timeout:
                raise RunError(f"Run {self.id} is still {self.state} after {timeout:g} s.", "Wait again, or cancel it.")
            never.wait(pause)
            waited, pause = waited + pause, min(pause * 1.5, 1.0)
        return self

    def cancel(self) -> None:
        """Interrupt a run that goes on in another process of this machine. Raises `RunError` where that can't be."""
        record = self.record
        if record.state.ended:
            raise RunError(
                f"Run {self.id} has ended: it is {record.state}.", "Only a run that goes on can be cancelled."
            )
        if record.host != socket.gethostname():
            raise RunError(f"Run {self.id} goes on on {record.host}.", "Cancel it there.")
        process = int(record.process.partition(":")[0])
        if process == os.getpid():
            raise RunError(f"Run {self.id} goes on in this kernel.", "Use the stop button.")
        os.kill(process, signal.SIGINT)

    def resume(self) -> Run:
        """Run the same plan again; what succeeded comes from the cache."""
        from zenbook.runs.launch import launch

        return Run(launch(self.plan, self._stack), self._stack)

    def view(self) -> views.RunView:
        """What the pictures and texts of the run show."""
        metadata = self._stack.metadata
        return views.RunView.of_records(
            self.record,
            metadata.steps([self.id]),
            metadata.metrics([self.id]),
            metadata.params([self.id]),
            self.plan.graph.edges,
        )

    def __str__(self) -> str:
        return views.text(self.view())

    def __repr__(self) -> str:
        return views.header(self.view()) if is_on_show(self.id) else str(self)

    def _repr_html_(self) -> str:
        if is_on_show(self.id):  # the cell that ran it holds its picture already
            return f"<code>{escape(views.header(self.view()))}</code>"
        return views.html(self.view())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


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
        rows = [(name, str(one.state), one.seconds, one.attempt, ", ".join(one.outputs)) for name, one in self.items()]
        return Table("Steps", ("step", "state", "seconds", "attempt", "outputs"), rows)

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


class StepRun:
    """What became of one step in one run."""

    def __init__(self, run: Run, record: StepRecord) -> None:
        self._run = run
        self._metadata = run._stack.metadata
        self.record = record

    @property
    def name(self) -> str:
        """The step's name in its run."""
        return self.record.name

    @property
    def state(self) -> StepState:
        """What became of it."""
        return self.record.state

    @property
    def attempt(self) -> int:
        """How often it was tried."""
        return self.record.attempt

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the last attempt took; None where it did not run."""
        return _span(self.record.started_at, self.record.ended_at)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        return None if self.duration is None else self.duration.total_seconds()

    @property
    def why(self) -> str:
        """Why it ran or was served from the cache."""
        return explain(self._metadata, self._run.record, self.record)

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
        records = [one for one in self._metadata.outputs([self._run.id], self.name) if one.name not in HIDDEN]
        return Outputs(self.name, {one.name: StoredOutput(self._run._stack, one) for one in records})

    @property
    def inputs(self) -> dict[str, str]:
        """Where each input came from: ``step.output``, or the name of an object passed to the pipeline."""
        records = [one for one in self._metadata.inputs([self._run.id]) if one.step == self.name]
        return {
            one.name: f"{one.source_step}.{one.source_output}" if one.source_step else one.source_output
            for one in records
            if one.name not in HIDDEN
        }

    @property
    def params(self) -> dict[str, Any]:
        """The parameters."""
        records = self._metadata.params([self._run.id])
        return {one.name: _decoded(one.value) for one in records if one.step == self.name}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {one.name: one.value for one in self._values()}

    @property
    def logs(self) -> str:
        """What it printed and logged."""
        return "".join(one.text for one in self._metadata.logs(self._run.id, self.name))

    @property
    def code(self) -> str:
        """The source that ran."""
        found = self._metadata.code(self.record.capsule)
        return Capsule.from_json(json.loads(found.capsule)).source if found is not None else ""

    def _values(self) -> list[MetricRecord]:
        return [one for one in self._metadata.metrics([self._run.id]) if one.step == self.name]

    def __repr__(self) -> str:
        took = f" in {duration(self.seconds)}" if self.seconds is not None else ""
        lines = [f"{self.name} {self.state}{took} (run {self._run.id})", f"  why      {self.why}"]
        lines += [f"  param    {name} = {value!r:.60}" for name, value in self.params.items()]
        lines += [f"  input    {name} ← {source}" for name, source in self.inputs.items()]
        lines += [f"  output   {one.line}" for one in self.outputs.values()]
        lines += [f"  metric   {name} = {value:.6g}" for name, value in self.metrics.items()]
        lines += [f"  note     {note}" for note in self.notes]
        lines += [f"  error    {self.error}"] if self.error else []
        return "\n".join(lines)


class Outputs(Mapping[str, "StoredOutput"]):
    """The outputs of a step run, by name."""

    def __init__(self, step: str, outputs: dict[str, StoredOutput]) -> None:
        self._step = step
        self._outputs = outputs

    def __getitem__(self, name: str) -> StoredOutput:
        if name not in self._outputs:
            raise RunError(
                f"Step {self._step!r} has no output {name!r}.", did_you_mean(str(name), self._outputs, noun="output")
            )
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __contains__(self, name: object) -> bool:
        return name in self._outputs

    def __repr__(self) -> str:
        return "\n".join(one.line for one in self.values()) or "(no outputs)"


class StoredOutput:
    """One stored output: what it is, and the way to get it."""

    def __init__(self, stack: OpenStack, record: OutputRecord) -> None:
        self._stack = stack
        self.record = record

    @property
    def name(self) -> str:
        """The output's name."""
        return self.record.name

    @property
    def type(self) -> str:
        """The class of the value: ``pandas.DataFrame``."""
        return self.record.type

    @property
    def format(self) -> str:
        """The format it is stored in."""
        return self.record.format

    @property
    def size(self) -> int:
        """Bytes."""
        return self.record.size

    @property
    def digest(self) -> str:
        """blake3 of the stored bytes, 64 hex digits."""
        return self.record.digest

    @property
    def uri(self) -> str:
        """Where it is stored."""
        return self._stack.artifacts.uri(self.record.address)

    @property
    def preview(self) -> dict[str, Any]:
        """A few facts: shape, columns, the value of a scalar."""
        return json.loads(self.record.preview) if self.record.preview else {}

    @property
    def line(self) -> str:
        """One line for people."""
        note = f" ({self.record.note})" if self.record.note else ""
        value = self.preview.get("value", self.preview.get("shape"))
        shown = f" {value}" if value is not None else ""
        return f"{self.name}: {self.type}{shown:.60}, {file_size(self.size)}{note}"

    def load(self) -> Any:
        """The value, made anew from the store.

        Raises `ArtifactError` when it is missing or not what was stored, `FormatError` when it can't be read.
        """
        return Reader(self._stack.artifacts, self._stack.metadata).read(as_stored(self.record))

    def __repr__(self) -> str:
        return f"<output {self.line}>"


class Runs(Sequence[Run]):
    """A list of runs, newest first, that shows itself as a table."""

    def __init__(self, records: Sequence[RunRecord], stack: OpenStack) -> None:
        self._records = list(records)
        self._stack = stack

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Runs(self._records[place], self._stack)
        return Run(self._records[place].id, self._stack)

    def __len__(self) -> int:
        return len(self._records)

    def table(self) -> Table:
        """The runs with their parameters and metrics as columns."""
        ids = [one.id for one in self._records]
        metadata = self._stack.metadata
        params = [one for one in metadata.params(ids) if not one.step] if ids else []
        metrics = metadata.metrics(ids) if ids else []
        columns: dict[str, dict[str, Any]] = {}
        for one in params:
            columns.setdefault(one.name, {})[one.run] = _cell(one.value)
        for value in metrics:
            columns.setdefault(
                value.name if value.name not in {p.name for p in params} else f"{value.name} (metric)", {}
            )[value.run] = value.value
        rows = [
            (
                one.id,
                one.pipeline,
                str(one.state),
                _moment(one.started_at),
                None if one.ended_at is None or one.started_at is None else one.ended_at - one.started_at,
                one.stack,
                *(values.get(one.id) for values in columns.values()),
            )
            for one in self._records
        ]
        return Table("Runs", ("run", "pipeline", "state", "started", "seconds", "stack", *columns), rows)

    def df(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table().df()

    def __repr__(self) -> str:
        return repr(self.table()) if self._records else "(no runs yet)"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_() if self._records else "<i>no runs yet</i>"


def list_runs(
    pipeline: str | None = None, *, state: str | None = None, limit: int | None = 20, stack: str | None = None
) -> Runs:
    """The runs of the active stack's metadata store, newest first; runs of single cells are left out.

    Raises `RunError` for a state that there is not.
    """
    if state is not None and state not in list(RunState):
        raise RunError(f"There is no state {state!r}.", did_you_mean(state, list(RunState), noun="state"))
    opened = open_stack(stack)
    states = (RunState(state),) if state is not None else ()
    records = opened.metadata.runs(RunQuery(pipeline=pipeline, states=states, limit=limit, kind="pipeline"))
    return Runs(_healed(opened.metadata, records), opened)


def find_run(reference: str | None = None, *, stack: str | None = None) -> Run:
    """A run by its id, the beginning or end of its id, ``latest``, or the name of its pipeline (its newest run).

    Raises `RunError` when there is none, or more than one.
    """
    opened = open_stack(stack)
    metadata = opened.metadata
    name = (reference or "latest").strip()
    if name == "latest":
        newest = metadata.runs(RunQuery(limit=1, kind="pipeline")) or metadata.runs(RunQuery(limit=1))
        if not newest:
            raise RunError("There are no runs yet.", "Call a pipeline, or `zen run`.")
        return Run(newest[0].id, opened)
    if metadata.run(name) is not None:
        return Run(name, opened)
    found = metadata.find_run_ids(name)
    if len(found) == 1:
        return Run(found[0], opened)
    if len(found) > 1:
        raise RunError(f"{name!r} begins or ends the ids of several runs: {', '.join(found)}.", "Give more of the id.")
    of_pipeline = metadata.runs(RunQuery(pipeline=name, limit=1))
    if of_pipeline:
        return Run(of_pipeline[0].id, opened)
    recent = metadata.runs(RunQuery(limit=200))
    known = {one.id for one in recent} | {one.pipeline for one in recent}
    raise RunError(f"There is no run {name!r}.", did_you_mean(name, known, noun="run"))


def _healed(metadata: MetadataStore, records: list[RunRecord]) -> list[RunRecord]:
    """The records, with runs whose process is gone marked as crashed, in the store too."""
    healed = []
    for one in records:
        gone = not one.state.ended and one.host == socket.gethostname() and one.process and not is_alive(one.process)
        if gone:
            _mark_crashed(metadata, one)
            one = metadata.run(one.id) or one  # noqa: PLW2901
        healed.append(one)
    return healed


def _mark_crashed(metadata: MetadataStore, run: RunRecord) -> None:
    from dataclasses import replace

    error = "the process that drove the run is gone"
    ends = []
    for step in metadata.steps([run.id]):
        if step.state is StepState.RUNNING:
            ends.append(replace(step, state=StepState.CRASHED, error=error))
        elif step.state is StepState.PENDING:
            ends.append(replace(step, state=StepState.SKIPPED, why="the run crashed before"))
    last = max([run.started_at or run.created_at, *(s.ended_at or s.started_at or 0.0 for s in ends)])
    metadata.write(Batch(runs=[RunUpdate(run.id, RunState.CRASHED, run.started_at, last, error)], steps=ends))


def file_size(size: int) -> str:
    """Bytes for people: 312 B, 4.1 kB, 20 MB."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"


def _moment(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds).astimezone()


def _span(start: float | None, end: float | None) -> datetime.timedelta | None:
    return None if start is None or end is None else datetime.timedelta(seconds=end - start)


def _decoded(text: str) -> Any:
    value = json.loads(text)
    try:
        return decode(value)
    except (ImportError, AttributeError, KeyError):
        return show(value)


def _cell(text: str) -> Any:
    value = json.loads(text)
    return value if isinstance(value, int | float | str | bool | None) else show(value)
