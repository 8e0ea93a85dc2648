"""Find runs whose process is gone, and mark them as crashed in the store too: done whenever somebody reads runs."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from zenbook.core.states import StepState
from zenbook.engine.environment import is_alive, process_identity
from zenbook.engine.run_end import RunEnd
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Batch, RunRecord

_driven: Counter[str] = Counter()


@contextmanager
def driving_run(run: str) -> Iterator[None]:
    """While the block runs, this process drives the run.

    Args:
        run: The run's id.

    Yields:
        Nothing.
    """
    _driven[run] += 1
    try:
        yield
    finally:
        _driven[run] -= 1
        if not _driven[run]:
            del _driven[run]


def is_driven_here(run: str) -> bool:
    """Whether this process drives the run now.

    Args:
        run: The run's id.

    Returns:
        False also for a run that has ended.
    """
    return run in _driven


def mark_crashed_runs(metadata: MetadataStore, records: Iterable[RunRecord]) -> list[RunRecord]:
    """Mark runs that no process drives any more as crashed, in the store too.

    Args:
        metadata: The store of the runs.
        records: The runs' rows as they were read.

    Returns:
        The rows in the same order, as they are now.
    """
    return [_mark_crashed(metadata, record) if _is_abandoned(record) else record for record in records]


def _is_abandoned(run: RunRecord) -> bool:
    if run.state.ended or not run.process or run.host != socket.gethostname():
        return False
    if run.process == process_identity():
        return run.id not in _driven
    return not is_alive(run.process)


def _mark_crashed(metadata: MetadataStore, seen: RunRecord) -> RunRecord:
    run = metadata.run(seen.id) or seen  # it may have ended after it was read and before its process was looked for
    if run.state.ended:
        return replace(run, plan=seen.plan)
    end = RunEnd.of_lost_process(is_this_process=run.process == process_identity())
    steps = metadata.steps([run.id])
    ends = []
    for step in steps:
        if step.state is StepState.RUNNING:
            ends.append(replace(step, state=StepState.CRASHED, error=end.error))
        elif step.state is StepState.PENDING:
            ends.append(replace(step, state=StepState.SKIPPED, why="the run crashed before"))
    times = [run.started_at or run.created_at, *(step.ended_at or step.started_at or 0.0 for step in steps)]
    metadata.write(Batch(runs=[end.update(run.id, run.started_at, max(times))], steps=ends))
    return replace(metadata.run(run.id) or run, plan=seen.plan)
