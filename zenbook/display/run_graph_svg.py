"""The picture of a run: its graph as an SVG in which colour and sign tell each step's state.

Boxes bring their own light ground and edges are mid-grey, so the picture reads on white and on dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from zenbook.core.graph import transitive_reduction
from zenbook.core.states import StepState
from zenbook.display.graph_layout import Box, Layout, Spacing, layout
from zenbook.display.graph_layout.paths import edges_svg
from zenbook.display.markup import NOTHING, Html
from zenbook.display.run_view import RunView, StepView
from zenbook.display.svg import FONTS, fit, px, text_width
from zenbook.display.table import one_line
from zenbook.display.theme import COLOURS

_DENSE = 3  # edges a step: with more of them, those that follow from others are left out


@dataclass(frozen=True, slots=True)
class _BoxStyle:
    """A box's colours."""

    fill: str
    border: str
    name: str = "#1f2328"


_BOX_STYLES = {
    StepState.SUCCEEDED: _BoxStyle("#ebf7ef", "#9fd4b3"),
    StepState.CACHED: _BoxStyle("#ebf3fd", "#a6c8f0"),
    StepState.FAILED: _BoxStyle("#fdeeee", "#e58a8a"),
    StepState.SKIPPED: _BoxStyle("#f4f5f7", "#c3c9d1", "#5d6672"),
    StepState.RUNNING: _BoxStyle("#fff7e0", "#dfb04a"),
    StepState.CANCELLED: _BoxStyle("#fdf1e6", "#e0a878"),
    StepState.CRASHED: _BoxStyle("#fbedf7", "#d593c2"),
    StepState.PENDING: _BoxStyle("#f8f9fa", "#ccd2d9", "#5d6672"),
}
# Drawn, not written: fonts differ in these signs, and some show them as emoji. All in a circle of radius 7.
SIGN_PATHS = {
    StepState.SUCCEEDED: Html('<path d="M-3.2.3-.9 2.7 3.3-2.4"/>'),
    StepState.CACHED: Html('<path d="M-2.9-1.6A3.4 3.4 0 1 1-3.3.9M-3.4-4V-1.3H-.7"/>'),
    StepState.FAILED: Html('<path d="M-2.5-2.5 2.5 2.5M2.5-2.5-2.5 2.5"/>'),
    StepState.SKIPPED: Html('<path d="M-3 0H3"/>'),
    StepState.RUNNING: Html('<path d="M-1.7-2.9 3 0-1.7 2.9Z" fill="#fff"/>'),
    StepState.CANCELLED: Html('<path d="M-2-2H2V2H-2Z" fill="#fff"/>'),
    StepState.CRASHED: Html('<path d="M0-3.8V.6M0 3.4V3.6"/>'),
    StepState.PENDING: Html('<circle r="6.2" fill="#f8f9fa" stroke="#858e99" stroke-width="1.4"/>'),
}


def _icon(state: StepState, sign: Html) -> Html:
    if state is StepState.PENDING:
        return Html('<g id="{}">{}</g>').format(state, sign)
    return Html(
        '<g id="{}" fill="none" stroke="#fff" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">'
        '<circle r="7" fill="{}" stroke="none"/>{}</g>'
    ).format(state, COLOURS[state], sign)


_ICONS = {state: _icon(state, sign) for state, sign in SIGN_PATHS.items()}
_EMPTY = Html(
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="28" viewBox="0 0 120 28">'
    '<text x="8" y="18" font-family="{}" font-size="12" fill="#858e99">no steps</text></svg>'
).format(FONTS)
_HEIGHT = 40.0  # of a box, in pixels as all below
_TEXT_LEFT = 29.0
_TEXT_RIGHT = 9.0
_MIN_WIDTH, _MAX_WIDTH = 104.0, 168.0


