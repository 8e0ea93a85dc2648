"""The picture of a run: its graph as an SVG in which colour and sign tell each step's state.

A saved notebook keeps a picture for everyone only as an image with a data URI, so an SVG here stands alone: system
fonts, no script, no style sheet. Boxes bring their own light ground and edges are mid-grey, so it reads on white and on
dark pages.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from zenbook.core.states import StepState
from zenbook.display.graph_layout import Box, Curve, Layout, Point, Spacing, layout
from zenbook.display.table import escaped, one_line, width
from zenbook.display.theme import COLOURS

if TYPE_CHECKING:
    from zenbook.display.run_view import RunView, StepView


def picture(view: RunView) -> str:
    """A run's graph as SVG text.

    It is at most about 900 pixels wide: long graphs are folded into bands that run to and fro. Where there are more
    than three edges a step, edges that follow from others are left out (see `drawn_edges`).
    """
    names = tuple(view.steps)
    if not names:
        return _EMPTY
    place = placed(names, drawn_edges(names, tuple(view.edges)))
    wide, high = px(place.width), px(place.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"',
        f' font-family="{FONTS}" font-size="12">',
        f"<title>{escaped(one_line(view.pipeline))}: {escaped(view.state)}</title>",
        "<defs>",
        *(_ICONS[state] for state in dict.fromkeys(step.state for step in view.steps.values())),
        "</defs>",
        drawn(place),
    ]
    parts += (_step(step, place.boxes[name]) for name, step in view.steps.items())
    parts.append("</svg>")
    return "".join(parts)


def data_uri(svg: str) -> str:
    """An SVG as the ``src`` of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def drawn_edges(names: Sequence[str], edges: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The edges that a picture shows: all, or the transitive reduction where there are more than three a step.

    A hairball hides the order of things; the reduction keeps every path.
    """
    if len(edges) <= 3 * len(names):
        return tuple(edges)
    return _reduced(tuple(names), tuple(edges))


@dataclass(frozen=True, slots=True)
class _Look:
    """A box's colours."""

    fill: str
    border: str
    name: str = "#1f2328"


_LOOKS = {
    StepState.SUCCEEDED: _Look("#ebf7ef", "#9fd4b3"),
    StepState.CACHED: _Look("#ebf3fd", "#a6c8f0"),
    StepState.FAILED: _Look("#fdeeee", "#e58a8a"),
    StepState.SKIPPED: _Look("#f4f5f7", "#c3c9d1", "#5d6672"),
    StepState.RUNNING: _Look("#fff7e0", "#dfb04a"),
    StepState.CANCELLED: _Look("#fdf1e6", "#e0a878"),
    StepState.CRASHED: _Look("#fbedf7", "#d593c2"),
    StepState.PENDING: _Look("#f8f9fa", "#ccd2d9", "#5d6672"),
}
# Drawn, not written: fonts differ in these signs, and some show them as emoji. All in a circle of radius 7.
SIGN_PATHS = {
    StepState.SUCCEEDED: '<path d="M-3.2.3-.9 2.7 3.3-2.4"/>',
    StepState.CACHED: '<path d="M-2.9-1.6A3.4 3.4 0 1 1-3.3.9M-3.4-4V-1.3H-.7"/>',
    StepState.FAILED: '<path d="M-2.5-2.5 2.5 2.5M2.5-2.5-2.5 2.5"/>',
    StepState.SKIPPED: '<path d="M-3 0H3"/>',
    StepState.RUNNING: '<path d="M-1.7-2.9 3 0-1.7 2.9Z" fill="#fff"/>',
    StepState.CANCELLED: '<path d="M-2-2H2V2H-2Z" fill="#fff"/>',
    StepState.CRASHED: '<path d="M0-3.8V.6M0 3.4V3.6"/>',
    StepState.PENDING: '<circle r="6.2" fill="#f8f9fa" stroke="#858e99" stroke-width="1.4"/>',
}
_ICONS = {
    state: f'<g id="{state}" fill="none" stroke="#fff" stroke-width="1.7" stroke-linecap="round" '
    f'stroke-linejoin="round"><circle r="7" fill="{COLOURS[state]}" stroke="none"/>{path}</g>'
    if state is not StepState.PENDING
    else f'<g id="{state}">{path}</g>'
    for state, path in SIGN_PATHS.items()
}
FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','DejaVu Sans',Arial,sans-serif"
_EMPTY = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="28" viewBox="0 0 120 28">'
    f'<text x="8" y="18" font-family="{FONTS}" font-size="12" fill="#858e99">no steps</text></svg>'
)
_HEIGHT = 40.0
_TEXT_LEFT = 29.0
_TEXT_RIGHT = 9.0
_MIN_WIDTH, _MAX_WIDTH = 104.0, 168.0
_NARROW, _BROAD = frozenset("ijltfrI.,:;'|!()[]-/ "), frozenset("mwMW@%&—…")


@lru_cache(maxsize=32)  # a run is drawn again and again while only its states change
def placed(names: tuple[str, ...], edges: tuple[tuple[str, str], ...]) -> Layout:
    """Where the boxes and edges of a run's picture are."""
    return layout(names, edges, Spacing(box_width=_box_width(names), box_height=_HEIGHT))


