"""Run the nodes of a plan one after another; what comes after a failure is skipped."""

from __future__ import annotations

from collections.abc import Callable

from zenbook.core.events import StepFinished
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.errors import StoreError
from zenbook.runs.execution import Execution
from zenbook.runs.failures import one_line
from zenbook.runs.interruption import uninterrupted


def run_in_order(plan: Plan, execution: Execution, run: Callable[[Node], object]) -> None:
    """Call ``run`` for each node; when one raises, tell that the others are skipped, and raise it again."""
    nodes = iter(plan.graph)
    current: Node | None = None
    try:
        for current in nodes:
            run(current)
    except BaseException as error:
        with uninterrupted():
            try:
                _end(execution, current, error)
                for node in nodes:
                    why = f"step {current.name!r} did not succeed" if current is not None else ""
                    execution.tell(StepFinished(execution.run, node.name, StepState.SKIPPED, why=why))
            except StoreError as unrecorded:  # the reason matters more than that it could not be written down
                error.add_note(f"and the metadata store failed: {unrecorded.message}")
        raise


def _end(execution: Execution, node: Node | None, error: BaseException) -> None:
    """See to it that the step during which an interrupt came has an end."""
    if node is not None and node.name not in execution.finished:
        cancelled = isinstance(error, KeyboardInterrupt)
        state = StepState.CANCELLED if cancelled else StepState.FAILED
        line = "interrupted" if cancelled else one_line(error)
        execution.tell(StepFinished(execution.run, node.name, state, error=line))
