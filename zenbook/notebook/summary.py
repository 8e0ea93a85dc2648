"""One line about a step cell that has run."""

from __future__ import annotations

from html import escape
from typing import Any

from zenbook.core.events import StepFinished
from zenbook.core.graph import Node
from zenbook.core.states import StepState
from zenbook.core.values import show
from zenbook.runs.looks import SIGNS
from zenbook.runs.step_run import HIDDEN
from zenbook.runs.table import duration


def show_summary(shell: Any, node: Node, finished: StepFinished, stale: list[str]) -> None:
    """Publish the line: what the step took and made, how long it ran or since when it is unchanged."""
    head = f"{SIGNS[finished.state]} {node.name}"
    took = (
        f"cached, {finished.why}"
        if finished.state is StepState.CACHED
        else duration(finished.at - (finished.started_at or finished.at))
    )
    takes = [name for name, one in node.inputs.items() if name not in HIDDEN and not one.optional]
    takes += [f"{name}={show(value):.20}" for name, value in node.params.items()]
    makes = [name for name, _ in finished.outputs if name not in HIDDEN]
    flow = f"{', '.join(takes)} → {', '.join(makes)}".strip() if takes or makes else ""
    notes = [*finished.notes, *(f"step {name!r} has not run since its input changed: run its cell" for name in stale)]
    text = "\n".join([f"{head} · {took}" + (f" · {flow}" if flow else ""), *(f"  note: {one}" for one in notes)])
    html = (
        f'<div style="font-size:85%;opacity:.75"><b>{escape(head)}</b> · {escape(took)}'
        + (f" · {escape(flow)}" if flow else "")
        + "".join(f"<br>note: {escape(one)}" for one in notes)
        + "</div>"
    )
    if hasattr(shell, "kernel"):
        shell.display_pub.publish({"text/plain": text, "text/html": html}, {})
    else:
        print(text)  # noqa: T201  # a terminal
