"""One changed output as parts to draw: what changed in a frame, an array, a model, a figure, a text."""

from __future__ import annotations

from collections.abc import Iterator

from zenbook.display.table import cut, file_size, number, one_line
from zenbook.history.comparison.array_differences import ArrayChanges
from zenbook.history.comparison.frame_differences import FrameChanges
from zenbook.history.comparison.output_differences import ArtifactChange, ArtifactStatus
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part, Pictures, pair, shown_value
from zenbook.history.comparison.row_differences import INDEX, Matching, RowChanges
from zenbook.history.comparison.value_distributions import Distance, Distributions, Summary

_MOST = 20  # columns or values that are shown of one output
_DIFF_LINES = 60
_NOTABLE = 0.2  # a distance that is set off


def output_parts(change: ArtifactChange, labels: tuple[str, str], *, named: bool) -> Iterator[Part]:
    """What there is to see of one output; ``named`` says in the head which run is meant."""
    run = f" (run {labels[1]})" if named else ""
    if change.status in (ArtifactStatus.NEW, ArtifactStatus.GONE):
        there = 0 if change.status is ArtifactStatus.GONE else 1
        words = f"only in {labels[there]}: {change.types[there]}, {file_size(change.sizes[there])}"
        yield Line(f"{change.name}{run}: {words}", head=True)
        return
    facts = [pair(*change.types)]
    if change.status is ArtifactStatus.SAME:
        facts += [file_size(change.sizes[0]), "the same"]
    elif not change.values or len(change.values) > 1:
        facts.append(pair(*(file_size(one) for one in change.sizes)))
    scalar = change.values.get("")
    if scalar is not None and len(change.values) == 1:
        facts.append(f"{_short(scalar[0])} → {_short(scalar[1])}{_difference(*scalar)}")
    yield Line(f"{change.name}{run}: {', '.join(one for one in facts if one)}", head=True)
    if change.note:
        yield Line(change.note)
    if change.frame is not None:
        yield from _frame(change.frame)
    if change.array is not None:
        yield Line(_array(change.array))
    if change.values and scalar is None:
        yield from _values(change, labels)
    if change.diff:
        lines = change.diff.splitlines()
        yield Diff("\n".join(lines[:_DIFF_LINES]))
        if len(lines) > _DIFF_LINES:
            yield Line(f"and {len(lines) - _DIFF_LINES} more lines")
    if change.pictures is not None:
        yield Pictures(labels, change.pictures)


def _frame(frame: FrameChanges) -> Iterator[Part]:
    yield Line(f"{pair(*(f'{one:,}' for one in frame.rows))} rows{_rows(frame.row_changes)}")
    columns = [f"+ {name} {kind}" for name, kind in frame.added_columns.items()]
    columns += [f"− {name} {kind}" for name, kind in frame.removed_columns.items()]
    columns += [f"{name} {old} → {new}" for name, (old, new) in frame.types.items()]
    if columns:
        yield Line("columns: " + ", ".join(columns[:_MOST]) + (", …" if len(columns) > _MOST else ""))
    ordered = sorted(frame.columns.items(), key=lambda one: -(one[1].distance or 0.0))
    shown, cells = ordered[:_MOST], frame.row_changes.cells
    numbers = [(name, one) for name, one in shown if one.kind is Distance.KOLMOGOROV_SMIRNOV]
    values = [(name, one) for name, one in shown if one.kind is Distance.TOTAL_VARIATION]
    if numbers:
        head = ("column", "changed", "KS", "missing", "mean", "std", "min", "median", "max")
        yield _dense(head, tuple(_measured(name, one, cells.get(name)) for name, one in numbers))
    if values:
        counted = ("column", "changed", "TV", "missing", "distinct", "commonest")
        yield _dense(counted, tuple(_counted(name, one, cells.get(name)) for name, one in values))
    if other := [name for name, one in shown if one.kind is Distance.NONE]:
        yield Line(f"also different: {', '.join(other)}")
    if len(ordered) > _MOST:
        yield Line(f"and {len(ordered) - _MOST} more columns differ, less than these")


