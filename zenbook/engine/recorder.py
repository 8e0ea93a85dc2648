"""The listener that writes what happens in a run to the metadata store.

The end of a short step and the start of the next are written in one transaction. Ends of cached steps wait for the next
transaction: if they are lost, the steps are served from the cache again.
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

_FLUSH_INTERVAL = 0.5  # seconds after which waiting rows are written even if no step starts
_LOG_FLUSH_INTERVAL = 0.2  # seconds after which lines and metrics are written while a step runs
_SHORT_STEP = 0.02  # seconds: the end of a step that took longer is written at once
_MAX_WAITING_ROWS = 500


class Recorder:
    """Records the events of one run's steps; any thread may report events.

    Args:
        metadata: Where to write.
        plan: What is run.
        run: The run's id.
        resumes: Whether steps of this run may have run in other processes before: their lines and metrics stay.
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
        """Note an event, and write when it is time.

        Args:
            event: The event.
        """
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
        """Write the waiting rows, in one transaction; they stay if the store raises `StoreError`."""
        with self.lock:
            if self.batch:
                self.metadata.write(self.batch)
                self.batch, self.waiting = Batch(), 0
            self.written = time.monotonic()

    def _is_due(self, event: StepFinished) -> bool:
        if event.state not in (StepState.CACHED, StepState.SUCCEEDED, StepState.SKIPPED):
            return True
        took = event.at - event.started_at if event.started_at is not None else 0.0
        return (
            took > _SHORT_STEP or self.waiting > _MAX_WAITING_ROWS or time.monotonic() - self.written > _FLUSH_INTERVAL
        )

    def _flush_meanwhile(self) -> None:
        """Write while a step runs, now or in a moment, so that the last lines before a long pause are written too."""
        if time.monotonic() - self.written > _LOG_FLUSH_INTERVAL:
            self._try_to_flush()
        elif self.timer is None:
            self.timer = threading.Timer(_LOG_FLUSH_INTERVAL, self._flush_late)
            self.timer.daemon = True
            self.timer.start()

    def _flush_late(self) -> None:
        with self.lock:
            self.timer = None
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        """Write; if the store cannot be reached for a moment, the step runs on, since its end tries again."""
        try:
            self.flush()
        except StoreError:
            self.written = time.monotonic()

    def _started(self, event: StepStarted) -> None:
        if self.resumes and event.step not in self.lines:
            self.lines[event.step] = len(self.metadata.logs(self.run, event.step))
            for metric in self.metadata.metrics([self.run]):
                if metric.step == event.step:
                    self.values[metric.step, metric.name] = metric.n + 1
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
            stored = used.stored
            batch.inputs.append(
                InputRecord(
                    event.run,
                    event.step,
                    name,
                    used.source_step,
                    used.source_output,
                    stored.digest,
                    stored.format,
                    stored.member,
                )
            )
        for name, stored in event.outputs:
            batch.outputs.append(_output_record(event, name, stored))
            if event.state is not StepState.CACHED:
                batch.artifacts.append(
                    ArtifactRecord(stored.digest, stored.format, stored.address, stored.size, event.at)
                )
        for name, value in event.metrics:
            self._metric(event.step, name, value, event.at, None)

    def _metric(self, step: str, name: str, value: float, at: float, index: int | None) -> None:
        number = self.values.get((step, name), 0)
        self.values[step, name] = number + 1
        self.batch.metrics.append(MetricRecord(self.run, step, name, number, value, at, index))

    def _line(self, step: str, at: float, stream: str, text: str) -> None:
        number = self.lines.get(step, 0)
        self.lines[step] = number + 1
        self.batch.logs.append(LogRecord(self.run, step, number, at, stream, text))


def _output_record(event: StepFinished, name: str, stored: Stored) -> OutputRecord:
    return OutputRecord(
        event.run,
        event.step,
        name,
        stored.digest,
        stored.format,
        stored.member,
        stored.type,
        stored.preview,
        stored.note,
    )
