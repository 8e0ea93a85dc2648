"""Runs as wide rows: their own fields, and a column for each parameter and metric that any of them has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zenbook.runs.mirror.plain import Kind, plain

PARAMS, METRICS = "params", "metrics"
_KEPT = 50_000  # parsed texts


@dataclass(frozen=True, slots=True)
class Name:
    """A column of values: of one parameter or metric, and of one kind."""

    section: str  # PARAMS or METRICS
    name: str
    kind: Kind


@dataclass
class Places:
    """Which column each name has: ``v0``, ``v1``, …, since names may be of any length and differ by case only."""

    of: dict[Name, str] = field(default_factory=dict)
    used: int = 0  # columns are not named again, also when nothing is left of a name

    def __getitem__(self, name: Name) -> str:
        found = self.of.get(name)
        if found is None:
            found = self.of[name] = f"v{self.used}"
            self.used += 1
        return found

    def copy(self) -> Places:
        """The same names."""
        return Places(dict(self.of), self.used)


def values_of(
    kinds: Mapping[str, str], params: Iterable[Sequence[Any]], metrics: Iterable[Sequence[Any]]
) -> dict[Name, list[Any]]:
    """The parameters and the last values of the metrics of some runs, by name; a list has one value for each run.

    ``kinds`` has the runs' ids with their kinds; what belongs to no run is left out. As `Run.params` has it, those of
    the pipeline count, and of a cell the step's; the last metric is the one that was logged last.
    """
    position = {run: place for place, run in enumerate(kinds)}
    size = len(position)
    found: dict[Name, list[Any]] = {}

    def column(section: str, name: str, kind: Kind) -> list[Any]:
        key = Name(section, name, kind)
        made = found.get(key)
        if made is None:
            made = found[key] = [None] * size
        return made

    chosen: dict[tuple[str, str], str] = {}  # the step of a cell's parameter that counts: the last by name
    for run, step, name, text, _ in params:
        place = position.get(run)
        if place is None or (step and kinds[run] == "pipeline"):
            continue
        if step:
            before = chosen.get((run, name))
            if before is not None:
                if step < before:
                    continue
                for sort in Kind:
                    if (key := Name(PARAMS, name, sort)) in found:
                        found[key][place] = None
            chosen[run, name] = step
        sort, value = _parsed(text)
        column(PARAMS, name, sort)[place] = value
    _put_metrics(position, metrics, column)
    return found


def _put_metrics(position: Mapping[str, int], metrics: Iterable[Sequence[Any]], column: Any) -> None:
    size = len(position)
    last: dict[str, tuple[list[Any], list[Any]]] = {}
    for run, step, name, n, value, at, _ in metrics:
        place = position.get(run)
        if place is None:
            continue
        of_name = last.get(name)
        if of_name is None:
            of_name = last[name] = ([None] * size, [None] * size)
        stamp, before = (at, step, n), of_name[1][place]
        if before is None or stamp > before:
            of_name[0][place], of_name[1][place] = value, stamp
    for name, (values, stamps) in last.items():
        empty = [stamp is not None and (value is None or value != value) for value, stamp in zip(values, stamps, strict=True)]
        if any(empty):
            column(METRICS, name, Kind.NONE)[:] = [True if one else None for one in empty]
            values = [None if one else value for one, value in zip(empty, values, strict=True)]
        if any(value is not None for value in values):
            column(METRICS, name, Kind.FLOAT)[:] = values


_known: dict[str, tuple[Kind, Any]] = {}


def _parsed(text: str) -> tuple[Kind, Any]:
    found = _known.get(text)
    if found is None:
        found = plain(text)
        if len(_known) > _KEPT:
            _known.clear()
        if len(text) < 100:
            _known[text] = found
    return found

