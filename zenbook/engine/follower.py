"""Follow a run that another process drives: changes in the metadata store become events in this process.

It asks nothing of whoever executes the run, so it serves runs in the background as well as those of a cluster.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator

from zenbook.core.events import (
    Event,
    Listener,
    Logged,
    Measured,
    Progressed,
    RunFinished,
    RunStarted,
)
from zenbook.core.states import StepState
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.engine.progress_file import progress_file, read_progress
from zenbook.engine.recorded_events import recorded_end, recorded_start
from zenbook.errors import StoreError
from zenbook.stack.records import RunRecord, StepRecord
from zenbook.stack.stack import OpenStack

POLL_INTERVAL = 0.3  # seconds between two reads of the steps
_POLLS_PER_RUN_READ = 3  # the run is read less often than the steps, since its row holds the plan
_LOG_SHARE = 20  # reading a long log takes at most one twentieth of the time


class Follower:
    """Reports to a listener what happens in a run, by polling the metadata store.

    Args:
        run: The run's id.
        stack: The stack whose metadata store holds the run.
        listener: What receives the events.
    """

    def __init__(self, run: str, stack: OpenStack, listener: Listener) -> None:
        self.run = run
        self.ended = False
        self._metadata = stack.metadata
        self._progress_file = progress_file(stack.workspace, run)
        self._progress: dict[str, Progressed] = {}
        self._listener = listener
        self._looks = 0
        self._started = False
        self._steps: dict[str, StepRecord] = {}
        self._metrics: dict[tuple[str, str], int] = {}
        self._lines: dict[str, int] = {}
        self._logs_due = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Follower:
        """Follow in a thread, in this context, until the run has ended."""
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._follow,), daemon=True, name="zenbook-follow")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the run's end.

        Args:
            timeout: At most so many seconds; None for no limit.
        """
        if self._thread is not None:
            self._thread.join(timeout)

    def look(self) -> None:
        """Read the store once, and report what has changed since the last time."""
        before = self._steps
        self._steps = self._read_steps()
        record = self._read_run() if self._needs_run() else None
        self._looks += 1
        if not self._started and (record is None or record.started_at is None):
            return
        events: list[Event] = []
        if not self._started and record is not None:
            self._started = True
            events.append(RunStarted(self.run, record.started_at or record.created_at))
        changed = [step for name, step in self._steps.items() if step != before.get(name)]
        events += (event for step in changed for event in _events(step, before.get(step.name)))
        for event in events:
            self._listener.on_event(event)
        self._report_progress()
        self._report_logs(changed)
        if changed or any(step.state is StepState.RUNNING for step in self._steps.values()):
            self._report_metrics()
        if record is not None and record.state.ended:
            self.ended = True
            self._listener.on_event(RunFinished(self.run, record.state, record.error, record.ended_at or time.time()))

    def _read_steps(self) -> dict[str, StepRecord]:
        return {step.name: step for step in self._metadata.steps([self.run])}

    def _needs_run(self) -> bool:
        have_ended = all(step.state.ended for step in self._steps.values())
        return not self._started or have_ended or self._looks % _POLLS_PER_RUN_READ == 0

    def _read_run(self) -> RunRecord | None:
        record = self._metadata.run(self.run)
        if record is None:
            return None
        record = mark_crashed_runs(self._metadata, [record])[0]
        if record.state.ended:  # its last steps may have ended after they were read
            self._steps = self._read_steps()
        return record

    def _report_progress(self) -> None:
        for event in read_progress(self._progress_file, self.run):
            before = self._progress.get(event.step)
            if before is None or (before.done, before.total, before.label) != (event.done, event.total, event.label):
                self._progress[event.step] = event
                if event.step in self._steps and self._steps[event.step].state is StepState.RUNNING:
                    self._listener.on_event(event)

    def _report_logs(self, changed: list[StepRecord]) -> None:
        """Pass on new lines of the steps that run, or have just ended."""
        ended = {step.name for step in changed if step.state.ended and step.state is not StepState.CACHED}
        running = {step.name for step in self._steps.values() if step.state is StepState.RUNNING}
        if time.monotonic() < self._logs_due:
            running = set()
        for name in sorted(ended | running):
            started = time.monotonic()
            records = self._metadata.logs(self.run, name)
            self._logs_due = max(self._logs_due, started + _LOG_SHARE * (time.monotonic() - started))
            reported = self._lines.get(name, 0)
            self._lines[name] = len(records)
            for record in records[reported:]:
                self._listener.on_event(Logged(self.run, name, record.stream, record.text, record.at))

    def _report_metrics(self) -> None:
        for record in self._metadata.metrics([self.run]):
            key = record.step, record.name
            if record.n >= self._metrics.get(key, 0):
                self._metrics[key] = record.n + 1
                self._listener.on_event(Measured(self.run, *key, record.value, record.index, record.at))

    def _follow(self) -> None:
        while True:
            try:
                self.look()
            except StoreError:  # for a moment: the next read finds what was missed
                self._stop.wait(POLL_INTERVAL * 5)
            if self.ended or self._stop.wait(POLL_INTERVAL):
                return


def _events(now: StepRecord, before: StepRecord | None) -> Iterator[Event]:
    if now.state is StepState.PENDING:
        return
    ran = now.started_at is not None and now.state is not StepState.CACHED
    if ran and (before is None or before.attempt != now.attempt or before.state is StepState.PENDING):
        yield recorded_start(now)
    if now.state.ended:
        yield recorded_end(now)


__all__ = ["Follower"]
