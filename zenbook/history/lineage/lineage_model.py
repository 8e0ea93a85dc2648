"""The steps that took part in the lineage of an artifact or a file, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from zenbook.core.states import StepState

Edge = tuple[int, int]  # places of two entries, from the earlier to the later step


class LineageRelation(StrEnum):
    """Where an entry is, seen from the artifact."""

    MADE = "made by"
    READ = "read by"
    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"

    @property
    def is_before(self) -> bool:
        """Whether such a step comes before the artifact."""
        return self in (LineageRelation.MADE, LineageRelation.UPSTREAM)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step that took part, in all the runs in which it did the same."""

    relation: LineageRelation
    distance: int  # steps from the artifact: 1 made or read it
    step: str
    pipeline: str
    runs: tuple[str, ...]  # newest first
    state: StepState  # in the newest of them that ran it, else "cached"
    at: float | None  # when, in seconds since the epoch
    inputs: tuple[str, ...]  # "split.train", a name for an object passed to the pipeline, "file data.csv"
    outputs: tuple[str, ...]


def nearest(entries: tuple[Entry, ...], most: int | None) -> list[int]:
    """The places of the entries that are nearest to the artifact.

    Args:
        entries: All entries.
        most: How many are wanted at most; None for all.

    Returns:
        Places in ``entries``, in their order there.
    """
    return sorted(sorted(range(len(entries)), key=lambda place: entries[place].distance)[:most])
