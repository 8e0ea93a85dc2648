"""Records that the tests of metadata stores write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zenbook.core.states import RunState, StepState
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    RunRecord,
    StepRecord,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64
TEXT = "größer, 東京 🚀 and 'quotes' \"both\" \\ % %s :x ?\n\tend "


def id_of(n: int) -> str:
    """The id of the n-th run.

    Args:
        n: The run's number, in the order of time.

    Returns:
        The id.
    """
    return f"20261123-000000-{n:06d}"


def a_run(n: int, **changes: Any) -> RunRecord:
    """The record of the n-th run.

    Args:
        n: The run's number.
        **changes: Fields with other values.

    Returns:
        The record.
    """
    return replace(RunRecord(id_of(n), "training", "local", RunState.SUCCEEDED, 1000.5 + n), **changes)


def a_step(n: int, name: str = "fit", **changes: Any) -> StepRecord:
    """The record of a step of the n-th run.

    Args:
        n: The run's number.
        name: The step's name.
        **changes: Fields with other values.

    Returns:
        The record.
    """
    return replace(StepRecord(id_of(n), name, 0, StepState.SUCCEEDED, cache_key=A), **changes)


def new(store: MetadataStore, run: RunRecord, *steps: StepRecord) -> None:
    """Create a run that has only steps.

    Args:
        store: The metadata store.
        run: The run's record.
        *steps: The records of its steps.
    """
    store.create_run(run, steps=steps, params=[], code=[], environment=None)


def rows_of(run: str) -> Batch:
    """A row of each kind for the step ``fit`` of a run.

    Args:
        run: The run's id.

    Returns:
        The rows.
    """
    return Batch(
        artifacts=[ArtifactRecord(A, "json", "aa/a", 1, 1.0)],
        outputs=[OutputRecord(run, "fit", "o", A, "json")],
        inputs=[InputRecord(run, "fit", "x", "", "x", A, "json")],
        metrics=[MetricRecord(run, "fit", "m", 0, 1.0, 1.0)],
        logs=[LogRecord(run, "fit", 0, 1.0, "log", "text")],
    )
