"""Runs whose process is gone: seen when somebody looks, and marked as crashed in the store too."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from zenbook.core.states import RunState, StepState
from zenbook.engine.environment import is_alive, process_identity
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Batch, RunRecord, RunUpdate

_driven: Counter[str] = Counter()


@contextmanager
def driving_run(run: str) -> Iterator[None]:
    """While the block runs, this process drives the run."""
    _driven[run] += 1
    try:
        yield
    finally:
        _driven[run] -= 1
        if not _driven[run]:
            del _driven[run]


def is_driven_here(run: str) -> bool:
    """Whether this process drives the run now."""
    return run in _driven


def mark_crashed_runs(metadata: MetadataStore, records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records, with runs that nobody drives any more marked as crashed."""
    return [_healed(metadata, one) if _is_abandoned(one) else one for one in records]


def _is_abandoned(run: RunRecord) -> bool:
    if run.state.ended or not run.process or run.host != socket.gethostname():
        return False
    if run.process == process_identity():
        return run.id not in _driven
    return not is_alive(run.process)


def _healed(metadata: MetadataStore, seen: RunRecord) -> RunRecord:
    run = metadata.run(seen.id) or seen  # it may have ended between being read and being asked for its process
    if run.state.ended:
        return replace(run, plan=seen.plan)
    here = run.process == process_identity()
    error = "its end could not be recorded" if here else "the process that drove the run is gone"
    ends = []
    steps = metadata.steps([run.id])
    for step in steps:
        if step.state is StepState.RUNNING:
            ends.append(replace(step, state=StepState.CRASHED, error=error))
        elif step.state is StepState.PENDING:
            ends.append(replace(step, state=StepState.SKIPPED, why="the run crashed before"))
    times = [run.started_at or run.created_at, *(one.ended_at or one.started_at or 0.0 for one in steps)]
    metadata.write(Batch(runs=[RunUpdate(run.id, RunState.CRASHED, run.started_at, max(times), error)], steps=ends))
    return replace(metadata.run(run.id) or run, plan=seen.plan)
