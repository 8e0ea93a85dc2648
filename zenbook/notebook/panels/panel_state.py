"""What is sent to the run panel in the browser: first how the run looks, then what changes, in small patches.

Times are seconds since the panel's base time, so that they are short.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.events import Event, Logged, Measured, Progressed, StepFinished, StepRetried, StepStarted
from zenbook.core.states import StepState
from zenbook.display.graph_layout.paths import edge_paths
from zenbook.display.run_graph_svg import SIGN_PATHS, box_label, drawn_edges, run_layout
from zenbook.display.run_text import stack_and_params
from zenbook.display.run_view import RunView, StepView
from zenbook.display.table import cut, number, one_line
from zenbook.display.theme import COLOURS, SIGNS

MAX_PATCH = 900  # characters of a patch
_MAX_ERROR = 240  # characters of an error
_METRICS = 5  # how many are shown
LOOK = {
    "paths": {str(state): path for state, path in SIGN_PATHS.items()},
    "colours": {str(state): colour for state, colour in COLOURS.items()},
    "signs": {str(state): sign for state, sign in SIGNS.items()},
}


@dataclass(slots=True)
class Changes:
    """What has happened since the last message."""

    run: bool = False
    steps: set[str] = field(default_factory=set)
    progress: set[str] = field(default_factory=set)
    metrics: bool = False
    log_step: str = ""  # the step that has printed
    log: tuple[int, str] | None = None  # of that step: lines so far, and the last of them

    def note(self, event: Event) -> None:
        """Take note of what an event changes.

        Args:
            event: An event of the run.
        """
        match event:
            case StepStarted(step=name) | StepFinished(step=name) | StepRetried(step=name):
                self.steps.add(name)
                self.metrics = isinstance(event, StepFinished) or self.metrics
            case Progressed(step=name):
                self.progress.add(name)
            case Logged(step=name):
                self.log_step = name
            case Measured():
                self.metrics = True
            case _:
                self.run = True

    def __bool__(self) -> bool:
        return bool(self.run or self.steps or self.progress or self.metrics or self.log)


def everything(view: RunView) -> Changes:
    """Collect all that can be sent.

    Args:
        view: The run's model.

    Returns:
        Changes that contain the whole state.
    """
    running = {name for name, step in view.steps.items() if step.progress is not None}
    return Changes(run=True, steps=set(view.steps), progress=running, metrics=True)


def description(view: RunView, base: float) -> dict[str, Any]:
    """Describe the run as it is now.

    Args:
        view: The run's model.
        base: The moment from which times are counted, in seconds since the epoch.

    Returns:
        Names, positions and lines of the graph in pixels, the theme, and the state.
    """
    names = tuple(view.steps)
    place = run_layout(names, drawn_edges(names, tuple(view.edges)))
    lines, heads = edge_paths(place)
    boxes = [place.boxes[name] for name in names]
    state: dict[str, Any] = {}
    for patch in patches(view, everything(view), base):
        for key, value in patch.items():
            state[key] = {**state.get(key, {}), **value} if isinstance(value, dict) else value
    return {
        "run": view.run,
        "pipeline": one_line(view.pipeline),
        "facts": stack_and_params(view),
        "now": round(time.time() - base, 3),
        "size": [place.width, place.height],
        "box": [boxes[0].width, boxes[0].height] if boxes else [0, 0],
        "steps": [
            [name, box_label(name, box), round(box.x, 1), round(box.y, 1)]
            for name, box in zip(names, boxes, strict=True)
        ],
        "lines": lines,
        "heads": heads,
        "look": LOOK,
        "state": state,
    }


def patches(view: RunView, changes: Changes, base: float) -> Iterator[dict[str, Any]]:
    """Split changes into messages of at most about 1 kB each.

    Args:
        view: The run's model.
        changes: What to send.
        base: The moment from which times are counted, in seconds since the epoch.

    Yields:
        One message after another.
    """
    number_of = {name: place for place, name in enumerate(view.steps)}
    patch: dict[str, Any] = {}
    size = 0
    for key, index, value in _parts(view, changes, base, number_of):
        room = len(json.dumps(value)) + 12
        if patch and size + room > MAX_PATCH:
            yield patch
            patch, size = {}, 0
        if index is None:
            patch[key] = value
        else:
            patch.setdefault(key, {})[index] = value
        size += room
    if patch:
        yield patch


def _parts(
    view: RunView, changes: Changes, base: float, number_of: dict[str, int]
) -> Iterator[tuple[str, str | None, Any]]:
    if changes.run:
        yield "r", None, [view.state, _since(view.started_at, base), _since(view.ended_at, base), _short(view.error)]
    for name in _known(changes.steps, number_of):
        step, at = view.steps[name], str(number_of[name])
        yield "s", at, [step.state, _since(step.started_at, base), _since(step.ended_at, base), step.attempt]
        if step.error or step.state is StepState.CACHED:
            yield "e", at, _short(step.error or step.why)
    for name in _known(changes.progress, number_of):
        if (progress := _progress(view.steps[name])) is not None:
            yield "p", str(number_of[name]), progress
    if changes.metrics:
        shown = list(view.metrics.items())[-_METRICS:]
        yield "m", None, [f"{cut(one_line(name), 24)} {number(value)}" for name, value in shown]
    if changes.log is not None and changes.log_step in number_of:
        yield "l", None, [number_of[changes.log_step], *changes.log]


def _known(names: Iterable[str], number_of: dict[str, int]) -> list[str]:
    return sorted((name for name in names if name in number_of), key=number_of.__getitem__)


def _progress(step: StepView) -> list[Any] | None:
    now = step.progress
    return None if now is None else [now.done, now.total, cut(one_line(now.label), 120)]


def _since(moment: float | None, base: float) -> float | None:
    return None if moment is None else round(moment - base, 4)


def _short(text: str) -> str:
    return cut(one_line(text), _MAX_ERROR)
