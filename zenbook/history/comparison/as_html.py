"""A comparison as static HTML: no kernel, no script, no style sheet, no trust; it reads in light and in dark."""

from __future__ import annotations

from zenbook.display.diff import diff_html, with_code
from zenbook.display.markup import NOTHING, Html
from zenbook.display.theme import COLOURS, SIGNS
from zenbook.history.comparison.as_text import MOST_IN_COLUMNS, NOTHING_DIFFERS, count, headline, shown_rows
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part, Pictures
from zenbook.history.comparison.plots.pictures import pictures
from zenbook.history.comparison.sections import MANY, Section, sections

_GREEN, _RED = COLOURS["succeeded"], COLOURS["failed"]
_STYLES = {
    CellStyle.PLAIN: "",
    CellStyle.CHANGED: ";font-weight:600",
    CellStyle.BETTER: f";font-weight:600;color:{_GREEN}",
    CellStyle.WORSE: f";font-weight:600;color:{_RED}",
    CellStyle.FAINT: ";opacity:.6",
}
_CELL = "text-align:left;padding:1px 16px 1px 0;vertical-align:top;white-space:nowrap"
_MAX_UNFOLDED = 24  # differences in one section that are shown without folding


def comparison_html(comparison: ComparisonData) -> str:
    """A comparison as HTML: the runs, and the sections in which something differs; many runs as a table and pictures.

    Args:
        comparison: The comparison.

    Returns:
        HTML in which all names and texts of the user are escaped.
    """
    if len(comparison.runs) > MOST_IN_COLUMNS:
        title = Html("<div><b>{}</b></div>").format(count(comparison))
        table = Html(shown_rows(comparison)._repr_html_())
        return _box(title, _pictures_of(comparison), table, *map(_section, sections(comparison, MANY)))
    heads = NOTHING.join(_run(comparison, place) for place in range(len(comparison.runs)))
    body = NOTHING.join(map(_section, sections(comparison)))
    if not body:
        return _box(heads, Html('<div style="opacity:.7;margin-top:6px">{}</div>').format(NOTHING_DIFFERS))
    plots = _pictures_of(comparison)
    return _box(heads, body, plots) if len(comparison.runs) == 2 else _box(heads, plots, body)


def _box(*parts: Html) -> str:
    return str(Html('<div style="line-height:1.5">{}</div>').format(NOTHING.join(parts)))


def _pictures_of(comparison: ComparisonData) -> Html:
    images = [plot.img for plot in pictures(comparison)]
    if not images:
        return NOTHING
    boxes = (Html('<div style="flex:1 1 520px;max-width:760px">{}</div>').format(image) for image in images)
    return Html('<div style="display:flex;flex-wrap:wrap;gap:8px;margin:10px 0">{}</div>').format(NOTHING.join(boxes))


def _run(comparison: ComparisonData, place: int) -> Html:
    run = comparison.run_data[place]
    state = run.record.state
    return Html('<div><span style="color:{}">{}</span> <b>{}</b> <span style="opacity:.75">{}</span></div>').format(
        COLOURS[state], SIGNS[state], run.label, headline(comparison, place).removeprefix(run.label).strip()
    )


def _section(section: Section) -> Html:
    rest = NOTHING
    if section.rest:
        rest = Html(' <span style="font-weight:400;opacity:.6">{}</span>').format(section.rest)
    title = Html('<div style="font-weight:600;margin:10px 0 2px">{}{}</div>').format(section.topic.value, rest)
    body = NOTHING.join(map(_part, section.parts))
    if section.size <= _MAX_UNFOLDED:
        return title + body
    return title + Html("<details><summary>{} differences</summary>{}</details>").format(section.size, body)


def _part(part: Part) -> Html:
    match part:
        case Grid():
            return _grid(part)
        case Line():
            return _line(part)
        case Diff():
            return diff_html(part.text)
        case Pictures():
            return _pictures(part)


def _line(line: Line) -> Html:
    style = "margin-top:6px" if line.head else "opacity:.8"
    name, colon, rest = line.text.partition(": ") if line.head else ("", "", line.text)
    bold = Html("<b>{}</b>{}").format(name, colon) if name else NOTHING
    return Html('<div style="{}">{}{}</div>').format(style, bold, with_code(rest))


def _grid(grid: Grid) -> Html:
    head = NOTHING.join(Html('<th style="{};font-weight:600">{}</th>').format(_CELL, name) for name in grid.columns)
    body = NOTHING.join(Html("<tr>{}</tr>").format(NOTHING.join(map(_cell, row))) for row in grid.rows)
    return Html(
        '<table style="margin:2px 0;border-collapse:collapse;font-variant-numeric:tabular-nums">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(head, body)


def _cell(cell: Cell) -> Html:
    return Html('<td style="{}{}">{}</td>').format(_CELL, _STYLES[cell.style], cell.text)


def _pictures(part: Pictures) -> Html:
    images = (
        Html(
            '<div style="margin-right:16px"><div style="opacity:.7">{label}</div>'
            '<img src="data:image/png;base64,{image}" alt="{label}" style="max-width:320px;background:#fff"></div>'
        ).format(label=label, image=image)
        for label, image in zip(part.labels, part.images, strict=True)
    )
    return Html('<div style="display:flex;flex-wrap:wrap;margin:4px 0">{}</div>').format(NOTHING.join(images))
