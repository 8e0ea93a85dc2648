"""How a run ended: the one place that says which state a run gets, and with which error.

Who asks differs: the process that drove the run to its end knows the exception that ended it; a run that nobody
drives (its steps are tasks of another engine) is what its steps became; a run whose driver is gone has crashed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from zenbook.core.states import RunState, StepState
from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import StoreError
from zenbook.stack.orchestrator import Stores
from zenbook.stack.records import Batch, RunUpdate, StepRecord
from zenbook.stack.spool import spool_unrecorded

INTERRUPTED = "interrupted"  # the error of a run or a step that was cancelled


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The state in which a run ended, and one line that says why (empty if it succeeded)."""

    state: RunState
    error: str = ""

    @classmethod
    def of_error(cls, error: BaseException | None) -> Self:
        """The end of a run that this process drove.

        Args:
            error: What ended the run; None if all its steps succeeded.

        Returns:
            Cancelled for an interrupt, failed for any other exception, else succeeded.
        """
        if error is None:
            return cls(RunState.SUCCEEDED)
        if isinstance(error, KeyboardInterrupt):
            return cls(RunState.CANCELLED, INTERRUPTED)
        return cls(RunState.FAILED, one_line(error))

    @classmethod
    def of_steps(cls, steps: Iterable[StepRecord]) -> Self | None:
        """The end of a run that no process drives, from what its steps became.

        Args:
            steps: The run's steps, in order.

        Returns:
            Failed with the error of the first step that failed or crashed; cancelled if another step has no outputs;
            else succeeded. None while a step has not ended.
        """
        steps = list(steps)
        if not all(step.state.ended for step in steps):
            return None
        failed = next((step for step in steps if step.state in (StepState.FAILED, StepState.CRASHED)), None)
        if failed is not None:
            return cls(RunState.FAILED, failed.error)
        if not all(step.state.has_outputs for step in steps):
            return cls(RunState.CANCELLED, INTERRUPTED)
        return cls(RunState.SUCCEEDED)

    @classmethod
    def of_lost_steps(cls, steps: Iterable[StepRecord], without_crash: str) -> Self:
        """The end of a run that another engine ended before all its steps had recorded theirs.

        Args:
            steps: The run's steps, those that were lost marked as crashed or skipped.
            without_crash: The error of a run of which no step crashed.

        Returns:
            Crashed with the error of the first crashed step, else cancelled.
        """
        crashed = next((step for step in steps if step.state is StepState.CRASHED), None)
        if crashed is not None:
            return cls(RunState.CRASHED, crashed.error)
        return cls(RunState.CANCELLED, without_crash)

    @classmethod
    def of_lost_process(cls, *, is_this_process: bool) -> Self:
        """The end of a run whose driver recorded none.

        Args:
            is_this_process: Whether this process drove the run, and does not drive it any more.

        Returns:
            Always crashed.
        """
        here = "its end could not be recorded"
        return cls(RunState.CRASHED, here if is_this_process else "the process that drove the run is gone")

    def update(self, run_id: str, started_at: float | None, ended_at: float) -> RunUpdate:
        """The change of the run's row.

        Args:
            run_id: The run.
            started_at: When the run started, in seconds since 1970.
            ended_at: When it ended.

        Returns:
            What the metadata store is to write.
        """
        return RunUpdate(run_id, self.state, started_at, ended_at, self.error)


def write_end(batch: Batch, stack: Stores, failing: BaseException | None, *, what: str) -> None:
    """Write the end of a run. What ended it matters more than that this could not be recorded.

    Args:
        batch: The run's update, and its steps' where they have no end yet.
        stack: The stack with the metadata store.
        failing: The exception that is being raised, if one is.
        what: The end's name in a note on that exception.

    Raises:
        StoreError: The store could not take the batch, and no exception is being raised.
    """
    try:
        stack.metadata.write(batch)
    except StoreError as unrecorded:
        keep_unrecorded(unrecorded, batch, stack, failing, f"{what} could not be recorded")


def keep_unrecorded(
    unrecorded: StoreError, batch: Batch, stack: Stores, failing: BaseException | None, note: str
) -> None:
    """Keep a batch that the store could not take, and say so to the user.

    Args:
        unrecorded: The store's error.
        batch: What could not be written.
        stack: The stack in whose workspace the batch is kept.
        failing: The exception that is being raised, if one is: it gets a note.
        note: What the note says.

    Raises:
        StoreError: ``unrecorded``, if no exception is being raised.
    """
    spool_unrecorded(unrecorded, batch, stack, failing)
    if failing is None:
        raise unrecorded
    if not isinstance(failing, StoreError):
        failing.add_note(f"and {note}: {unrecorded.message}")
