"""Runs as wide rows: their own fields, and a column for each parameter and metric that any of them has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zenbook.history.sql.mirror.typed_values import Kind, plain

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
    found = _params(kinds, position, params)
    found.update(_metrics(position, metrics))
    return found


def _params(
    kinds: Mapping[str, str], position: Mapping[str, int], rows: Iterable[Sequence[Any]]
) -> dict[Name, list[Any]]:
    size = len(position)
    found: dict[str, dict[Kind, list[Any]]] = {}
    chosen: dict[tuple[str, str], str] = {}  # the step of a cell's parameter that counts: the last by name
    for run, step, name, text, _ in rows:
        place = position.get(run)
        if place is None or (step and kinds[run] == "pipeline"):
            continue
        by_kind = found.get(name)
        if by_kind is None:
            by_kind = found[name] = {}
        if step:
            before = chosen.get((run, name))
            if before is not None and step < before:
                continue
            chosen[run, name] = step
            for values in by_kind.values():
                values[place] = None
        kind, value = _known.get(text) or _parsed(text)
        column = by_kind.get(kind)
        if column is None:
            column = by_kind[kind] = [None] * size
        column[place] = value
    return {Name(PARAMS, name, kind): one for name, by_kind in found.items() for kind, one in by_kind.items()}


def _metrics(position: Mapping[str, int], rows: Iterable[Sequence[Any]]) -> dict[Name, list[Any]]:
    size = len(position)
    last: dict[str, list[Any]] = {}
    for row in rows:
        place = position.get(row[0])
        if place is None:
            continue
        of_name = last.get(row[2])
        if of_name is None:
            of_name = last[row[2]] = [None] * size
        before = of_name[place]
        if before is None or (row[5], row[1], row[3]) > (before[5], before[1], before[3]):
            of_name[place] = row
    found: dict[Name, list[Any]] = {}
    for name, newest in last.items():
        values = [None if row is None else row[4] for row in newest]
        empty = [row is not None and (row[4] is None or row[4] != row[4]) for row in newest]
        if any(empty):
            found[Name(METRICS, name, Kind.NONE)] = [True if one else None for one in empty]
            values = [None if one else value for one, value in zip(empty, values, strict=True)]
        if any(value is not None for value in values):
            found[Name(METRICS, name, Kind.FLOAT)] = values
    return found


_known: dict[str, tuple[Kind, Any]] = {}


def _parsed(text: str) -> tuple[Kind, Any]:
    found = plain(text)
    if len(text) < 40:
        if len(_known) > _KEPT:
            _known.clear()
        _known[text] = found
    return found