def _box_width(names: Sequence[str]) -> float:
    """Room for the longest name, within limits; the same for all boxes and all states, so that nothing jumps."""
    widest = max(pixels(name) for name in names)
    return math.ceil(min(_MAX_WIDTH, max(_MIN_WIDTH, _TEXT_LEFT + widest + _TEXT_RIGHT)))


def pixels(text: str) -> float:
    """About how wide a name is at 12 pixels, in a font that runs wide."""
    if not text.isascii():
        return sum(12.5 if width(one) == 2 else 7.6 * width(one) for one in text)
    return sum(4.6 if one in _NARROW else 11.4 if one in _BROAD else 8.2 if one.isupper() else 7.4 for one in text)


def fitted(name: str, room: float) -> str:
    """The name, cut in the middle: the end tells ``fit_model_with_seed-12`` from ``…-13``."""
    if pixels(name) <= room:
        return name
    room -= pixels("…")
    tail = len(name)
    while tail and pixels(name[tail - 1 :]) <= room * 0.35:
        tail -= 1
    room -= pixels(name[tail:])
    head = 0
    while head < tail and pixels(name[: head + 1]) <= room:
        head += 1
    return f"{name[:head]}…{name[tail:]}"


def label(name: str, box: Box) -> str:
    """What a box has room for of a step's name."""
    return fitted(one_line(name), box.width - _TEXT_LEFT - _TEXT_RIGHT)


def _step(step: StepView, box: Box) -> str:
    look = _LOOKS[step.state]
    name = one_line(step.name)
    dashed = ' stroke-dasharray="4 3"' if step.state in (StepState.SKIPPED, StepState.PENDING) else ""
    x, y = box.x, box.y
    shown = label(name, box)
    # Notebooks keep the picture, so it says nothing twice.
    title = f"<title>{escaped(name)}: {escaped(step.told)}</title>" if shown != name else ""
    return (
        f"<g>{title}"
        f'<rect x="{px(x + 0.5)}" y="{px(y + 0.5)}" width="{px(box.width - 1)}" height="{px(box.height - 1)}" rx="7" '
        f'fill="{look.fill}" stroke="{look.border}"{dashed}/>'
        f'<use href="#{step.state}" x="{px(x + 16)}" y="{px(y + box.height / 2)}"/>'
        f'<text x="{px(x + _TEXT_LEFT)}" y="{px(y + 17)}" fill="{look.name}">{escaped(shown)}</text>'
        f'<text x="{px(x + _TEXT_LEFT)}" y="{px(y + 31)}" font-size="10" fill="#5d6672">{_second_line(step)}</text></g>'
    )


def _second_line(step: StepView) -> str:
    if step.progress is not None and step.progress.total:
        return f"{step.state}, {min(1.0, step.progress.done / step.progress.total):.0%}"
    if not step.took:
        return str(step.state)
    return step.took + (f" ×{step.attempt}" if step.again else "")


def drawn(place: Layout) -> str:
    """All edges with their heads."""
    lines, heads = wires(place)
    if not lines:
        return ""
    return f'<path d="{lines}" fill="none" stroke="#8c96a1" stroke-width="1.3"/><path d="{heads}" fill="#8c96a1"/>'


def wires(place: Layout) -> tuple[str, str]:
    """All edges as one SVG path (a shared wire is drawn once), and all arrow heads as another."""
    lines: dict[str, None] = {}
    heads: dict[str, None] = {}
    for route in place.routes:
        start, last = route.start, route.curves[-1]
        way = 1.0 if last.end.x >= last.control2.x else -1.0
        for curve in route.curves:
            # The head covers the end of the last piece.
            end = Point(curve.end.x - way * 3, curve.end.y) if curve is last else curve.end
            lines[f"M{px(start.x)} {px(start.y)}{_piece(start, curve, end)}"] = None
            start = curve.end
        heads[f"M{px(last.end.x)} {px(last.end.y)}l{px(-6 * way)}-3.4v6.8z"] = None
    return "".join(lines), "".join(heads)


def _piece(start: Point, curve: Curve, end: Point) -> str:
    if start.y == end.y:
        return f"H{px(end.x)}"
    if start.x == end.x:
        return f"V{px(end.y)}"
    one, two = curve.control1, curve.control2
    return f"C{px(one.x)} {px(one.y)} {px(two.x)} {px(two.y)} {px(end.x)} {px(end.y)}"


def px(value: float) -> str:
    """A number, short."""
    return f"{value:.1f}".removesuffix(".0")


@lru_cache(maxsize=32)
def _reduced(names: tuple[str, ...], edges: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The edges without those that a longer path makes redundant. Nodes come in an order in which they can run."""
    bit = {name: 1 << at for at, name in enumerate(names)}
    place = {name: at for at, name in enumerate(names)}
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        after[source].append(target)
    reach: dict[str, int] = {}
    kept: set[tuple[str, str]] = set()
    for name in reversed(names):
        reached = 0
        for other in sorted(after[name], key=place.__getitem__):
            if not reached & bit[other]:
                kept.add((name, other))
            reached |= bit[other] | reach.get(other, 0)
        reach[name] = reached
    return tuple(edge for edge in edges if edge in kept)
