"""Rows that tests of metadata stores write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zenbook.core.states import RunState, StepState
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunRecord, StepRecord

A, B = "a" * 64, "b" * 64


def run_of(n: int, **changes: Any) -> RunRecord:
    return replace(RunRecord(f"run-{n:04d}", "training", "local", RunState.SUCCEEDED, 1000.5 + n), **changes)


def step_of(n: int, name: str = "fit", **changes: Any) -> StepRecord:
    return replace(StepRecord(f"run-{n:04d}", name, 0, StepState.SUCCEEDED, cache_key=A), **changes)


def new_run(store: MetadataStore, run: RunRecord, *steps: StepRecord) -> None:
    store.create_run(run, steps=steps, params=[], code=[], environment=None)
