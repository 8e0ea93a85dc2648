"""A comparison as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from zenbook.display.table import Table, cut, one_line, padded, width
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part
from zenbook.history.comparison.sections import MANY, Section, sections

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison

MOST_IN_COLUMNS = 8  # more runs than this are rows of one table
_MOST_ROWS = 50  # runs that are shown
_ROOM = 100  # columns of one cell


def text(comparison: Comparison) -> str:
    """The sections in which something differs, below a line about each run."""
    if len(comparison.runs) > MOST_IN_COLUMNS:
        return many(comparison)
    lines = [headline(comparison, at) for at in range(len(comparison.runs))]
    found = sections(comparison)
    lines += _lines_of(found, marked=len(comparison.runs) > 2) if found else ["", NOTHING]
    return "\n".join(lines)


def _lines_of(found: list[Section], *, marked: bool) -> Iterator[str]:
    for section in found:
        rest = f" ({section.rest})" if section.rest else ""
        yield from ("", f"{section.topic.value}{rest}")
        for part in section.parts:
            yield from _lines(part, marked=marked)


NOTHING = "Nothing differs: parameters, metrics, steps, code, environment and outputs are the same."


def many(comparison: Comparison) -> str:
    """Many runs as rows, with what differs among their parameters and metrics as columns; then their code."""
    lines = [count(comparison), repr(shown_rows(comparison))]
    return "\n".join([*lines, *_lines_of(sections(comparison, MANY), marked=True)])


def shown_rows(comparison: Comparison) -> Table:
    """The table of many runs, cut to what people read."""
    table = comparison.table()
    if len(table) <= _MOST_ROWS:
        return table
    return replace(table[:_MOST_ROWS], title=f"The first {_MOST_ROWS} of {len(table):,} runs; `.df()` has all")


def count(comparison: Comparison) -> str:
    """What is compared where there are many runs."""
    return (
        f"{len(comparison.runs)} runs differ in {len(comparison.params)} parameters and "
        f"{len(comparison.metrics)} metrics"
    )


def headline(comparison: Comparison, at: int) -> str:
    """One line about one run."""
    one = comparison.facts[at]
    stack = f" on {one.stack.stack.name}"
    return f"{one.label}  {one_line(one.record.pipeline)} {one.id} {one.record.state}{stack}"


def _lines(part: Part, *, marked: bool) -> list[str]:
    if isinstance(part, Grid):
        return _grid(part, marked=marked)
    if isinstance(part, Line):
        return [f"  {'' if part.head else '  '}{one_line(part.text)}"]
    if isinstance(part, Diff):
        return [f"      {one_line_of_code(line)}" for line in part.text.splitlines()]
    return ["    (pictures, in a notebook)"]


def one_line_of_code(line: str) -> str:
    """A line of source without characters that steer a terminal; tabs stay wide."""
    return one_line(line.replace("\t", "    ")) if not line.isprintable() else line


def _grid(grid: Grid, *, marked: bool) -> list[str]:
    rows = [tuple(Cell(one) for one in grid.columns), *grid.rows]
    texts = [[_told(cell, marked=marked) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    return [
        "    " + "  ".join(padded(one, room) for one, room in zip(row, widths, strict=True)).rstrip() for row in texts
    ]


def _told(cell: Cell, *, marked: bool) -> str:
    star = "*" if marked and cell.mark in (CellStyle.CHANGED, CellStyle.BETTER, CellStyle.WORSE) else ""
    return cut(one_line(cell.text), _ROOM) + star
