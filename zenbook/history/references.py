"""Find a run from what people type: its id or a part of it, ``latest``, a pipeline's name, ``training~2``."""

from __future__ import annotations

import re

from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import RunError, did_you_mean
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import OpenStack, open_stack

_STEPS_BACK = re.compile(r"(.+)~(\d+)")
_SUGGESTED = 200  # newest runs among which close matches are looked for


def run_id_of(metadata: MetadataStore, reference: str | None = None) -> str:
    """Find the id of the run that a reference means.

    Args:
        metadata: The store that holds the runs.
        reference: A run's id, ``latest`` (also for None), the name of a pipeline (its newest run), or the beginning or
            end of an id. ``latest~1`` is the run before the latest, ``training~2`` the third newest of a pipeline.

    Returns:
        The run's id.

    Raises:
        RunError: If no run matches, or more than one.
    """
    name = (reference or "latest").strip()
    if metadata.run(name) is not None:
        return name
    match = _STEPS_BACK.fullmatch(name)
    base, back = (match[1], int(match[2])) if match is not None else (name, 0)
    newest = _newest_runs(metadata, base, back + 1)
    if len(newest) > back:
        return newest[back].id
    if newest or base == "latest":
        count = "is only 1 run" if len(newest) == 1 else f"are only {len(newest)} runs"
        message = f"There {count} of {base!r} so far." if newest else "There are no runs yet."
        raise RunError(message, "Call a pipeline, or use `zen run`.")
    ids = metadata.find_run_ids(name)
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise RunError(f"{name!r} begins or ends the ids of several runs: {', '.join(ids)}.", "Give more of the id.")
    recent = metadata.runs(RunQuery(limit=_SUGGESTED))
    known = {record.id for record in recent} | {record.pipeline for record in recent}
    raise RunError(f"No run matches {name!r}.", did_you_mean(name, known, noun="run"))


def find_record(reference: str) -> tuple[RunRecord, OpenStack]:
    """Find the record of the run that a reference means.

    Args:
        reference: As `run_id_of` takes it; ``id@stack`` looks in another stack's store.

    Returns:
        The run's record and the stack that it was found in.

    Raises:
        RunError: If no run matches, or more than one.
    """
    name, at, stack = reference.rpartition("@")
    opened = open_stack(stack) if at and name else open_stack()
    run_id = run_id_of(opened.metadata, name if at and name else reference)
    record = opened.metadata.run(run_id)
    if record is None:
        raise RunError(f"No run matches {reference!r}.", "See `zen runs`.")
    return mark_crashed_runs(opened.metadata, [record])[0], opened


def _newest_runs(metadata: MetadataStore, name: str, count: int) -> list[RunRecord]:
    """The newest runs of a pipeline, or of all (``latest``): runs of single cells only if there are no others."""
    if name != "latest":
        return metadata.runs(RunQuery(pipeline=name, limit=count))
    return metadata.runs(RunQuery(limit=count, kind="pipeline")) or metadata.runs(RunQuery(limit=count))
