"""The pieces that a comparison is drawn from, whatever it is drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zenbook.display.table import cut, number, one_line

ARROW = "→"
_MAX_CELL = 40  # columns


class CellStyle(StrEnum):
    """What a cell says beyond its text."""

    PLAIN = "plain"
    CHANGED = "changed"
    BETTER = "better"
    WORSE = "worse"
    FAINT = "faint"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid."""

    text: str
    style: CellStyle = CellStyle.PLAIN


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table; its first column names the rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence; ``head`` if it names what the next parts are about."""

    text: str
    head: bool = False


@dataclass(frozen=True, slots=True)
class Diff:
    """Lines of a unified diff."""

    text: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """PNGs in base64, side by side under their labels."""

    labels: tuple[str, ...]
    images: tuple[str, ...]


Part = Grid | Line | Diff | Pictures


def shown_value(value: Any) -> str:
    """A value of a parameter, metric or environment in one short line.

    Args:
        value: The value.

    Returns:
        Text that fits a cell.
    """
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return number(value)
    return cut(one_line(str(value)), _MAX_CELL)


def pair(old: str, new: str) -> str:
    """Two texts as a change.

    Args:
        old: The text of the first run.
        new: The text of the other run.

    Returns:
        ``old → new``, or one text where they agree.
    """
    return old if old == new else f"{old} {ARROW} {new}"
