"""One changed output as parts to draw: what differs in a frame, an array, a model, a figure, a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zenbook.display.table import cut, file_size, number, one_line
from zenbook.history.comparison.array_differences import ArrayChanges
from zenbook.history.comparison.frame_differences import FrameChanges
from zenbook.history.comparison.output_differences import ArtifactChange, ArtifactStatus
from zenbook.history.comparison.parts import ARROW, Cell, CellStyle, Diff, Grid, Line, Part, Pictures, pair, shown_value
from zenbook.history.comparison.row_differences import INDEX, Matching, RowChanges
from zenbook.history.comparison.value_distributions import Distance, Distributions, Summary

_MAX_ROWS = 20  # columns or values that are shown of one output
_MAX_DIFF_LINES = 60
_MAX_NAME, _MAX_VALUE = 40, 16  # columns
_MAX_SHARES = 4  # values of a column whose shares are shown
_NOTABLE_DISTANCE = 0.2  # from this distance on, a column is set off
_NUMBER_COLUMNS = ("column", "changed", "KS", "missing", "mean", "std", "min", "median", "max")
_VALUE_COLUMNS = ("column", "changed", "TV", "missing", "distinct", "commonest")
_MINIMUM, _MEDIAN, _MAXIMUM = 0, 2, 4  # places in `Summary.quantiles`


def output_parts(change: ArtifactChange, labels: tuple[str, str], *, named: bool) -> Iterator[Part]:
    """What there is to see of one output.

    Args:
        change: The output in two runs.
        labels: The labels of the two runs.
        named: Whether the head names the other run, because there are several.

    Yields:
        A head, then what differs.
    """
    run = f" (run {labels[1]})" if named else ""
    if change.status in (ArtifactStatus.NEW, ArtifactStatus.GONE):
        side = 0 if change.status is ArtifactStatus.GONE else 1
        words = f"only in {labels[side]}: {change.types[side]}, {file_size(change.sizes[side])}"
        yield Line(f"{change.name}{run}: {words}", head=True)
        return
    yield Line(f"{change.name}{run}: {', '.join(fact for fact in _facts(change) if fact)}", head=True)
    if change.note:
        yield Line(change.note)
    if change.frame is not None:
        yield from _frame(change.frame)
    if change.array is not None:
        yield Line(_array(change.array))
    if change.values and "" not in change.values:
        yield from _values(change, labels)
    if change.diff:
        yield from _diff(change.diff)
    if change.pictures is not None:
        yield Pictures(labels, change.pictures)


def _facts(change: ArtifactChange) -> Iterator[str]:
    """Types, sizes, and of a scalar both values."""
    yield pair(*change.types)
    if change.status is ArtifactStatus.SAME:
        yield from (file_size(change.sizes[0]), "the same")
    elif not change.values or len(change.values) > 1:
        yield pair(*map(file_size, change.sizes))
    if "" in change.values and len(change.values) == 1:
        old, new = change.values[""]
        yield f"{_short(old)} {ARROW} {_short(new)}{_difference(old, new)}"


def _diff(diff: str) -> Iterator[Part]:
    lines = diff.splitlines()
    yield Diff("\n".join(lines[:_MAX_DIFF_LINES]))
    if len(lines) > _MAX_DIFF_LINES:
        yield Line(f"and {len(lines) - _MAX_DIFF_LINES} more lines")


def _frame(frame: FrameChanges) -> Iterator[Part]:
    yield Line(f"{pair(*(f'{count:,}' for count in frame.rows))} rows{_rows(frame.row_changes)}")
    columns = [f"+ {name} {kind}" for name, kind in frame.added_columns.items()]
    columns += [f"− {name} {kind}" for name, kind in frame.removed_columns.items()]
    columns += [f"{name} {old} → {new}" for name, (old, new) in frame.types.items()]
    if columns:
        yield Line("columns: " + ", ".join(columns[:_MAX_ROWS]) + (", …" if len(columns) > _MAX_ROWS else ""))
    ordered = sorted(frame.columns.items(), key=lambda column: -(column[1].distance or 0.0))
    yield from _distributions(ordered[:_MAX_ROWS], frame.row_changes.cells)
    if len(ordered) > _MAX_ROWS:
        yield Line(f"and {len(ordered) - _MAX_ROWS} more columns differ, less than these")


def _distributions(columns: list[tuple[str, Distributions]], changed: Mapping[str, int]) -> Iterator[Part]:
    numbers = [column for column in columns if column[1].kind is Distance.KOLMOGOROV_SMIRNOV]
    values = [column for column in columns if column[1].kind is Distance.TOTAL_VARIATION]
    if numbers:
        yield _dense(_NUMBER_COLUMNS, tuple(_number_row(name, column, changed.get(name)) for name, column in numbers))
    if values:
        yield _dense(_VALUE_COLUMNS, tuple(_value_row(name, column, changed.get(name)) for name, column in values))
    if others := [name for name, column in columns if column.kind is Distance.NONE]:
        yield Line(f"also different: {', '.join(others)}")


def _dense(columns: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> Grid:
    """A grid without its empty columns."""
    places = [place for place in range(len(columns)) if any(row[place].text for row in rows)]
    return Grid(tuple(columns[place] for place in places), tuple(tuple(row[place] for place in places) for row in rows))


def _rows(rows: RowChanges) -> str:
    changes = [
        f"{count:,} {verb}"
        for count, verb in ((rows.added, "added"), (rows.removed, "removed"), (rows.changed, "changed"))
        if count
    ]
    by = {Matching.KEY: f" by `{rows.key}`".replace(f"`{INDEX}`", "index"), Matching.PLACE: " by place"}
    words = []
    if changes:
        words.append(f"{', '.join(changes)}{by.get(rows.matched_by, ' by content')}")
    if rows.reordered:
        words.append("in another order")
    if rows.left_out:
        words.append(f"not compared: {', '.join(rows.left_out)}")
    return "".join(f"; {clause}" for clause in words)


def _number_row(name: str, column: Distributions, changed: int | None) -> tuple[Cell, ...]:
    old, new = column.old, column.new
    return (
        Cell(_short_name(name)),
        Cell(f"{changed:,}" if changed else ""),
        _distance(column),
        Cell(_missing(old, new)),
        Cell(pair(_number(old.mean), _number(new.mean))),
        Cell(pair(_number(old.std), _number(new.std))),
        *(Cell(pair(_quantile(old, place), _quantile(new, place))) for place in (_MINIMUM, _MEDIAN, _MAXIMUM)),
    )


def _value_row(name: str, column: Distributions, changed: int | None) -> tuple[Cell, ...]:
    old, new = column.old, column.new
    values = list(dict.fromkeys((*old.top, *new.top)))[:_MAX_SHARES]
    shares = ", ".join(
        f"{cut(one_line(value), _MAX_VALUE)} {pair(_share(old, value), _share(new, value))}" for value in values
    )
    has_repeated = any(count > 1 for count in (*old.top.values(), *new.top.values()))
    return (
        Cell(_short_name(name)),
        Cell(f"{changed:,}" if changed else ""),
        _distance(column),
        Cell(_missing(old, new)),
        Cell(pair(f"{old.distinct:,}", f"{new.distinct:,}")),
        Cell(shares if has_repeated else ""),
    )


def _distance(column: Distributions) -> Cell:
    if column.distance is None:
        return Cell("")
    text = f"{'≈ ' if column.sampled else ''}{column.distance:.3f}"
    return Cell(text, CellStyle.CHANGED if column.distance >= _NOTABLE_DISTANCE else CellStyle.PLAIN)


def _share(summary: Summary, value: str) -> str:
    present = summary.rows - summary.missing
    return f"{summary.top[value] / present:.0%}" if value in summary.top and present else "?"


def _missing(old: Summary, new: Summary) -> str:
    return pair(f"{old.missing:,}", f"{new.missing:,}") if old.missing or new.missing else ""


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _quantile(summary: Summary, place: int) -> str:
    return shown_value(summary.quantiles[place]) if summary.quantiles else ""


def _array(array: ArrayChanges) -> str:
    facts = [f"shape {pair(*map(str, array.shapes))}", pair(*array.dtypes)]
    if array.share_changed is not None:
        facts.append(f"{_percent(array.share_changed)} of the values differ")
    if array.largest is not None and array.rms is not None:
        facts.append(f"by at most {number(array.largest)}, RMS {number(array.rms)}")
    return ", ".join(facts)


def _percent(share: float) -> str:
    return "under 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _values(change: ArtifactChange, labels: tuple[str, str]) -> Iterator[Part]:
    rows = [
        (Cell(_short_name(name)), *map(_value, values), Cell(_difference(*values).strip(" ()")))
        for name, values in change.values.items()
    ]
    has_changes = any(row[-1].text for row in rows)
    shown_rows = rows if has_changes else [row[:-1] for row in rows]
    yield Grid(("", *labels, *(("change",) if has_changes else ())), tuple(shown_rows[:_MAX_ROWS]))
    if len(rows) > _MAX_ROWS:
        yield Line(f"and {len(rows) - _MAX_ROWS} more values differ")


def _value(text: str | None) -> Cell:
    return Cell("–", CellStyle.FAINT) if text is None else Cell(_short(text))


def _short(text: str | None) -> str:
    if text is None:
        return "–"
    try:
        return number(float(text)) if "." in text else _short_name(text)
    except ValueError:
        return _short_name(text)


def _short_name(name: str) -> str:
    return cut(one_line(name), _MAX_NAME)


def _difference(old: str | None, new: str | None) -> str:
    """The change of a number: `` (+0.1)``."""
    try:
        change = float(new or "") - float(old or "")
    except ValueError:
        return ""
    return f" ({'+' if change > 0 else ''}{number(change)})"
