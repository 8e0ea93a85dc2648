"""Writes what happens to the metadata store: the listener without which nothing would be remembered.

A quick step's end and the next step's start are one transaction; ends of cached steps wait for the next one, since
losing them costs nothing that can't be served again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from zenbook.core.events import (
    Event,
    Logged,
    Measured,
    StepFinished,
    StepRetried,
    StepStarted,
    Stored,
)
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.engine.run_records import pending_step_records
from zenbook.errors import StoreError
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    StepRecord,
)

_EVERY = 0.5  # seconds after which waiting rows are written even if no step begins
_OFTEN = 0.2  # seconds after which lines and metrics are written while a step runs
_QUICK = 0.02  # seconds: a step that took longer is worth a transaction of its own
_MANY = 500  # rows after which they are


class Recorder:
    """Records the events of one run's steps; any thread may tell it.

    ``resumes`` says that steps may have run in this run before, in other processes: their lines and metrics are kept.
    """

    def __init__(self, metadata: MetadataStore, plan: Plan, run: str, *, resumes: bool = False) -> None:
        self.metadata = metadata
        self.run = run
        self.resumes = resumes
        self.steps = pending_step_records(plan, run)
        self.batch = Batch()
        self.waiting = 0
        self.written = time.monotonic()
        self.lines: dict[str, int] = {}
        self.values: dict[tuple[str, str], int] = {}
        self.lock = threading.RLock()
        self.timer: threading.Timer | None = None

    def on_event(self, event: Event) -> None:
        """Take note of an event, and write when it is time."""
        with self.lock:
            if isinstance(event, StepStarted):
                self._started(event)
                self.flush()
            elif isinstance(event, StepFinished):
                self._finished(event)
                if self._is_due(event):
                    self.flush()
            elif isinstance(event, Logged):
                self._line(event.step, event.at, event.stream, event.text)
                self._flush_meanwhile()
            elif isinstance(event, Measured):
                self._metric(event.step, event.name, event.value, event.at, event.index)
                self._flush_meanwhile()
            elif isinstance(event, StepRetried):
                self._line(event.step, event.at, "log", f"attempt {event.attempt} failed: {event.error}\n")
                self._flush_meanwhile()

    def flush(self) -> None:
        """Write what waits, in one transaction. Raises `StoreError`; what waits is kept then."""
        with self.lock:
            if self.batch:
                self.metadata.write(self.batch)
                self.batch, self.waiting = Batch(), 0
            self.written = time.monotonic()

    def _is_due(self, event: StepFinished) -> bool:
        if event.state not in (StepState.CACHED, StepState.SUCCEEDED, StepState.SKIPPED):
            return True
        took = event.at - event.started_at if event.started_at is not None else 0.0
        return took > _QUICK or self.waiting > _MANY or time.monotonic() - self.written > _EVERY

    def _flush_meanwhile(self) -> None:
        """Write while a step runs, now or in a moment: the last lines before a long silence are written, too."""
        if time.monotonic() - self.written > _OFTEN:
            self._try_to_flush()
        elif self.timer is None:
            self.timer = threading.Timer(_OFTEN, self._flush_late)
            self.timer.daemon = True
            self.timer.start()

    def _flush_late(self) -> None:
        with self.lock:
            self.timer = None
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        """Write; a store that is away for a moment does not end the step, since its end tries again."""
        try:
            self.flush()
        except StoreError:
            self.written = time.monotonic()

    def _started(self, event: StepStarted) -> None:
        if self.resumes and event.step not in self.lines:
            self.lines[event.step] = len(self.metadata.logs(self.run, event.step))
            for one in self.metadata.metrics([self.run]):
                if one.step == event.step:
                    self.values[one.step, one.name] = one.n + 1
        record = replace(
            self.steps[event.step],
            state=StepState.RUNNING,
            cache_key=event.cache_key,
            attempt=event.attempt,
            started_at=event.at,
            why=event.why,
        )
        self._put(record)

    def _put(self, record: StepRecord) -> None:
        self.steps[record.name] = record
        waiting = self.batch.steps
        if waiting and waiting[-1].name == record.name:
            waiting[-1] = record
        else:
            waiting.append(record)
        self.waiting += 1

    def _finished(self, event: StepFinished) -> None:
        self._put(
            replace(
                self.steps[event.step],
                state=event.state,
                cache_key=event.cache_key,
                attempt=event.attempt,
                started_at=event.started_at,
                ended_at=event.at,
                error=event.error,
                traceback=event.traceback,
                why=event.why,
                cached_from=event.cached_from,
                random_in=event.random_in,
                notes=event.notes,
            )
        )
        batch = self.batch
        for name, used in event.inputs:
            one = used.stored
            batch.inputs.append(
                InputRecord(
                    event.run,
                    event.step,
                    name,
                    used.source_step,
                    used.source_output,
                    one.digest,
                    one.format,
                    one.member,
                )
            )
        for name, one in event.outputs:
            batch.outputs.append(_output(event, name, one))
            if event.state is not StepState.CACHED:
                batch.artifacts.append(ArtifactRecord(one.digest, one.format, one.address, one.size, event.at))
        for name, value in event.metrics:
            self._metric(event.step, name, value, event.at, None)

    def _metric(self, step: str, name: str, value: float, at: float, index: int | None) -> None:
        place = self.values.get((step, name), 0)
        self.values[step, name] = place + 1
        self.batch.metrics.append(MetricRecord(self.run, step, name, place, value, at, index))

    def _line(self, step: str, at: float, stream: str, text: str) -> None:
        place = self.lines.get(step, 0)
        self.lines[step] = place + 1
        self.batch.logs.append(LogRecord(self.run, step, place, at, stream, text))


def _output(event: StepFinished, name: str, one: Stored) -> OutputRecord:
    return OutputRecord(
        event.run, event.step, name, one.digest, one.format, one.member, one.type, one.preview, one.note
    )
