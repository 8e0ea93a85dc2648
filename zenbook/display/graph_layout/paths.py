"""The edges of a layout as SVG paths."""

from __future__ import annotations

from zenbook.display.graph_layout.geometry import Curve, Layout, Point
from zenbook.display.markup import NOTHING, Html
from zenbook.display.svg import px

_HEAD = 6  # pixels: the length of an arrow head


def edges_svg(geometry: Layout) -> Html:
    """All edges with their arrow heads, in mid-grey.

    Args:
        geometry: The picture's layout.

    Returns:
        Two SVG paths; nothing for a layout without edges.
    """
    lines, heads = edge_paths(geometry)
    if not lines:
        return NOTHING
    return Html('<path d="{}" fill="none" stroke="#8c96a1" stroke-width="1.3"/><path d="{}" fill="#8c96a1"/>').format(
        lines, heads
    )


def edge_paths(geometry: Layout) -> tuple[str, str]:
    """The data of one SVG path for all edges, and of another for all arrow heads. A shared wire is drawn once.

    Args:
        geometry: The picture's layout.

    Returns:
        Two values of an SVG path's ``d``.
    """
    lines: dict[str, None] = {}
    heads: dict[str, None] = {}
    for route in geometry.routes:
        start, last = route.start, route.curves[-1]
        sign = 1.0 if last.end.x >= last.control2.x else -1.0
        for curve in route.curves:
            # The head covers the end of the last piece.
            end = Point(curve.end.x - sign * _HEAD / 2, curve.end.y) if curve is last else curve.end
            lines[f"M{px(start.x)} {px(start.y)}{_piece(start, curve, end)}"] = None
            start = curve.end
        heads[f"M{px(last.end.x)} {px(last.end.y)}l{px(-_HEAD * sign)}-3.4v6.8z"] = None
    return "".join(lines), "".join(heads)


def _piece(start: Point, curve: Curve, end: Point) -> str:
    if start.y == end.y:
        return f"H{px(end.x)}"
    if start.x == end.x:
        return f"V{px(end.y)}"
    first, second = curve.control1, curve.control2
    return f"C{px(first.x)} {px(first.y)} {px(second.x)} {px(second.y)} {px(end.x)} {px(end.y)}"
