"""The line about a step cell: its progress while it is running, and then its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zenbook.core.events import StepFinished
from zenbook.core.graph import Node
from zenbook.core.plain_values import show
from zenbook.core.states import RunState, StepState
from zenbook.display.markup import NOTHING, Html
from zenbook.display.run_view import RunView, StepView
from zenbook.display.table import duration
from zenbook.display.theme import SIGNS
from zenbook.engine.steps.step_runner import HIDDEN

if TYPE_CHECKING:
    from zenbook.notebook.panels.run_panel import RunPanel
    from zenbook.stack.stack import Stack


@dataclass(slots=True)
class StepLine:
    """Where the line is shown: in the place of the panel, if there is one."""

    listener: RunPanel | None
    shown: bool = False

    def show(self, bundle: dict[str, Any]) -> None:
        """Show the line.

        Args:
            bundle: The line as a MIME bundle.
        """
        from IPython.core.getipython import get_ipython

        self.shown = True
        shell = get_ipython()
        if self.listener is not None:
            self.listener.end(bundle)
        elif shell is not None and hasattr(shell, "kernel"):
            shell.display_pub.publish(bundle, {})
        else:
            print(bundle["text/plain"])  # noqa: T201  # a terminal


@contextmanager
def shown_step(run: str, step: str) -> Iterator[StepLine]:
    """Show a small panel for a step while the block runs, if the front end can show it.

    Args:
        run: The run's id.
        step: The step's name.

    Yields:
        Where the line about the step is shown.
    """
    from zenbook.notebook.panels.front_end import panels_work
    from zenbook.notebook.panels.run_panel import RunPanel

    if not panels_work():
        yield StepLine(None)
        return
    view = RunView(run, step, steps={step: StepView(step)}, state=RunState.RUNNING)
    panel = RunPanel(view, small=True)
    line = StepLine(panel)
    try:
        yield line
    finally:
        if not line.shown:
            panel.end(failed(view.steps[step]) if panel.shown else None)


def failed(step: StepView) -> dict[str, Any]:
    """Draw the line about a step that has no outputs.

    Args:
        step: The step's model.

    Returns:
        A MIME bundle.
    """
    return _line(f"{SIGNS[step.state]} {step.name}", step.state_text, "", ())


def summary(node: Node, finished: StepFinished, stale: list[str], stack: Stack) -> dict[str, Any]:
    """Draw the line about a step that has ended: its inputs and outputs, and its time or the reason of the cache hit.

    Args:
        node: The step's node.
        finished: How it ended.
        stale: Steps above whose inputs have changed since they ran.
        stack: The stack on which it was executed.

    Returns:
        A MIME bundle.
    """
    took = (
        f"cached, {finished.why}"
        if finished.state is StepState.CACHED
        else duration(finished.at - (finished.started_at or finished.at))
    )
    takes = [name for name, node_input in node.inputs.items() if name not in HIDDEN and not node_input.optional]
    takes += [f"{name}={show(value):.20}" for name, value in node.params.items()]
    makes = [name for name, _ in finished.outputs if name not in HIDDEN]
    flow = f"{', '.join(takes)} → {', '.join(makes)}".strip() if takes or makes else ""
    if stack.production:
        took = f"{took} on {stack.label}"
    notes = (*finished.notes, *(f"step {name!r} has not run since its input changed: run its cell" for name in stale))
    return _line(f"{SIGNS[finished.state]} {node.name}", took, flow, notes)


def _line(head: str, took: str, flow: str, notes: tuple[str, ...]) -> dict[str, Any]:
    text = "\n".join([f"{head} · {took}" + (f" · {flow}" if flow else ""), *(f"  note: {note}" for note in notes)])
    html = Html('<div style="font-size:85%;opacity:.75"><b>{}</b> · {}{}{}</div>').format(
        head,
        took,
        Html(" · {}").format(flow) if flow else NOTHING,
        NOTHING.join(Html("<br>note: {}").format(note) for note in notes),
    )
    return {"text/plain": text, "text/html": str(html)}