def run_graph_svg(view: RunView) -> str:
    """A run's graph as a picture.

    It is at most about 900 pixels wide: long graphs are folded into bands that run to and fro. Where there are more
    than three edges a step, edges that follow from others are left out (see `drawn_edges`).

    Args:
        view: The run.

    Returns:
        SVG that stands alone.
    """
    names = tuple(view.steps)
    if not names:
        return str(_EMPTY)
    geometry = run_layout(names, drawn_edges(names, tuple(view.edges)))
    picture = Html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="{fonts}" font-size="12"><title>{pipeline}: {state}</title><defs>{icons}</defs>'
        "{edges}{boxes}</svg>"
    ).format(
        width=px(geometry.width),
        height=px(geometry.height),
        fonts=FONTS,
        pipeline=one_line(view.pipeline),
        state=view.state,
        icons=NOTHING.join(_ICONS[state] for state in dict.fromkeys(step.state for step in view.steps.values())),
        edges=edges_svg(geometry),
        boxes=NOTHING.join(_box(step, geometry.boxes[name]) for name, step in view.steps.items()),
    )
    return str(picture)


def drawn_edges(names: Sequence[str], edges: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The edges that a picture shows: all, or the transitive reduction where there are more than three a step.

    A hairball hides the order of things; the reduction keeps every path.

    Args:
        names: The steps, each behind those that it needs.
        edges: Pairs of steps: the second needs the first.

    Returns:
        Some or all of the edges, in their order.
    """
    if len(edges) <= _DENSE * len(names):
        return tuple(edges)
    return _reduction(tuple(names), tuple(edges))


@lru_cache(maxsize=32)  # a run is drawn again and again while only its states change
def run_layout(names: tuple[str, ...], edges: tuple[tuple[str, str], ...]) -> Layout:
    """Where the boxes and edges of a run's picture are.

    Args:
        names: The steps, at least one.
        edges: Those that are drawn.

    Returns:
        The geometry, in pixels.
    """
    return layout(names, edges, Spacing(box_width=_box_width(names), box_height=_HEIGHT))


def box_label(name: str, box: Box) -> str:
    """What a box has room for of a step's name.

    Args:
        name: The step's name.
        box: The step's box.

    Returns:
        The name, shortened in the middle where it is too wide.
    """
    return fit(one_line(name), box.width - _TEXT_LEFT - _TEXT_RIGHT)


_reduction = lru_cache(maxsize=32)(transitive_reduction)


def _box_width(names: Sequence[str]) -> float:
    """Room for the longest name, within limits; the same for all boxes and all states, so that nothing jumps."""
    widest = max(map(text_width, names))
    return math.ceil(min(_MAX_WIDTH, max(_MIN_WIDTH, _TEXT_LEFT + widest + _TEXT_RIGHT)))


def _box(step: StepView, box: Box) -> Html:
    style = _BOX_STYLES[step.state]
    name = one_line(step.name)
    label = box_label(name, box)
    dashed = Html(' stroke-dasharray="4 3"') if step.state in (StepState.SKIPPED, StepState.PENDING) else NOTHING
    # Notebooks keep the picture, so it says nothing twice.
    title = Html("<title>{}: {}</title>").format(name, step.state_text) if label != name else NOTHING
    return Html(
        '<g>{title}<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="{fill}" stroke="{border}"'
        '{dashed}/><use href="#{state}" x="{sign_x}" y="{sign_y}"/>'
        '<text x="{text_x}" y="{first_y}" fill="{name_colour}">{label}</text>'
        '<text x="{text_x}" y="{second_y}" font-size="10" fill="#5d6672">{second_line}</text></g>'
    ).format(
        title=title,
        x=px(box.x + 0.5),
        y=px(box.y + 0.5),
        width=px(box.width - 1),
        height=px(box.height - 1),
        fill=style.fill,
        border=style.border,
        dashed=dashed,
        state=step.state,
        sign_x=px(box.x + 16),
        sign_y=px(box.y + box.height / 2),
        text_x=px(box.x + _TEXT_LEFT),
        first_y=px(box.y + 17),
        second_y=px(box.y + 31),
        name_colour=style.name,
        label=label,
        second_line=_second_line(step),
    )


def _second_line(step: StepView) -> str:
    if step.progress is not None and step.progress.total:
        return f"{step.state}, {min(1.0, step.progress.done / step.progress.total):.0%}"
    if not step.duration_text:
        return str(step.state)
    return step.duration_text + (f" ×{step.attempt}" if step.attempt_text else "")
