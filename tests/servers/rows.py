"""Rows that tests of metadata stores write, and statements on a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
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

A, B = "a" * 64, "b" * 64


def run_of(n: int, **changes: Any) -> RunRecord:
    return replace(RunRecord(f"run-{n:04d}", "training", "local", RunState.SUCCEEDED, 1000.5 + n), **changes)


def step_of(n: int, name: str = "fit", **changes: Any) -> StepRecord:
    return replace(StepRecord(f"run-{n:04d}", name, 0, StepState.SUCCEEDED, cache_key=A), **changes)


def new_run(store: MetadataStore, run: RunRecord, *steps: StepRecord) -> None:
    store.create_run(run, steps=steps, params=[], code=[], environment=None)


def execute_raw(path: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


END_OF_STEP = Batch(
    steps=[step_of(1, state=StepState.SUCCEEDED)],
    artifacts=[ArtifactRecord(A, "json", "aa/a", 1, 1.0)],
    outputs=[OutputRecord("run-0001", "fit", name, A, "json") for name in "abc"],
    inputs=[InputRecord("run-0001", "fit", name, "load", "output", A, "json") for name in "ab"],
    metrics=[MetricRecord("run-0001", "fit", "m", n, n, 1.0) for n in range(20)],
    logs=[LogRecord("run-0001", "fit", n, 1.0, "stdout", "text % \n") for n in range(20)],
)
