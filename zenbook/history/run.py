"""A run as users see it: ask it for its state, steps, outputs, parameters, metrics and logs."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zenbook.core.plan import Plan
from zenbook.core.states import RunState
from zenbook.display.markup import Html
from zenbook.display.run_html import run_html
from zenbook.display.run_text import header, run_text
from zenbook.display.run_view import RunView
from zenbook.display.table import moment
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.engine.progress_displays import is_displayed, show_live, trim_traceback
from zenbook.errors import RunError
from zenbook.history import tags as run_tags
from zenbook.history.cache_explanation import CacheExplanation, CacheExplanations
from zenbook.history.outputs import Outputs
from zenbook.history.references import find_record
from zenbook.history.step_changes import EarlierRuns
from zenbook.history.step_runs import Steps, parameter_value, steps_of, time_between
from zenbook.history.tags import Marks, read_marks
from zenbook.stack.orchestrator import Orchestrator
from zenbook.stack.records import RunRecord
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison


class Run:
    """One execution of a pipeline. What it shows is read from the metadata store when you ask for it."""

    def __init__(self, run_id: str, stack: OpenStack) -> None:
        self.id = run_id
        self._stack = stack
        self._record: RunRecord | None = None

    @property
    def record(self) -> RunRecord:
        """The run's row, read again until the run has ended.

        Raises:
            RunError: If the run is not in the metadata store.
        """
        if self._record is None or not self._record.state.ended:
            record = self._stack.metadata.run(self.id)
            if record is None:
                raise RunError(f"Run {self.id!r} is not in {self._stack.metadata.describe()}.", "See `zen runs`.")
            self._record = mark_crashed_runs(self._stack.metadata, [record])[0]
        return self._record

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.record.pipeline

    @property
    def state(self) -> RunState:
        """The state as it is now."""
        return self.record.state

    @property
    def error(self) -> str:
        """The error that ended it, in one line."""
        return self.record.error

    @property
    def started_at(self) -> datetime.datetime | None:
        """When it started, in local time."""
        return moment(self.record.started_at)

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long it took; None while it is running."""
        return time_between(self.record.started_at, self.record.ended_at)

    @cached_property
    def plan(self) -> Plan:
        """The plan that was executed."""
        return Plan.from_json(self.record.plan)

    @property
    def params(self) -> dict[str, Any]:
        """The pipeline's parameters; of a cell's run, the step's."""
        records = self._stack.metadata.params([self.id])
        of_pipeline = self.record.kind == "pipeline"
        return {record.name: parameter_value(record.value) for record in records if not (of_pipeline and record.step)}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {record.name: record.value for record in self._stack.metadata.metrics([self.id])}

    @property
    def steps(self) -> Steps:
        """The step runs by name, in order."""
        record = self.record  # marks a run whose process is gone as crashed, before its steps are read
        return steps_of(self._stack, record)

    @property
    def outputs(self) -> dict[str, Outputs]:
        """The outputs of all steps, by step."""
        return {name: step.outputs for name, step in self.steps.items()}

    @property
    def logs(self) -> str:
        """What the steps printed and logged."""
        return "".join(record.text for record in self._stack.metadata.logs(self.id))

    @property
    def environment(self) -> dict[str, Any]:
        """Python, packages, git commit, host and user."""
        record = self._stack.metadata.environment(self.record.environment)
        return json.loads(record.description) if record is not None else {}

    @property
    def why(self) -> CacheExplanations:
        """For each step, why it ran or was served from the cache, with what changed in its code."""
        metadata, record = self._stack.metadata, self.record
        earlier = EarlierRuns(metadata, record)
        steps = self.steps.values()
        return CacheExplanations(self.id, [CacheExplanation(metadata, record, step.record, earlier) for step in steps])

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until the run has ended.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Returns:
            This run.

        Raises:
            RunError: If the run takes longer than ``timeout``.
        """
        waited, pause, never = 0.0, 0.05, threading.Event()
        while not self.record.state.ended:
            if timeout is not None and waited >= timeout:
                raise RunError(f"Run {self.id} is still {self.state} after {timeout:g} s.", "Wait again, or cancel it.")
            never.wait(pause)
            waited, pause = waited + pause, min(pause * 1.5, 1.0)
            if pause >= 1.0 and not self.record.process:  # another system drives it, so ask that one
                self._orchestrator.rejoin(self.record, self._stack)
        return self

    def cancel(self) -> None:
        """Interrupt a run that is running in another process of this machine, or elsewhere by its orchestrator.

        Raises:
            RunError: If the run has ended, runs on another machine or in this process, or belongs to another user.
        """
        record = self.record
        if record.state.ended:
            raise RunError(
                f"Run {self.id} has ended: it is {record.state}.",
                "Only a pending or running run can be cancelled.",
            )
        if not record.process:
            self._orchestrator.cancel(record, self._stack)
            return
        if record.host != socket.gethostname():
            raise RunError(f"Run {self.id} is running on {record.host}.", "Cancel it from that machine.")
        process = int(record.process.partition(":")[0])
        if process == os.getpid():
            raise RunError(f"Run {self.id} is running in this process.", "Use the stop button or Ctrl-C.")
        try:
            os.kill(process, signal.SIGTERM if _ignores_interrupts(process) else signal.SIGINT)
        except ProcessLookupError:
            return  # it has ended just now
        except OSError as error:
            raise RunError(
                f"Could not cancel run {self.id}: {error.strerror}.", f"It belongs to user {record.user}."
            ) from error

    @property
    def _orchestrator(self) -> Orchestrator:
        """That of the stack on which it was launched."""
        launched = self.record.stack
        stack = self._stack if self._stack.stack.name == launched else open_stack(launched)
        return stack.orchestrator

    def resume(self) -> Run:
        """Run the same plan again; steps that succeeded are served from the cache.

        Returns:
            The new run.

        Raises:
            RunError: If this run has not ended.
        """
        from zenbook.engine.launcher import launch

        if not self.state.ended:
            raise RunError(f"Run {self.id} has not ended: it is {self.state}.", "Wait until it ends, or cancel it.")
        try:
            return Run(launch(self.plan, self._stack), self._stack)
        except BaseException as error:
            trim_traceback(error)
            raise

    def diff(self, other: Run | str, *more: Run | str, all: bool = False, key: str | None = None) -> Comparison:
        """Compare other runs with this one.

        Args:
            other: A run, or a reference as `find_run` takes it.
            *more: Further runs.
            all: Show everything, not only what differs.
            key: The column that identifies the rows of data frames.

        Returns:
            What differs; it shows itself as text and HTML.
        """
        from zenbook.history.comparison.compare import compare
        from zenbook.history.comparison.run_data import read_run_data

        others = (find_record(run) if isinstance(run, str) else (run.record, run._stack) for run in (other, *more))
        return compare(read_run_data([(self.record, self._stack), *others]), all=all, key=key)

    @property
    def marks(self) -> Marks:
        """Its tags, its note, and whether it has a star."""
        return read_marks(self._stack.metadata, self.id)

    def tag(self, *tags: str) -> Run:
        """Add tags. An invalid one raises `RunError`.

        Args:
            *tags: Each 1 to 64 printable characters.

        Returns:
            This run.
        """
        run_tags.add_tags(self._stack.metadata, self.record.id, tags)
        return self

    def untag(self, *tags: str) -> Run:
        """Remove tags. One that the run does not have raises `RunError`.

        Args:
            *tags: Tags that the run has.

        Returns:
            This run.
        """
        run_tags.remove_tags(self._stack.metadata, self.record.id, tags)
        return self

    def note(self, text: str) -> Run:
        """Replace its note.

        Args:
            text: The new note; an empty text removes the note.

        Returns:
            This run.
        """
        run_tags.set_note(self._stack.metadata, self.record.id, text)
        return self

    def star(self) -> Run:
        """Give it a star."""
        run_tags.add_star(self._stack.metadata, self.record.id)
        return self

    def unstar(self) -> Run:
        """Remove its star."""
        run_tags.remove_star(self._stack.metadata, self.record.id)
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


def _ignores_interrupts(process: int) -> bool:
    """Whether a process ignores SIGINT, as those that a shell script starts with ``&`` do."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    ignored = next((line.split()[1] for line in lines if line.startswith("SigIgn:")), "0")
    return bool(int(ignored, 16) >> (signal.SIGINT - 1) & 1)