def _dense(columns: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> Grid:
    """A grid without the columns that say nothing."""
    kept = [place for place in range(len(columns)) if any(row[place].text for row in rows)]
    return Grid(tuple(columns[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in rows))


def _rows(rows: RowChanges) -> str:
    changes = [
        f"{many:,} {what}"
        for many, what in ((rows.added, "added"), (rows.removed, "removed"), (rows.changed, "changed"))
        if many
    ]
    by = {Matching.KEY: f" by `{rows.key}`".replace(f"`{INDEX}`", "index"), Matching.PLACE: " by place"}
    words = []
    if changes:
        words.append(f"{', '.join(changes)}{by.get(rows.matched_by, ' by content')}")
    if rows.reordered:
        words.append("in another order")
    if rows.left_out:
        words.append(f"not compared: {', '.join(rows.left_out)}")
    return "".join(f"; {one}" for one in words)


def _measured(name: str, one: Distributions, changed: int | None) -> tuple[Cell, ...]:
    old, new = one.old, one.new
    return (
        Cell(cut(one_line(name), 40)),
        Cell(f"{changed:,}" if changed else ""),
        _distance(one),
        Cell(_missing(old, new)),
        Cell(pair(_number(old.mean), _number(new.mean))),
        Cell(pair(_number(old.std), _number(new.std))),
        *(Cell(pair(_quantile(old, at), _quantile(new, at))) for at in (0, 2, 4)),
    )


def _counted(name: str, one: Distributions, changed: int | None) -> tuple[Cell, ...]:
    old, new = one.old, one.new
    names = list(dict.fromkeys((*old.top, *new.top)))[:4]
    shares = ", ".join(f"{cut(one_line(value), 16)} {pair(_share(old, value), _share(new, value))}" for value in names)
    return (
        Cell(cut(one_line(name), 40)),
        Cell(f"{changed:,}" if changed else ""),
        _distance(one),
        Cell(_missing(old, new)),
        Cell(pair(f"{old.distinct:,}", f"{new.distinct:,}")),
        Cell(shares if any(many > 1 for many in (*old.top.values(), *new.top.values())) else ""),
    )


def _distance(one: Distributions) -> Cell:
    if one.distance is None:
        return Cell("")
    text = f"{'≈ ' if one.sampled else ''}{one.distance:.3f}"
    return Cell(text, CellStyle.CHANGED if one.distance >= _NOTABLE else CellStyle.PLAIN)


def _share(summary: Summary, value: str) -> str:
    known = summary.rows - summary.missing
    return f"{summary.top[value] / known:.0%}" if value in summary.top and known else "?"


def _missing(old: Summary, new: Summary) -> str:
    return pair(f"{old.missing:,}", f"{new.missing:,}") if old.missing or new.missing else ""


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _quantile(summary: Summary, at: int) -> str:
    return shown_value(summary.quantiles[at]) if summary.quantiles else ""


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
        (Cell(cut(one_line(name), 40)), *(_value(one) for one in both), Cell(_difference(*both).strip(" ()")))
        for name, both in change.values.items()
    ]
    changes = any(row[-1].text for row in rows)
    kept = rows if changes else [row[:-1] for row in rows]
    yield Grid(("", *labels, *(("change",) if changes else ())), tuple(kept[:_MOST]))
    if len(rows) > _MOST:
        yield Line(f"and {len(rows) - _MOST} more values differ")


def _value(text: str | None) -> Cell:
    return Cell("–", CellStyle.FAINT) if text is None else Cell(_short(text))


def _short(text: str | None) -> str:
    if text is None:
        return "–"
    try:
        return number(float(text)) if "." in text else cut(one_line(text), 40)
    except ValueError:
        return cut(one_line(text), 40)


def _difference(old: str | None, new: str | None) -> str:
    """The change of a number: `` (+0.1)``."""
    try:
        change = float(new or "") - float(old or "")
    except ValueError:
        return ""
    return f" ({'+' if change > 0 else ''}{number(change)})"
