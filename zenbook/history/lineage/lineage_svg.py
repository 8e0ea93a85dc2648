"""The picture of a lineage: steps as boxes, the artifact or file among them as a pill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from zenbook.display.graph_layout import Box, Spacing, layout
from zenbook.display.graph_layout.paths import edges_svg
from zenbook.display.markup import NOTHING, Html
from zenbook.display.svg import FONTS, fit, px, text_width
from zenbook.display.table import one_line
from zenbook.display.theme import COLOURS
from zenbook.history.lineage.lineage_model import Edge, Entry, LineageRelation, nearest

MAX_DRAWN = 60  # boxes
_ARTIFACT = "artifact"  # its name in the layout; the names of steps are numbers there
_LEFT, _RIGHT = 12.0, 10.0  # pixels between a box's border and its text
_MIN_WIDTH, _MAX_WIDTH, _HEIGHT = 104.0, 200.0, 40.0  # of a box
_SMALLER = 1.2  # the first line's font size over the second's


def lineage_svg(name: str, entries: tuple[Entry, ...], edges: Iterable[Edge]) -> str:
    """A lineage as a picture; it reads on white and on dark pages. Only the nearest 60 steps are drawn.

    Args:
        name: The artifact or file, with its digest behind it in parentheses.
        entries: The steps of the lineage.
        edges: Which of them reads what another one made.

    Returns:
        SVG that stands alone.
    """
    drawn = {place: entries[place] for place in nearest(entries, MAX_DRAWN)}
    before = [str(place) for place, entry in drawn.items() if entry.relation.is_before]
    after = [str(place) for place, entry in drawn.items() if not entry.relation.is_before]
    spacing = Spacing(box_width=_box_width(name, drawn.values()), box_height=_HEIGHT)
    geometry = layout([*before, _ARTIFACT, *after], _acyclic(_drawn_edges(drawn, edges)), spacing)
    boxes = (_step(entry, geometry.boxes[str(place)]) for place, entry in drawn.items())
    picture = Html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="{fonts}" font-size="12"><title>Lineage of {name}</title>{edges}{boxes}{artifact}</svg>'
    ).format(
        width=px(geometry.width),
        height=px(geometry.height),
        fonts=FONTS,
        name=name,
        edges=edges_svg(geometry),
        boxes=NOTHING.join(boxes),
        artifact=_artifact(name, geometry.boxes[_ARTIFACT]),
    )
    return str(picture)


def _box_width(name: str, entries: Iterable[Entry]) -> float:
    widths = [text_width(name.partition(" (")[0])]
    widths += (max(text_width(entry.step), text_width(_second_line(entry)) / _SMALLER) for entry in entries)
    return math.ceil(min(_MAX_WIDTH, max(_MIN_WIDTH, _LEFT + max(widths) + _RIGHT)))


def _drawn_edges(drawn: dict[int, Entry], edges: Iterable[Edge]) -> list[tuple[str, str]]:
    """The edges between drawn steps, and those to and from the artifact."""
    # An edge from a step that made the artifact to one that read it is left out: it passes through the artifact.
    pairs = [(str(source), str(target)) for source, target in edges if source in drawn and target in drawn]
    near = {str(place): entry for place, entry in drawn.items() if entry.distance == 1}
    makers = {node for node, entry in near.items() if entry.relation is LineageRelation.MADE}
    readers = near.keys() - makers
    pairs += ((node, _ARTIFACT) if node in makers else (_ARTIFACT, node) for node in near)
    return [(source, target) for source, target in pairs if not (source in makers and target in readers)]


def _acyclic(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges without those that close a circle: steps that did the same in several runs may follow each other twice."""
    remaining = dict.fromkeys(edges)
    while True:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for source, target in remaining:
            sorter.add(target, source)
        try:
            sorter.prepare()
        except CycleError as error:
            source, target, *_ = error.args[1]
            del remaining[source, target]
        else:
            return list(remaining)


def _step(entry: Entry, box: Box) -> Html:
    title = f"{entry.step}: {entry.relation}, {entry.pipeline}, run {entry.runs[0]}"
    outline = Html('<rect {} rx="7" fill="#f8f9fa" stroke="{}"/>').format(_rectangle(box), COLOURS[entry.state])
    words = _two_lines(entry.step, _second_line(entry), box)
    return Html("<g><title>{}</title>{}{}</g>").format(one_line(title), outline, words)


def _second_line(entry: Entry) -> str:
    runs = f"{len(entry.runs)} runs" if len(entry.runs) > 1 else entry.runs[0].rpartition("-")[2]
    return f"{entry.pipeline} · {runs}"


def _artifact(name: str, box: Box) -> Html:
    first, _, digest = name.partition(" (")
    return Html('<g><rect {} rx="19" fill="#fff7e0" stroke="#dfb04a" stroke-width="1.5"/>{}</g>').format(
        _rectangle(box), _two_lines(first, digest.rstrip(")"), box)
    )


def _rectangle(box: Box) -> Html:
    return Html('x="{}" y="{}" width="{}" height="{}"').format(
        px(box.x + 0.5), px(box.y + 0.5), px(box.width - 1), px(box.height - 1)
    )


def _two_lines(first: str, second: str, box: Box) -> Html:
    x, room = px(box.x + _LEFT), box.width - _LEFT - _RIGHT
    below = NOTHING
    if second:
        below = Html('<text x="{}" y="{}" font-size="10" fill="#5d6672">{}</text>').format(
            x, px(box.y + 31), fit(one_line(second), room * _SMALLER)
        )
    y = px(box.y + (17.0 if second else 24.0))
    return Html('<text x="{}" y="{}" fill="#1f2328">{}</text>{}').format(x, y, fit(one_line(first), room), below)
