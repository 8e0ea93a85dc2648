"""A run as plain text for a terminal."""

from __future__ import annotations

import json

from zenbook.core.states import RunState, StepState
from zenbook.display.run_view import RunView, StepView
from zenbook.display.table import cut, duration, number, one_line, padded, width
from zenbook.display.theme import SIGNS

MAX_SHOWN_PARAMS = 12
_MAX_NAME, _MAX_VALUE = 40, 40  # columns
_VERBS = {StepState.SUCCEEDED: "ran"}
_ORDER = (  # of the totals: what happened, what failed, what is still to come
    StepState.SUCCEEDED,
    StepState.CACHED,
    StepState.FAILED,
    StepState.CRASHED,
    StepState.CANCELLED,
    StepState.SKIPPED,
    StepState.RUNNING,
    StepState.PENDING,
)


def run_text(view: RunView) -> str:
    """A run as text: the header, a line for each step, the metrics.

    Args:
        view: The run.

    Returns:
        Lines.
    """
    lines = [header(view)]
    if view.error:
        lines.append(f"  {SIGNS[StepState.FAILED]} {one_line(view.error)}")
    steps = list(view.steps.values())
    names = [cut(one_line(step.name), _MAX_NAME) for step in steps]
    room = max(map(width, names), default=0)
    for name, step in zip(names, steps, strict=True):
        lines.append(step_line(step, name, room))
        lines += (f"      note: {one_line(note)}" for note in step.warnings)
    if view.metrics:
        lines.append(metrics_line(view))
    return "\n".join(lines)


def header(view: RunView) -> str:
    """A run in one line: ``training 20261123-052055-k3f9a succeeded in 1.2 s · 4 steps: 1 ran, 3 cached``.

    Args:
        view: The run.

    Returns:
        Pipeline, id, state and totals.
    """
    return f"{one_line(view.pipeline)} {view.run} {state_and_totals(view)}"


def state_and_totals(view: RunView) -> str:
    """What became of a run and of its steps: ``succeeded in 1.2 s · 4 steps: 1 ran, 3 cached``.

    Args:
        view: The run.

    Returns:
        Plain words, without names that users chose.
    """
    return f"{_state_text(view)} · {_totals(view)}"


def step_line(step: StepView, name: str, room: int) -> str:
    """One aligned line about a step.

    Args:
        step: The step.
        name: Its name as it is to be shown.
        room: The columns that the longest of the names takes.

    Returns:
        Sign, name, state, duration and attempt.
    """
    columns = f"{padded(name, room)}  {step.state:<9}  {step.duration_text:>10}  {step.attempt_text}"
    return f"  {SIGNS[step.state]} {columns}".rstrip()


def metrics_line(view: RunView) -> str:
    """The metrics of a run in one line.

    Args:
        view: The run.

    Returns:
        Names and last values.
    """
    return "  " + " · ".join(f"{one_line(name)} {number(value)}" for name, value in view.metrics.items())


def stack_and_params(view: RunView) -> str:
    """On which stack and with which parameters a run runs, in one line.

    Args:
        view: The run.

    Returns:
        The first parameters; empty where neither is known.
    """
    pairs = [
        f"{name} = {cut(json.dumps(value, ensure_ascii=False), _MAX_VALUE)}" for name, value in view.params.items()
    ]
    params = ", ".join(pairs[:MAX_SHOWN_PARAMS]) + (", …" if len(pairs) > MAX_SHOWN_PARAMS else "")
    return " · ".join(one_line(words) for words in (view.stack and f"on {view.stack}", params) if words)


def count(number_of: int, noun: str) -> str:
    """A number with its noun: ``1 step``, ``2 steps``.

    Args:
        number_of: How many.
        noun: What, in the singular.

    Returns:
        Both, with a plural s where it belongs.
    """
    return f"{number_of} {noun}" + ("" if number_of == 1 else "s")


def _state_text(view: RunView) -> str:
    elapsed = view.elapsed()
    if elapsed is None:
        return str(view.state)
    joint = {RunState.SUCCEEDED: "in", RunState.RUNNING: "for"}.get(view.state, "after")
    return f"{view.state} {joint} {duration(elapsed)}"


def _totals(view: RunView) -> str:
    if not view.steps:
        return "no steps"
    counts = view.counts
    totals = ", ".join(f"{counts[state]} {_VERBS.get(state, state)}" for state in _ORDER if state in counts)
    return f"{count(len(view.steps), 'step')}: {totals}"
