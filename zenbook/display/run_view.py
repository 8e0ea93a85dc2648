"""What people see of a run, as data that the run's events keep up to date.

The same view is built from a graph before a run and from the records after it, so a live run, a finished one and one of
last month look alike. `run_text`, `run_html` and `run_graph_svg` draw it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zenbook.core.events import (
    ATTEMPT_NOTE,
    Event,
    Measured,
    Progressed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
)
from zenbook.core.graph import Graph, Json
from zenbook.core.states import RunState, StepState
from zenbook.display.table import duration
from zenbook.stack.records import MetricRecord, ParamRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from zenbook.stack.stack import OpenStack


@dataclass(slots=True)
class StepView:
    """One step as people see it. Times are seconds since the epoch."""

    name: str
    state: StepState = StepState.PENDING
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    error: str = ""
    why: str = ""
    notes: tuple[str, ...] = ()
    progress: Progressed | None = None  # how far it has come, while it runs

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes that somebody should look into."""
        return tuple(note for note in self.notes if not note.startswith(ATTEMPT_NOTE))

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, if the step has both."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    @property
    def state_text(self) -> str:
        """The state in words: ``succeeded in 1.2 s, attempt 2``."""
        joint = "in" if self.state is StepState.SUCCEEDED else "after"
        words = f"{self.state} {joint} {self.duration_text}" if self.duration_text else str(self.state)
        return words + (f", {self.attempt_text}" if self.attempt_text else "")

    @property
    def attempt_text(self) -> str:
        """Which attempt it was: ``attempt 2``; empty where the first sufficed."""
        return f"attempt {self.attempt}" if self.attempt > 1 and self.state is not StepState.CACHED else ""

    @property
    def duration_text(self) -> str:
        """The duration for people; empty where there was nothing to wait for."""
        return "" if self.duration is None or self.state is StepState.CACHED else duration(self.duration)


@dataclass(slots=True)
class RunView:
    """One run as people see it. It listens to the run's events; an event that comes twice changes nothing more."""

    run: str
    pipeline: str
    stack: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = ()
    steps: dict[str, StepView] = field(default_factory=dict)
    state: RunState = RunState.PENDING
    started_at: float | None = None
    ended_at: float | None = None
    error: str = ""
    measured: dict[tuple[str, str], float] = field(default_factory=dict)  # the last value by (step, metric)
    records: OpenStack | None = field(default=None, repr=False, compare=False)  # where more can be read about it

    @classmethod
    def of_graph(
        cls, graph: Graph, run_id: str, pipeline: str, stack: str = "", params: Mapping[str, Json] | None = None
    ) -> RunView:
        """The view of a run that is about to start.

        Args:
            graph: What will run.
            run_id: The run's id.
            pipeline: The pipeline's name.
            stack: The name of the stack that it runs on.
            params: The pipeline's parameters, as plain JSON values.

        Returns:
            A view in which every step is pending.
        """
        steps = {node.name: StepView(node.name) for node in graph}
        edges = tuple(edge for edge in graph.edges if edge[0] in steps)
        return cls(run_id, pipeline, stack, dict(params or {}), edges, steps)

    @classmethod
    def of_records(
        cls,
        run: RunRecord,
        steps: Iterable[StepRecord],
        metrics: Iterable[MetricRecord] = (),
        params: Iterable[ParamRecord] = (),
        edges: Iterable[tuple[str, str]] = (),
    ) -> RunView:
        """The view of a run as its store recorded it. Rows of other runs are left out.

        Args:
            run: The run's row.
            steps: Rows of its steps.
            metrics: Rows of its metrics; the last of a name counts.
            params: Rows of its parameters.
            edges: Pairs of step names: the second reads what the first returned.

        Returns:
            The view.
        """
        ordered = sorted((record for record in steps if record.run == run.id), key=lambda record: record.position)
        views = {record.name: _recorded_step(record) for record in ordered}
        return cls(
            run.id,
            run.pipeline,
            run.stack,
            {param.name: json.loads(param.value) for param in params if param.run == run.id and not param.step},
            tuple(edge for edge in dict.fromkeys(edges) if edge[0] in views and edge[1] in views),
            views,
            run.state,
            run.started_at,
            run.ended_at,
            run.error,
            {(metric.step, metric.name): metric.value for metric in metrics if metric.run == run.id},
        )

    def on_event(self, event: Event) -> None:
        """Take one event of this run; events of other runs change nothing.

        Args:
            event: What happened.
        """
        if event.run != self.run:
            return
        match event:
            case RunStarted():
                self.state, self.started_at = RunState.RUNNING, event.at
            case StepStarted():
                step = self._step(event.step)
                step.state, step.attempt, step.why = StepState.RUNNING, event.attempt, event.why or step.why
                if event.attempt <= 1 or step.started_at is None:
                    step.started_at = event.at
            case StepRetried():
                self._step(event.step).error = event.error
            case Progressed():
                self._step(event.step).progress = event
            case Measured():
                self.measured[event.step, event.name] = event.value
            case StepFinished():
                self._finish(event)
            case RunFinished():
                self.state, self.ended_at, self.error = event.state, event.at, event.error
            case _:
                pass  # what steps print is shown as it comes, not here

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric; names that several steps log get the step's name in front."""
        measured = tuple(self.measured.items())  # at once: another thread may be adding
        often = Counter(name for (_, name), _ in measured)
        return {name if often[name] == 1 else f"{step}.{name}": value for (step, name), value in measured}

    @property
    def counts(self) -> dict[StepState, int]:
        """How many steps are in which state."""
        return dict(Counter(step.state for step in self.steps.values()))

    def elapsed(self) -> float | None:
        """Seconds from the start to the end, or to now while it is running; None before the start."""
        if self.started_at is None or (self.ended_at is None and self.state is not RunState.RUNNING):
            return None
        return (time.time() if self.ended_at is None else self.ended_at) - self.started_at

    def _step(self, name: str) -> StepView:
        return self.steps.setdefault(name, StepView(name))

    def _finish(self, event: StepFinished) -> None:
        step = self._step(event.step)
        step.state, step.ended_at, step.error, step.progress = event.state, event.at, event.error, None
        step.attempt = event.attempt or step.attempt
        step.started_at = step.started_at if event.started_at is None else event.started_at
        step.why, step.notes = event.why or step.why, event.notes
        for name, value in event.metrics:
            self.measured[event.step, name] = value


def _recorded_step(record: StepRecord) -> StepView:
    return StepView(
        record.name,
        record.state,
        record.attempt,
        record.started_at,
        record.ended_at,
        record.error,
        record.why,
        tuple(record.notes),
    )
