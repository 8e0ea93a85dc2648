"""The sizes that a layout keeps to, and the geometry that it results in. All numbers are pixels; y grows downwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spacing:
    """Sizes and distances."""

    box_width: float = 120.0
    box_height: float = 40.0
    column_gap: float = 40.0
    row_gap: float = 14.0  # between boxes
    wire_gap: float = 12.0  # between a wire and anything else
    band_gap: float = 26.0
    lane_gap: float = 8.0  # between the wires that turn from one band into the next
    margin: float = 8.0
    max_width: float = 900.0  # a wider graph is folded
    max_rows: int = 12  # boxes in one column

    @property
    def pitch(self) -> float:
        """The distance from one column's left side to the next one's."""
        return self.box_width + self.column_gap


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the picture."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One cubic Bézier piece of a route; it begins where the piece before it ended."""

    control1: Point
    control2: Point
    end: Point


@dataclass(frozen=True, slots=True)
class Route:
    """How an edge runs; it leaves and arrives horizontally. Edges that share a wire have equal pieces."""

    source: str
    target: str
    start: Point
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture's geometry."""

    boxes: dict[str, Box]
    routes: tuple[Route, ...]
    width: float
    height: float
