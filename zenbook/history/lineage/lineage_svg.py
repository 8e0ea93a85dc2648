"""The picture of a lineage: steps as boxes, the artifact or file among them as a pill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from zenbook.display.graph_layout import Box, Spacing, layout
from zenbook.display.run_graph_svg import FONTS, drawn, fitted, pixels, px
from zenbook.display.table import escaped, one_line
from zenbook.display.theme import COLOURS
from zenbook.history.lineage.entries import DRAWN, Entry, Lineage, LineageRelation

_THING = "artifact"
_LEFT, _RIGHT = 12.0, 10.0
_SMALLER = 1.2  # the first line's type over the second's


def picture(of: Lineage) -> str:
    """A lineage as SVG text; it reads on white and on dark pages. Only the nearest 60 steps are drawn."""
    near = sorted(range(len(of.entries)), key=lambda at: of.entries[at].distance)[:DRAWN]
    kept = sorted(near)
    names = {at: str(at) for at in kept}
    edges = [(names[a], names[b]) for a, b in of.edges if a in names and b in names]
    for at in kept:
        entry = of.entries[at]
        if entry.distance == 1:
            edges.append((names[at], _THING) if entry.way is LineageRelation.MADE else (_THING, names[at]))
    edges = _acyclic(_without_shortcuts(edges))
    widths = [pixels(of.of.partition(" (")[0])]
    widths += (max(pixels(of.entries[at].step), pixels(_second(of.entries[at])) / _SMALLER) for at in kept)
    room = math.ceil(min(200.0, max(104.0, _LEFT + max(widths) + _RIGHT)))
    before = [names[at] for at in kept if of.entries[at].way in (LineageRelation.MADE, LineageRelation.UPSTREAM)]
    after = [names[at] for at in kept if names[at] not in before]
    place = layout([*before, _THING, *after], edges, Spacing(box_width=room, box_height=40.0))
    wide, high = px(place.width), px(place.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"',
        f' font-family="{FONTS}" font-size="12"><title>Lineage of {escaped(of.of)}</title>',
        drawn(place),
        *(_step(of.entries[at], place.boxes[names[at]]) for at in kept),
        _thing(of.of, place.boxes[_THING]),
        "</svg>",
    ]
    return "".join(parts)


def _without_shortcuts(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges that only say again what passes through the artifact: from a step that made it to one that read it."""
    makers = {source for source, target in edges if target == _THING}
    readers = {target for source, target in edges if source == _THING}
    return [one for one in edges if not (one[0] in makers and one[1] in readers)]


def _acyclic(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges without those that close a circle: steps that did the same in several runs may follow each other twice."""
    kept = dict.fromkeys(edges)
    while True:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for source, target in kept:
            sorter.add(target, source)
        try:
            sorter.prepare()
        except CycleError as error:
            source, target, *_ = error.args[1]
            del kept[source, target]
        else:
            return list(kept)


def _step(entry: Entry, box: Box) -> str:
    told = f"{entry.step}: {entry.way}, {entry.pipeline}, run {entry.runs[0]}"
    colour = COLOURS[entry.state]
    return (
        f"<g><title>{escaped(one_line(told))}</title>"
        f'<rect x="{px(box.x + 0.5)}" y="{px(box.y + 0.5)}" '
        f'width="{px(box.width - 1)}" height="{px(box.height - 1)}" rx="7" fill="#f8f9fa" '
        f'stroke="{colour}"/>{_words(entry.step, _second(entry), box)}</g>'
    )


def _second(entry: Entry) -> str:
    runs = f"{len(entry.runs)} runs" if len(entry.runs) > 1 else entry.runs[0].rpartition("-")[2]
    return f"{entry.pipeline} · {runs}"


def _thing(name: str, box: Box) -> str:
    first, _, digest = name.partition(" (")
    return (
        f'<g><rect x="{px(box.x + 0.5)}" y="{px(box.y + 0.5)}" '
        f'width="{px(box.width - 1)}" height="{px(box.height - 1)}" rx="19" fill="#fff7e0" '
        f'stroke="#dfb04a" stroke-width="1.5"/>{_words(first, digest.rstrip(")"), box)}'
        "</g>"
    )


def _words(first: str, second: str, box: Box) -> str:
    x, room = px(box.x + _LEFT), box.width - _LEFT - _RIGHT
    high = 17.0 if second else 24.0
    below = (
        f'<text x="{x}" y="{px(box.y + 31)}" font-size="10" fill="#5d6672">'
        f"{escaped(fitted(one_line(second), room * _SMALLER))}</text>"
        if second
        else ""
    )
    return f'<text x="{x}" y="{px(box.y + high)}" fill="#1f2328">{escaped(fitted(one_line(first), room))}</text>{below}'
