"""The events of a step run that another process has recorded, made from its record."""

from __future__ import annotations

import time

from zenbook.core.events import StepFinished, StepStarted
from zenbook.stack.records import StepRecord


def recorded_start(record: StepRecord) -> StepStarted:
    """The event that an attempt of a step has started.

    Args:
        record: The step run's record; its attempt has started.

    Returns:
        The event.
    """
    return StepStarted(record.run, record.name, record.attempt, record.cache_key, record.why, record.started_at or 0.0)


def recorded_end(record: StepRecord) -> StepFinished:
    """The event that a step run has ended, without what is recorded elsewhere: outputs, inputs and metrics.

    Args:
        record: The step run's record; its state is a final one.

    Returns:
        The event.
    """
    return StepFinished(
        record.run,
        record.name,
        record.state,
        record.attempt,
        record.started_at,
        record.cache_key,
        error=record.error,
        traceback=record.traceback,
        why=record.why,
        cached_from=record.cached_from,
        random_in=record.random_in,
        notes=record.notes,
        at=record.ended_at or time.time(),
    )
