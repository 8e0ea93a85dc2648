"""Run the nodes of a plan one after another; the nodes after a failure are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zenbook.core.events import StepFinished
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.engine.run_context import RunContext
from zenbook.engine.run_end import INTERRUPTED
from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import StoreError
from zenbook.interrupts import uninterrupted


def run_in_order(plan: Plan, context: RunContext, run: Callable[[Node], object]) -> None:
    """Run the nodes of a plan in its order.

    Args:
        plan: What to run.
        context: The run.
        run: Called with each node; when it raises, the nodes that follow are reported as skipped.
    """
    nodes = iter(plan.graph)
    current: Node | None = None
    try:
        for current in nodes:
            run(current)
    except BaseException as error:
        with uninterrupted():
            for end in _ends(context, current, list(nodes), error):
                try:
                    context.emit(end)
                except StoreError as unrecorded:  # the reason matters more than that it could not be recorded
                    note = f"and the metadata store failed: {unrecorded.message}"
                    if note not in getattr(error, "__notes__", ()):
                        error.add_note(note)
        raise


def _ends(context: RunContext, current: Node | None, rest: list[Node], error: BaseException) -> Iterator[StepFinished]:
    """The end of the step that failed, if it is not reported yet, and of those that are skipped."""
    if current is not None and current.name not in context.finished:
        cancelled = isinstance(error, KeyboardInterrupt)
        state = StepState.CANCELLED if cancelled else StepState.FAILED
        line = INTERRUPTED if cancelled else one_line(error)
        yield StepFinished(context.run, current.name, state, error=line)
    why = f"step {current.name!r} did not succeed" if current is not None else ""
    for node in rest:
        yield StepFinished(context.run, node.name, StepState.SKIPPED, why=why)
