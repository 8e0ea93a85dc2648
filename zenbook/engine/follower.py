"""Follow a run that goes on elsewhere: what changes in the metadata store becomes the events of a run of this process.

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

EVERY = 0.3  # seconds between two looks at the steps
_RUN_EVERY = 3  # looks at the steps for one at the run, whose row holds the plan
_LOG_SHARE = 20  # reading a long log takes at most one part of so many of the time


class Follower:
    """Tells a listener what happens to a run, by looking again and again."""

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
        """Follow no more."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the run's end."""
        if self._thread is not None:
            self._thread.join(timeout)

    def look(self) -> None:
        """Look once, and tell what has changed since. Raises `StoreError`."""
        seen = self._steps
        self._steps = {one.name: one for one in self._metadata.steps([self.run])}
        record = self._record() if self._asks_for_run() else None
        self._looks += 1
        if not self._started and (record is None or record.started_at is None):
            return
        events: list[Event] = []
        if not self._started and record is not None:
            self._started = True
            events.append(RunStarted(self.run, record.started_at or record.created_at))
        changed = [one for name, one in self._steps.items() if one != seen.get(name)]
        events += (event for one in changed for event in _events(one, seen.get(one.name)))
        for event in events:
            self._listener.on_event(event)
        self._tell_progress()
        self._tell_logs(changed)
        if changed or any(one.state is StepState.RUNNING for one in self._steps.values()):
            self._tell_metrics()
        if record is not None and record.state.ended:
            self.ended = True
            self._listener.on_event(RunFinished(self.run, record.state, record.error, record.ended_at or time.time()))

    def _asks_for_run(self) -> bool:
        over = all(one.state.ended for one in self._steps.values())
        return not self._started or over or self._looks % _RUN_EVERY == 0

    def _record(self) -> RunRecord | None:
        found = self._metadata.run(self.run)
        if found is None:
            return None
        known = mark_crashed_runs(self._metadata, [found])[0]
        if known.state.ended:  # its last steps may have ended after they were read
            changed = {one.name: one for one in self._metadata.steps([self.run])}
            self._steps = changed
        return known

    def _tell_progress(self) -> None:
        for event in read_progress(self._progress_file, self.run):
            before = self._progress.get(event.step)
            if before is None or (before.done, before.total, before.label) != (event.done, event.total, event.label):
                self._progress[event.step] = event
                if event.step in self._steps and self._steps[event.step].state is StepState.RUNNING:
                    self._listener.on_event(event)

    def _tell_logs(self, changed: list[StepRecord]) -> None:
        """Pass on new lines of the steps that run, or have just ended."""
        ended = {one.name for one in changed if one.state.ended and one.state is not StepState.CACHED}
        running = {one.name for one in self._steps.values() if one.state is StepState.RUNNING}
        if time.monotonic() < self._logs_due:
            running = set()
        for name in sorted(ended | running):
            began = time.monotonic()
            records = self._metadata.logs(self.run, name)
            self._logs_due = max(self._logs_due, began + _LOG_SHARE * (time.monotonic() - began))
            told = self._lines.get(name, 0)
            self._lines[name] = len(records)
            for one in records[told:]:
                self._listener.on_event(Logged(self.run, name, one.stream, one.text, one.at))

    def _tell_metrics(self) -> None:
        for one in self._metadata.metrics([self.run]):
            if one.n >= self._metrics.get((one.step, one.name), 0):
                self._metrics[one.step, one.name] = one.n + 1
                self._listener.on_event(Measured(self.run, one.step, one.name, one.value, one.index, one.at))

    def _follow(self) -> None:
        while True:
            try:
                self.look()
            except StoreError:  # away for a moment: the next look sees what was missed
                self._stop.wait(EVERY * 5)
            if self.ended or self._stop.wait(EVERY):
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
