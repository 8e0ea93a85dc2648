"""Build the columns of wide run rows: one for each parameter and metric that any of the runs has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zenbook.history.sql.mirror.typed_values import Kind, to_typed_value

PARAMS, METRICS = "params", "metrics"
_MAX_CACHED = 50_000  # parsed texts


@dataclass(frozen=True, slots=True)
class ValueName:
    """What a column of values holds: one parameter or metric, and one kind of value."""

    section: str  # PARAMS or METRICS
    name: str
    kind: Kind


@dataclass
class ValueColumns:
    """The column of each name: ``v0``, ``v1``, …, because names may be of any length and may differ by case only."""

    of: dict[ValueName, str] = field(default_factory=dict)
    used: int = 0  # number of columns so far; the column of a name that no run has any more is not used again

    def __getitem__(self, name: ValueName) -> str:
        column = self.of.get(name)
        if column is None:
            column = self.of[name] = f"v{self.used}"
            self.used += 1
        return column

    def copy(self) -> ValueColumns:
        """Copy the names and their columns."""
        return ValueColumns(dict(self.of), self.used)


def collect_value_columns(
    kinds: Mapping[str, str], params: Iterable[Sequence[Any]], metrics: Iterable[Sequence[Any]]
) -> dict[ValueName, list[Any]]:
    """Collect the parameters and the last metric values of some runs by name.

    As in `Run.params`, the parameters of the pipeline count, or the step's if the run is a cell's.

    Args:
        kinds: The kind of each run (``pipeline`` or ``cell``), by run id. Rows of other runs are skipped.
        params: Rows of `ParamRecord` fields.
        metrics: Rows of `MetricRecord` fields.

    Returns:
        For each name a list with one value for each run, in the order of ``kinds``; None where a run has no value.
    """
    position = {run: place for place, run in enumerate(kinds)}
    columns = _params(kinds, position, params)
    columns.update(_metrics(position, metrics))
    return columns


def _params(
    kinds: Mapping[str, str], position: Mapping[str, int], rows: Iterable[Sequence[Any]]
) -> dict[ValueName, list[Any]]:
    size = len(position)
    columns: dict[str, dict[Kind, list[Any]]] = {}
    chosen: dict[tuple[str, str], str] = {}  # the step of a cell's parameter that counts: the last by name
    for run, step, name, text, _ in rows:
        place = position.get(run)
        if place is None or (step and kinds[run] == "pipeline"):
            continue
        by_kind = columns.get(name)
        if by_kind is None:
            by_kind = columns[name] = {}
        if step:
            before = chosen.get((run, name))
            if before is not None and step < before:
                continue
            chosen[run, name] = step
            for values in by_kind.values():
                values[place] = None
        kind, value = _cache.get(text) or _parsed(text)
        column = by_kind.get(kind)
        if column is None:
            column = by_kind[kind] = [None] * size
        column[place] = value
    return {
        ValueName(PARAMS, name, kind): values for name, by_kind in columns.items() for kind, values in by_kind.items()
    }


def _metrics(position: Mapping[str, int], rows: Iterable[Sequence[Any]]) -> dict[ValueName, list[Any]]:
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
    columns: dict[ValueName, list[Any]] = {}
    for name, newest in last.items():
        values = [None if row is None else row[4] for row in newest]
        empty = [row is not None and (row[4] is None or row[4] != row[4]) for row in newest]
        if any(empty):
            columns[ValueName(METRICS, name, Kind.NONE)] = [True if is_empty else None for is_empty in empty]
            values = [None if is_empty else value for is_empty, value in zip(empty, values, strict=True)]
        if any(value is not None for value in values):
            columns[ValueName(METRICS, name, Kind.FLOAT)] = values
    return columns


_cache: dict[str, tuple[Kind, Any]] = {}


def _parsed(text: str) -> tuple[Kind, Any]:
    value = to_typed_value(text)
    if len(text) < 40:
        if len(_cache) > _MAX_CACHED:
            _cache.clear()
        _cache[text] = value
    return value
