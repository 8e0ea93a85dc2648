"""Last phase: the picture is folded into bands like a snake, and every edge becomes a route of curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from zenbook.display.graph_layout.geometry import Box, Curve, Layout, Point, Route, Spacing
from zenbook.display.graph_layout.layers import WiredGraph

_QUARTER_CIRCLE = 0.4477  # a Bézier curve's control points lie this share of the radius from the corner


def columns_per_band(columns: int, spacing: Spacing) -> int:
    """How many columns a band holds, so that all bands are about equally long.

    Args:
        columns: The number of columns.
        spacing: Sizes and distances, with the greatest width of a picture.

    Returns:
        At least 1, and at least 2 where the picture is folded.
    """
    room = spacing.max_width - 2 * spacing.margin + spacing.column_gap
    if columns <= int(room // spacing.pitch):
        return max(1, columns)
    fit = max(2, int((room - 4 * spacing.wire_gap) // spacing.pitch))  # a turn at both sides
    return math.ceil(columns / math.ceil(columns / fit))


@dataclass(slots=True)
class FoldedGraph:
    """Every vertex at its place in the folded picture; odd bands are turned by half a circle, so turns nest."""

    graph: WiredGraph
    spacing: Spacing
    per_band: int  # columns
    y: list[float]
    lanes: dict[int, int]  # which lane of its turn a vertex leaves by, 0 is the innermost
    left: float  # where the first column begins
    width: float
    height: float

    @classmethod
    def of(
        cls, columns: list[list[int]], graph: WiredGraph, y: list[float], per_band: int, spacing: Spacing
    ) -> FoldedGraph:
        """Fold a picture.

        Args:
            columns: The vertices of each column, from top to bottom.
            graph: Boxes and wires.
            y: The height of each vertex in one long band.
            per_band: How many columns a band holds.
            spacing: Sizes and distances.

        Returns:
            The vertices at their places.
        """
        placed, bottom = _stack_bands(columns, graph, y, per_band, spacing)
        lanes: dict[int, int] = {}
        room = [0.0, 0.0]  # for turns at the right, at the left
        for last in range(per_band - 1, len(columns) - 1, per_band):
            turning = sorted((vertex for vertex in columns[last] if graph.right[vertex]), key=lambda at: -placed[at])
            lanes.update({vertex: lane for lane, vertex in enumerate(turning)})
            side = (last // per_band) % 2
            if turning:
                room[side] = max(room[side], 2 * spacing.wire_gap + spacing.lane_gap * (len(turning) - 1))
        longest = min(per_band, len(columns))
        width = 2 * spacing.margin + sum(room) + max(0.0, longest * spacing.pitch - spacing.column_gap)
        height = math.ceil(bottom + spacing.margin)
        return cls(graph, spacing, per_band, placed, lanes, spacing.margin + room[1], width, height)

    def layout(self, names: list[str], edges: Sequence[tuple[int, int]]) -> Layout:
        """The geometry of the picture.

        Args:
            names: The names of the boxes, by vertex.
            edges: Pairs of boxes, from source to target.

        Returns:
            Boxes and routes.
        """
        wide, high = self.spacing.box_width, self.spacing.box_height
        boxes = {name: Box(self._x(at), self.y[at] - high / 2, wide, high) for at, name in enumerate(names)}
        routes = tuple(self._route(names[source], names[target], source, target) for source, target in edges)
        return Layout(boxes, routes, self.width, self.height)

    def _x(self, vertex: int) -> float:
        """The left side of the vertex's column."""
        band, place = divmod(self.graph.column[vertex], self.per_band)
        if band % 2:
            place = self.per_band - 1 - place
        return self.left + place * self.spacing.pitch

    def _is_backwards(self, vertex: int) -> bool:
        return (self.graph.column[vertex] // self.per_band) % 2 == 1

    def _entry(self, vertex: int) -> Point:
        return Point(self._x(vertex) + (self.spacing.box_width if self._is_backwards(vertex) else 0.0), self.y[vertex])

    def _exit(self, vertex: int) -> Point:
        return Point(self._x(vertex) + (0.0 if self._is_backwards(vertex) else self.spacing.box_width), self.y[vertex])

    def _route(self, source_name: str, target_name: str, source: int, target: int) -> Route:
        curves: list[Curve] = []
        for vertex, following in pairwise(self.graph.chains[source, target]):
            start, end = self._exit(vertex), self._entry(following)
            if self._is_backwards(vertex) == self._is_backwards(following):
                middle = (start.x + end.x) / 2
                curves.append(Curve(Point(middle, start.y), Point(middle, end.y), end))
            else:
                curves += self._turn(vertex, start, end)
            if following != target:
                curves.append(_line(end, self._exit(following)))
        return Route(source_name, target_name, self._exit(source), tuple(curves))

    def _turn(self, vertex: int, start: Point, end: Point) -> list[Curve]:
        """Out of the band, down, and back into the next one."""
        sign = -1.0 if self._is_backwards(vertex) else 1.0
        lane = start.x + sign * (2 * self.spacing.wire_gap + self.spacing.lane_gap * self.lanes[vertex])
        radius = min(self.spacing.wire_gap, (end.y - start.y) / 2)
        bend = radius * _QUARTER_CIRCLE
        before, after = Point(lane - sign * radius, start.y), Point(lane, start.y + radius)
        leaving, back = Point(lane, end.y - radius), Point(lane - sign * radius, end.y)
        return [
            _line(start, before),
            Curve(Point(lane - sign * bend, start.y), Point(lane, start.y + bend), after),
            _line(after, leaving),
            Curve(Point(lane, end.y - bend), Point(lane - sign * bend, end.y), back),
            _line(back, end),
        ]


def _stack_bands(
    columns: list[list[int]], graph: WiredGraph, y: list[float], per_band: int, spacing: Spacing
) -> tuple[list[float], float]:
    """The heights with each band below the one before it, and where the last band ends."""
    placed, top = list(y), spacing.margin
    for first in range(0, len(columns), per_band):
        members = [vertex for column in columns[first : first + per_band] for vertex in column]
        half = [spacing.box_height / 2 if graph.is_box(vertex) else 0.0 for vertex in members]
        low = min(y[vertex] - room for vertex, room in zip(members, half, strict=True))
        high = max(y[vertex] + room for vertex, room in zip(members, half, strict=True))
        is_odd = (first // per_band) % 2
        for vertex in members:
            placed[vertex] = round(top + (high - y[vertex] if is_odd else y[vertex] - low))
        top += high - low + spacing.band_gap
    return placed, top - spacing.band_gap if columns else top


def _line(start: Point, end: Point) -> Curve:
    third = Point((2 * start.x + end.x) / 3, (2 * start.y + end.y) / 3)
    return Curve(third, Point((start.x + 2 * end.x) / 3, (start.y + 2 * end.y) / 3), end)
