"""What the run panel answers a page: from memory where it can, else from the stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zenbook.display.run_view import RunView
from zenbook.errors import RunError
from zenbook.notebook.panels.log_tail import LogTails

if TYPE_CHECKING:
    from zenbook.stack.stack import OpenStack

_LOG_LINES = 500  # of a log, in one answer


def records_of(view: RunView) -> OpenStack:
    """Find where more can be read about a run.

    Args:
        view: The run's model.

    Returns:
        The stack that holds its records.

    Raises:
        RunError: Nothing is recorded about the run.
    """
    if view.records is None:
        raise RunError(f"Nothing is recorded about {view.run}.", "Run the pipeline on a stack.")
    return view.records


def step_details(view: RunView, step: str) -> dict[str, Any]:
    """Read all that is recorded about a step.

    Args:
        view: The run's model.
        step: The step's name.

    Returns:
        What `zenbook.notebook.panels.step_details.details` gives.
    """
    from zenbook.history.run import Run
    from zenbook.notebook.panels.step_details import details

    return details(Run(view.run, records_of(view)), step)


def step_log(view: RunView, tails: LogTails, step: str, first: int | None) -> dict[str, Any]:
    """Some lines of a step's log, from the store only where the tail does not have them.

    Args:
        view: The run's model.
        tails: The logs' ends, as far as this process has seen them.
        step: The step's name.
        first: The number of the first line, from 0; None for the last lines.

    Returns:
        The number of the first line, how many lines there are in all, and the text.
    """
    lines = tails.lines_of(step, first, _LOG_LINES)
    if (lines["text"] is None or not lines["total"]) and view.records is not None:
        from zenbook.history.run import Run
        from zenbook.notebook.panels.step_details import log_lines

        return log_lines(Run(view.run, view.records), step, first)
    return {**lines, "text": lines["text"] or ""}


def cancel_elsewhere(view: RunView) -> None:
    """Cancel a run that another process executes, as ``Run.cancel`` does.

    Args:
        view: The run's model.
    """
    from zenbook.history.run import Run

    Run(view.run, records_of(view)).cancel()
