"""A comparison as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from zenbook.display.diff import one_line_of_code
from zenbook.display.table import Table, cut, one_line, padded, width
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part
from zenbook.history.comparison.sections import MANY, Section, sections

MOST_IN_COLUMNS = 8  # more runs than this are rows of one table
NOTHING_DIFFERS = "Nothing differs: parameters, metrics, steps, code, environment and outputs are the same."
_MAX_ROWS = 50  # runs that are shown
_MAX_CELL = 100  # columns of one cell
_STARRED = (CellStyle.CHANGED, CellStyle.BETTER, CellStyle.WORSE)


def comparison_text(comparison: ComparisonData) -> str:
    """The sections in which something differs, below a line about each run; many runs as rows of one table.

    Args:
        comparison: The comparison.

    Returns:
        Lines.
    """
    if len(comparison.runs) > MOST_IN_COLUMNS:
        lines = [count(comparison), repr(shown_rows(comparison))]
        return "\n".join([*lines, *_section_lines(sections(comparison, MANY), starred=True)])
    lines = [headline(comparison, place) for place in range(len(comparison.runs))]
    differing = sections(comparison)
    if not differing:
        return "\n".join([*lines, "", NOTHING_DIFFERS])
    return "\n".join([*lines, *_section_lines(differing, starred=len(comparison.runs) > 2)])


def shown_rows(comparison: ComparisonData) -> Table:
    """The table of many runs, cut to what people read.

    Args:
        comparison: The comparison.

    Returns:
        The first runs, with what differs among their parameters and metrics as columns.
    """
    table = comparison.table()
    if len(table) <= _MAX_ROWS:
        return table
    return replace(table[:_MAX_ROWS], title=f"The first {_MAX_ROWS} of {len(table):,} runs; `.df()` has all")


def count(comparison: ComparisonData) -> str:
    """What is compared where there are many runs.

    Args:
        comparison: The comparison.

    Returns:
        One sentence.
    """
    return (
        f"{len(comparison.runs)} runs differ in {len(comparison.params)} parameters and "
        f"{len(comparison.metrics)} metrics"
    )


def headline(comparison: ComparisonData, place: int) -> str:
    """One line about one run.

    Args:
        comparison: The comparison.
        place: The run's place in it.

    Returns:
        Label, pipeline, id, state and stack.
    """
    run = comparison.run_data[place]
    return f"{run.label}  {one_line(run.record.pipeline)} {run.id} {run.record.state} on {run.stack.stack.name}"


def _section_lines(differing: list[Section], *, starred: bool) -> Iterator[str]:
    for section in differing:
        rest = f" ({section.rest})" if section.rest else ""
        yield from ("", f"{section.topic.value}{rest}")
        for part in section.parts:
            yield from _part_lines(part, starred=starred)


def _part_lines(part: Part, *, starred: bool) -> list[str]:
    if isinstance(part, Grid):
        return _grid_lines(part, starred=starred)
    if isinstance(part, Line):
        return [f"  {'' if part.head else '  '}{one_line(part.text)}"]
    if isinstance(part, Diff):
        return [f"      {one_line_of_code(line)}" for line in part.text.splitlines()]
    return ["    (pictures, in a notebook)"]


def _grid_lines(grid: Grid, *, starred: bool) -> list[str]:
    rows = [tuple(Cell(name) for name in grid.columns), *grid.rows]
    texts = [[_cell_text(cell, starred=starred) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    return [
        "    " + "  ".join(padded(text, room) for text, room in zip(row, widths, strict=True)).rstrip() for row in texts
    ]


def _cell_text(cell: Cell, *, starred: bool) -> str:
    star = "*" if starred and cell.style in _STARRED else ""
    return cut(one_line(cell.text), _MAX_CELL) + star
