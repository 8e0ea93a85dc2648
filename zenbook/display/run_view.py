"""What people see of a run, kept up to date by its events: as text for a terminal, as HTML for a notebook.

The same view is made from a graph before a run and from the records after it, so a live run, a finished one and one of
last month look alike.
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
from zenbook.display.table import cut, duration, escaped, number, one_line, padded, width
from zenbook.display.theme import COLOURS, SIGNS
from zenbook.stack.records import MetricRecord, ParamRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from zenbook.stack.stack import OpenStack

MANY = 12  # more steps or metrics than this are folded away


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
        return tuple(one for one in self.notes if not one.startswith(ATTEMPT_NOTE))

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, if the step has both."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    @property
    def told(self) -> str:
        """The state in words: ``succeeded in 1.2 s, attempt 2``."""
        joint = "in" if self.state is StepState.SUCCEEDED else "after"
        words = f"{self.state} {joint} {self.took}" if self.took else str(self.state)
        return words + (f", {self.again}" if self.again else "")

    @property
    def again(self) -> str:
        """Which attempt it was, unless the first sufficed: ``attempt 2``."""
        return f"attempt {self.attempt}" if self.attempt > 1 and self.state is not StepState.CACHED else ""

    @property
    def took(self) -> str:
        """The duration for people, empty where there was nothing to wait for."""
        return "" if self.duration is None or self.state is StepState.CACHED else duration(self.duration)


@dataclass(slots=True)
class RunView:
    """One run as people see it. It is a listener: told of an event twice, it shows the same as told once."""

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
        """A run that is about to start."""
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
        """A run as it was recorded. Rows of other runs are left out."""
        ordered = sorted((one for one in steps if one.run == run.id), key=lambda one: one.position)
        views = {
            one.name: StepView(
                one.name, one.state, one.attempt, one.started_at, one.ended_at, one.error, one.why, tuple(one.notes)
            )
            for one in ordered
        }
        return cls(
            run.id,
            run.pipeline,
            run.stack,
            {one.name: json.loads(one.value) for one in params if one.run == run.id and not one.step},
            tuple(edge for edge in dict.fromkeys(edges) if edge[0] in views and edge[1] in views),
            views,
            run.state,
            run.started_at,
            run.ended_at,
            run.error,
            {(one.step, one.name): one.value for one in metrics if one.run == run.id},
        )

    def on_event(self, event: Event) -> None:
        """Take one event of this run; events of other runs change nothing."""
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
        measured = tuple(self.measured.items())  # at one stroke: another thread may be adding
        often = Counter(name for (_, name), _ in measured)
        return {name if often[name] == 1 else f"{step}.{name}": value for (step, name), value in measured}

    @property
    def counts(self) -> dict[StepState, int]:
        """How many steps are in which state."""
        return dict(Counter(step.state for step in self.steps.values()))

    def elapsed(self) -> float | None:
        """Seconds from the start to the end, or to now while the run goes on."""
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


def header(view: RunView) -> str:
    """One line: ``training 20261123-052055-k3f9a succeeded in 1.2 s · 4 steps: 1 ran, 3 cached``."""
    return f"{one_line(view.pipeline)} {view.run} {_happened(view)} · {_totals(view)}"


def text(view: RunView) -> str:
    """The run as plain text: the header, a line for each step, the metrics."""
    lines = [header(view)]
    if view.error:
        lines.append(f"  {SIGNS[StepState.FAILED]} {one_line(view.error)}")
    steps = list(view.steps.values())
    names = [cut(one_line(step.name), 40) for step in steps]
    room = max(map(width, names), default=0)
    for name, step in zip(names, steps, strict=True):
        lines.append(step_line(step, name, room))
        lines += (f"      note: {one_line(note)}" for note in step.warnings)
    if metrics := view.metrics:
        lines.append("  " + " · ".join(f"{one_line(name)} {number(value)}" for name, value in metrics.items()))
    return "\n".join(lines)


def step_line(step: StepView, name: str, room: int) -> str:
    """One aligned line about a step; ``name`` is filled up to ``room`` columns."""
    return f"  {SIGNS[step.state]} {padded(name, room)}  {step.state:<9}  {step.took:>10}  {step.again}".rstrip()


def html(view: RunView) -> str:
    """The run as static HTML that needs no kernel, no script, no style sheet and no trust."""
    from zenbook.display.run_graph_svg import data_uri, drawn_edges, picture  # a run that nobody looks at draws nothing

    parts = [
        _html_header(view),
        _faint(circumstances(view)),
        _line(f"{SIGNS[StepState.FAILED]} {view.error}", COLOURS[StepState.FAILED]) if view.error else "",
        f'<img src="{data_uri(picture(view))}" alt="{escaped(header(view))}" style="max-width:100%">',
    ]
    if len(drawn_edges(tuple(view.steps), view.edges)) < len(view.edges):
        parts.append(_faint(f"Of {len(view.edges)} edges, those that follow from others are not drawn."))
    parts += (
        _line(f"! {step.name}: {note}", COLOURS[StepState.RUNNING])
        for step in view.steps.values()
        for note in step.warnings
    )
    parts += (_metrics(view), _steps(view))
    return f'<div style="line-height:1.5">{"".join(parts)}</div>'


_RAN = {StepState.SUCCEEDED: "ran"}
_ORDER = (  # of the totals: what happened, what went wrong, what is still to come
    StepState.SUCCEEDED,
    StepState.CACHED,
    StepState.FAILED,
    StepState.CRASHED,
    StepState.CANCELLED,
    StepState.SKIPPED,
    StepState.RUNNING,
    StepState.PENDING,
)
_CELL = "text-align:left;padding:1px 14px 1px 0"


def _happened(view: RunView) -> str:
    took = view.elapsed()
    if took is None:
        return str(view.state)
    joint = {RunState.SUCCEEDED: "in", RunState.RUNNING: "for"}.get(view.state, "after")
    return f"{view.state} {joint} {duration(took)}"


def _totals(view: RunView) -> str:
    if not view.steps:
        return "no steps"
    counts = view.counts
    each = ", ".join(f"{counts[state]} {_RAN.get(state, state)}" for state in _ORDER if state in counts)
    return f"{_count(len(view.steps), 'step')}: {each}"


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}" + ("" if number_of == 1 else "s")


def _html_header(view: RunView) -> str:
    return (
        f'<div style="margin:2px 0"><span style="color:{COLOURS[view.state]}">{SIGNS[view.state]}</span> '
        f"<b>{escaped(one_line(view.pipeline))}</b> <code>{escaped(view.run)}</code> "
        f"{_happened(view)} · {_totals(view)}</div>"
    )


def circumstances(view: RunView) -> str:
    """One line: the stack and the parameters."""
    shown = [f"{name} = {cut(json.dumps(value, ensure_ascii=False), 40)}" for name, value in view.params.items()]
    params = ", ".join(shown[:MANY]) + (", …" if len(shown) > MANY else "")
    return " · ".join(one_line(one) for one in (view.stack and f"on {view.stack}", params) if one)


def _line(words: str, colour: str) -> str:
    return f'<div style="color:{colour}">{escaped(cut(one_line(words), 400))}</div>'


def _faint(words: str) -> str:
    return f'<div style="opacity:.7">{escaped(words)}</div>' if words else ""


def _metrics(view: RunView) -> str:
    metrics = view.metrics
    shown = " · ".join(f"{escaped(one_line(name))} <b>{number(value)}</b>" for name, value in metrics.items())
    return _folded(_count(len(metrics), "metric"), f"<div>{shown}</div>", len(metrics)) if metrics else ""


def _steps(view: RunView) -> str:
    rows = "".join(map(_row, view.steps.values()))
    table = f'<table style="margin:4px 0;border-collapse:collapse"><tbody>{rows}</tbody></table>'
    return _folded(_count(len(view.steps), "step"), table, len(view.steps)) if rows else ""


def _row(step: StepView) -> str:
    why = one_line(step.error or step.why)
    short = cut(why, 90)
    title = f' title="{escaped(why)}"' if short != why else ""
    return (
        f'<tr><td style="{_CELL}"><span style="color:{COLOURS[step.state]}">{SIGNS[step.state]}</span> '
        f"{escaped(cut(one_line(step.name), 60))}</td>"
        f'<td style="{_CELL}">{escaped(step.told)}</td>'
        f'<td style="{_CELL};opacity:.7"{title}>{escaped(short)}</td></tr>'
    )


def _folded(title: str, content: str, many: int) -> str:
    """The content, behind a title that opens it when there is much of it."""
    return content if many <= MANY else f"<details><summary>{title}</summary>{content}</details>"
