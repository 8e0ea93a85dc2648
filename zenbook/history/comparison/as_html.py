"""A comparison as static HTML: no kernel, no script, no style sheet, no trust; it reads in light and in dark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zenbook.display.table import escaped
from zenbook.display.theme import COLOURS, SIGNS
from zenbook.history.comparison.as_text import MOST_IN_COLUMNS, NOTHING, count, headline, shown_rows
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part, Pictures
from zenbook.history.comparison.pictures import pictures
from zenbook.history.comparison.sections import MANY, Section, sections

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison

_GREEN, _RED = COLOURS["succeeded"], COLOURS["failed"]
_MARKS = {
    CellStyle.PLAIN: "",
    CellStyle.CHANGED: "font-weight:600",
    CellStyle.BETTER: f"font-weight:600;color:{_GREEN}",
    CellStyle.WORSE: f"font-weight:600;color:{_RED}",
    CellStyle.FAINT: "opacity:.6",
}
_CELL = "text-align:left;padding:1px 16px 1px 0;vertical-align:top;white-space:nowrap"
_LONG = 12  # lines of a diff that are shown without folding
_MUCH = 24  # differences in one section that are


def html(comparison: Comparison) -> str:
    """The runs, and the sections in which something differs; many runs as a table and a picture."""
    if len(comparison.runs) > MOST_IN_COLUMNS:
        title = f"<div><b>{count(comparison)}</b></div>"
        rest = "".join(map(_section, sections(comparison, MANY)))
        return _box(title + _pictures_of(comparison) + shown_rows(comparison)._repr_html_() + rest)
    heads = "".join(_run(comparison, at) for at in range(len(comparison.runs)))
    body = "".join(map(_section, sections(comparison)))
    if not body:
        return _box(f'{heads}<div style="opacity:.7;margin-top:6px">{NOTHING}</div>')
    drawn = _pictures_of(comparison)
    return _box(heads + body + drawn if len(comparison.runs) == 2 else heads + drawn + body)


def diff_html(text: str) -> str:
    """A unified diff; a long one is folded behind its number of lines."""
    lines = text.splitlines()
    body = "".join(map(_diff_line, lines))
    block = (
        '<div style="font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;line-height:1.45;'
        f'white-space:pre;overflow-x:auto;margin:2px 0 8px 2px">{body}</div>'
    )
    if len(lines) <= _LONG:
        return block
    return f"<details><summary>{len(lines)} lines</summary>{block}</details>"


def _box(body: str) -> str:
    return f'<div style="line-height:1.5">{body}</div>'


def _pictures_of(comparison: Comparison) -> str:
    drawn = [one.img for one in pictures(comparison)]
    if not drawn:
        return ""
    each = "".join(f'<div style="flex:1 1 520px;max-width:760px">{one}</div>' for one in drawn)
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin:10px 0">{each}</div>'


def _run(comparison: Comparison, at: int) -> str:
    one = comparison.facts[at]
    state = one.record.state
    line = escaped(headline(comparison, at).removeprefix(one.label).strip())
    return (
        f'<div><span style="color:{COLOURS[state]}">{SIGNS[state]}</span> <b>{escaped(one.label)}</b> '
        f'<span style="opacity:.75">{line}</span></div>'
    )


def _section(section: Section) -> str:
    rest = f' <span style="font-weight:400;opacity:.6">{escaped(section.rest)}</span>' if section.rest else ""
    title = f'<div style="font-weight:600;margin:10px 0 2px">{section.topic.value}{rest}</div>'
    body = "".join(map(_part, section.parts))
    if section.size <= _MUCH:
        return title + body
    return f"{title}<details><summary>{section.size} differences</summary>{body}</details>"


def _part(part: Part) -> str:
    if isinstance(part, Grid):
        return _grid(part)
    if isinstance(part, Line):
        style = "margin-top:6px" if part.head else "opacity:.8"
        name, colon, rest = part.text.partition(": ") if part.head else ("", "", part.text)
        return f'<div style="{style}">{f"<b>{escaped(name)}</b>{colon}" if name else ""}{with_code(rest)}</div>'
    if isinstance(part, Diff):
        return diff_html(part.text)
    return _pictures(part)


def with_code(words: str) -> str:
    """Names in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(words))


def _grid(grid: Grid) -> str:
    head = "".join(f'<th style="{_CELL};font-weight:600">{escaped(one)}</th>' for one in grid.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in grid.rows)
    return (
        '<table style="margin:2px 0;border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    style = f"{_CELL};{_MARKS[cell.mark]}" if _MARKS[cell.mark] else _CELL
    return f'<td style="{style}">{escaped(cell.text)}</td>'


def _diff_line(line: str) -> str:
    look = {"+": f"color:{_GREEN}", "-": f"color:{_RED}"}.get(line[:1], "opacity:.75")
    return f'<div style="{look}">{escaped(line) or "&nbsp;"}</div>'


def _pictures(part: Pictures) -> str:
    each = "".join(
        f'<div style="margin-right:16px"><div style="opacity:.7">{escaped(label)}</div>'
        f'<img src="data:image/png;base64,{image}" alt="{escaped(label)}" '
        f'style="max-width:320px;background:#fff"></div>'
        for label, image in zip(part.labels, part.images, strict=True)
    )
    return f'<div style="display:flex;flex-wrap:wrap;margin:4px 0">{each}</div>'
