"""A run as users see it: ask it for its state, steps, outputs, parameters, metrics and logs."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zenbook.core.capsule import Capsule
from zenbook.core.plain_values import decode, show
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.display.markup import Html
from zenbook.display.run_html import run_html
from zenbook.display.run_text import header, run_text
from zenbook.display.run_view import RunView
from zenbook.display.table import Table, duration, moment
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.engine.progress_displays import is_displayed, show_live, trim_traceback
from zenbook.engine.run_context import HIDDEN
from zenbook.errors import RunError, did_you_mean
from zenbook.history import tags as run_tags
from zenbook.history.cache_explanation import Explanation, History, explain
from zenbook.history.outputs import Outputs, StoredOutput
from zenbook.history.tags import Marks, marks_of
from zenbook.stack.orchestrator import Orchestrator
from zenbook.stack.records import MetricRecord, RunRecord, StepRecord
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison
    from zenbook.history.explanation_text import Why


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
            self._record = mark_crashed_runs(self._stack.metadata, [found])[0]
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
        return moment(self.record.started_at)

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long it took, or None while it goes on."""
        return span(self.record.started_at, self.record.ended_at)

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
        _ = self.record.state  # a run whose process is gone is seen first
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
    def why(self) -> Why:
        """For each step, why it ran or was served from the cache, with what changed in its code."""
        from zenbook.history.explanation_text import Why

        history = History(self._stack.metadata, self.record)
        steps = self.steps.values()
        return Why(self.id, [Explanation(self._stack.metadata, self.record, one.record, history) for one in steps])

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for the run's end, ``timeout`` seconds at most. Raises `RunError` when it takes longer."""
        waited, pause, never = 0.0, 0.05, threading.Event()
        while not self.record.state.ended:
            if timeout is not None and waited >= timeout:
                raise RunError(f"Run {self.id} is still {self.state} after {timeout:g} s.", "Wait again, or cancel it.")
            never.wait(pause)
            waited, pause = waited + pause, min(pause * 1.5, 1.0)
            if pause >= 1.0 and not self.record.process:  # nobody here drives it: who runs it is asked
                self._orchestrator.rejoin(self.record, self._stack)
        return self

    def cancel(self) -> None:
        """Interrupt a run that goes on in another process of this machine. Raises `RunError` where that can't be."""
        record = self.record
        if record.state.ended:
            raise RunError(
                f"Run {self.id} has ended: it is {record.state}.", "Only a run that goes on can be cancelled."
            )
        if not record.process:
            self._orchestrator.cancel(record, self._stack)
            return
        if record.host != socket.gethostname():
            raise RunError(f"Run {self.id} goes on on {record.host}.", "Cancel it there.")
        process = int(record.process.partition(":")[0])
        if process == os.getpid():
            raise RunError(f"Run {self.id} goes on in this process.", "Interrupt it: the stop button, or Ctrl-C.")
        try:
            os.kill(process, signal.SIGTERM if _ignores_interrupts(process) else signal.SIGINT)
        except ProcessLookupError:
            return  # it has ended just now
        except OSError as error:
            raise RunError(f"Run {self.id} can't be cancelled: {error.strerror}.", f"It is {record.user}'s.") from error

    @property
    def _orchestrator(self) -> Orchestrator:
        """That of the stack on which it was launched."""
        launched = self.record.stack
        stack = self._stack if self._stack.stack.name == launched else open_stack(launched)
        return stack.orchestrator

    def resume(self) -> Run:
        """Run the same plan again; what succeeded comes from the cache. Raises `RunError` while the run goes on."""
        from zenbook.engine.launcher import launch

        if not self.state.ended:
            raise RunError(f"Run {self.id} goes on: it is {self.state}.", "Wait for its end, or cancel it.")
        try:
            return Run(launch(self.plan, self._stack), self._stack)
        except BaseException as error:
            trim_traceback(error)
            raise

    def diff(self, other: Run | str, *more: Run | str, all: bool = False, key: str | None = None) -> Comparison:
        """What differs between this run and others, everything with ``all``; see `compare`.

        Others are runs or what `find_run` takes. ``key`` names the column that tells the rows of frames apart.
        """
        from zenbook.history.comparison.compare import compare

        return compare([self, other, *more], all=all, key=key)

    @property
    def marks(self) -> Marks:
        """Its tags, its note, and whether it has a star."""
        return marks_of(self._stack.metadata, self.id)

    def tag(self, *tags: str) -> Run:
        """Put tags on it. Raises `RunError` for one that can't be a tag."""
        run_tags.put_tags(self._stack.metadata, self.record.id, tags)
        return self

    def untag(self, *tags: str) -> Run:
        """Take tags off. Raises `RunError` for one that it hasn't."""
        run_tags.drop_tags(self._stack.metadata, self.record.id, tags)
        return self

    def note(self, text: str) -> Run:
        """Replace its note; an empty one takes it away."""
        run_tags.put_note(self._stack.metadata, self.record.id, text)
        return self

    def star(self) -> Run:
        """Give it a star."""
        run_tags.put_star(self._stack.metadata, self.record.id)
        return self

    def unstar(self) -> Run:
        """Take its star away."""
        run_tags.drop_star(self._stack.metadata, self.record.id)
        return self

    def view(self) -> RunView:
        """What the pictures and texts of the run show."""
        metadata = self._stack.metadata
        view = RunView.of_records(
            self.record,
            metadata.steps([self.id]),
            metadata.metrics([self.id]),
            metadata.params([self.id]),
            self.plan.graph.edges,
        )
        view.records = self._stack
        if view.stack == self._stack.stack.name:
            view.stack = self._stack.stack.label
        return view

    def __str__(self) -> str:
        return run_text(self.view())

    def _ipython_display_(self) -> None:
        if self.state.ended or is_displayed(self.id) or not show_live(self):
            raise NotImplementedError  # IPython takes the texts below

    def __repr__(self) -> str:
        return header(self.view()) if is_displayed(self.id) else str(self)

    def _repr_html_(self) -> str:
        if is_displayed(self.id):  # the cell that ran it holds its picture already
            return str(Html("<code>{}</code>").format(header(self.view())))
        return run_html(self.view())

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
        return span(self.record.started_at, self.record.ended_at)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        return None if self.duration is None else self.duration.total_seconds()

    @property
    def why(self) -> str:
        """Why it ran or was served from the cache."""
        return explain(self._metadata, self._run.record, self.record)

    @property
    def explanation(self) -> Explanation:
        """The same in full: what changed with its diff, and the earlier run that differs in the fewest things."""
        return Explanation(self._metadata, self._run.record, self.record)

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
        lines += ["", self.traceback.rstrip()] if self.traceback else []
        return "\n".join(lines)


def _ignores_interrupts(process: int) -> bool:
    """Whether a process ignores SIGINT, as those that a shell script starts with ``&`` do."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    ignored = next((line.split()[1] for line in lines if line.startswith("SigIgn:")), "0")
    return bool(int(ignored, 16) >> (signal.SIGINT - 1) & 1)


def span(start: float | None, end: float | None) -> datetime.timedelta | None:
    """The time between two moments, if both are known."""
    return None if start is None or end is None else datetime.timedelta(seconds=end - start)


def _decoded(text: str) -> Any:
    value = json.loads(text)
    try:
        return decode(value)
    except (ImportError, AttributeError, KeyError):
        return show(value)
