"""Third phase: the height of each vertex, as near to its neighbours' heights as the distances allow."""

from __future__ import annotations

from itertools import pairwise

from zenbook.display.graph_layout.geometry import Spacing
from zenbook.display.graph_layout.layers import WiredGraph

_SWEEPS = 12
_STILL = 0.5  # pixels: a sweep that moves nothing further is the last one
_STRAIGHT = 8.0  # weight of a link between two wires, where one to a box has 1: a bend between wires is a wiggle
_TALL, _CENTRING = 0.5, 8.0  # columns fuller than this share are drawn to the middle, with this weight when full


def vertical_positions(
    columns: list[list[int]], graph: WiredGraph, columns_per_band: int, spacing: Spacing
) -> list[float]:
    """The height of each vertex's middle, around 0.

    Sweeps over the columns, to and fro: each vertex is drawn to the weighted mean height of its neighbours, and each
    column is placed by least squares under its order and its distances.

    Args:
        columns: The vertices of each column, from top to bottom.
        graph: Boxes and wires.
        columns_per_band: After how many columns the picture is folded; neighbours in another band do not count.
        spacing: Sizes and distances.

    Returns:
        Pixels for each vertex.
    """
    half = [spacing.box_height / 2 if graph.is_box(vertex) else 0.0 for vertex in range(len(graph.column))]
    offsets = [_offsets(column, graph, half, spacing) for column in columns]
    y = [0.0] * len(half)
    for column, below in zip(columns, offsets, strict=True):
        for vertex, offset in zip(column, below, strict=True):
            y[vertex] = offset - below[-1] / 2
    if all(len(column) == 1 for column in columns):
        return y
    links = _weighted_links(graph, columns_per_band)
    centring = [_centring(column, graph, spacing) for column in columns]
    for sweep in range(_SWEEPS):
        moved = 0.0
        for at in range(len(columns)) if sweep % 2 == 0 else range(len(columns) - 1, -1, -1):
            targets = [
                _target(y, links[vertex], centring[at] if graph.is_box(vertex) else 0.0, y[vertex])
                for vertex in columns[at]
            ]
            for vertex, place in zip(columns[at], nearest_in_order(targets, offsets[at]), strict=True):
                moved = max(moved, abs(y[vertex] - place))
                y[vertex] = place
        if moved < _STILL:
            break
    return y


def nearest_in_order(targets: list[float], offsets: list[float]) -> list[float]:
    """The places nearest to targets (least squares) that keep the order and the distances.

    This is the isotonic regression of ``targets - offsets``, by pooling adjacent violators (Ayer, Brunk, Ewing, Reid
    and Silverman, 1955).

    Args:
        targets: Where each vertex would like to be.
        offsets: How far each is below the first when they lie as close as they may.

    Returns:
        A place for each vertex.
    """
    blocks: list[tuple[float, int]] = []
    for target, offset in zip(targets, offsets, strict=True):
        mean, size = target - offset, 1
        while blocks and blocks[-1][0] > mean:
            pooled_mean, pooled = blocks.pop()
            mean, size = (pooled_mean * pooled + mean * size) / (pooled + size), size + pooled
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _offsets(column: list[int], graph: WiredGraph, half: list[float], spacing: Spacing) -> list[float]:
    """How far each vertex is below the first of its column when they lie as close as they may."""
    offsets = [0.0]
    for upper, lower in pairwise(column):
        gap = spacing.row_gap if graph.is_box(upper) and graph.is_box(lower) else spacing.wire_gap
        offsets.append(offsets[-1] + half[upper] + half[lower] + gap)
    return offsets


def _weighted_links(graph: WiredGraph, columns_per_band: int) -> list[list[tuple[int, float]]]:
    """The neighbours of each vertex in its band, with the weights of the links to them."""
    return [
        [
            (neighbour, 1.0 if graph.is_box(vertex) or graph.is_box(neighbour) else _STRAIGHT)
            for neighbour in (*graph.left[vertex], *graph.right[vertex])
            if graph.column[neighbour] // columns_per_band == graph.column[vertex] // columns_per_band
        ]
        for vertex in range(len(graph.column))
    ]


def _centring(column: list[int], graph: WiredGraph, spacing: Spacing) -> float:
    """The weight that draws a tall column to the middle, else the parts of one that was split make a staircase."""
    share = sum(map(graph.is_box, column)) / spacing.max_rows
    return _CENTRING * share**2 if share > _TALL else 0.0


def _target(y: list[float], links: list[tuple[int, float]], centring: float, default: float) -> float:
    total = centring + sum(weight for _, weight in links)
    return sum(y[neighbour] * weight for neighbour, weight in links) / total if total else default
