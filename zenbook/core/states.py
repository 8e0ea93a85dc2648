"""The states of a run and of a step run."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """The state of a run."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CRASHED = "crashed"

    @property
    def ended(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self not in (RunState.PENDING, RunState.RUNNING)


class StepState(StrEnum):
    """The state of a step run."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CACHED = "cached"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    CRASHED = "crashed"

    @property
    def ended(self) -> bool:
        """Whether the step run has ended, in whatever way."""
        return self not in (StepState.PENDING, StepState.RUNNING)

    @property
    def has_outputs(self) -> bool:
        """Whether the step's outputs exist."""
        return self in (StepState.SUCCEEDED, StepState.CACHED)
