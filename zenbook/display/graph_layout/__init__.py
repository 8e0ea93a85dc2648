"""Where the boxes and the edges of a graph's picture go: a layered layout, from left to right, folded into bands.

The phases are those of Sugiyama, Tagawa and Toda (1981), one in each file: layers by longest path, with a wire through
every layer that an edge passes; few crossings by barycentre sweeps; heights by least squares; routes. A graph that is
too wide is folded like a snake: every second band runs from right to left.
"""

from __future__ import annotations

from collections.abc import Iterable

from zenbook.display.graph_layout.geometry import Box, Curve, Layout, Point, Route, Spacing
from zenbook.display.graph_layout.layers import WiredGraph, assign_layers, split_tall_layers
from zenbook.display.graph_layout.ordering import order_columns
from zenbook.display.graph_layout.positions import vertical_positions
from zenbook.display.graph_layout.routing import FoldedGraph, columns_per_band


def layout(nodes: Iterable[str], edges: Iterable[tuple[str, str]], spacing: Spacing | None = None) -> Layout:
    """Lay a directed acyclic graph out; the same input always gives the same picture.

    Costs 10 to 40 ms for 60 densely wired nodes, under 2 ms for a chain of 100.

    Args:
        nodes: The names of the nodes.
        edges: Pairs of names, from source to target.
        spacing: Sizes and distances in pixels; None for those of `Spacing`.

    Returns:
        The geometry, in pixels.

    Raises:
        ValueError: The graph has a cycle.
        KeyError: An edge names an unknown node.
    """
    spacing = spacing or Spacing()
    names = list(dict.fromkeys(nodes))
    number = {name: at for at, name in enumerate(names)}
    pairs = list(dict.fromkeys((number[source], number[target]) for source, target in edges))
    graph = WiredGraph.of(split_tall_layers(assign_layers(len(names), pairs), spacing.max_rows), pairs)
    columns = order_columns(graph)
    per_band = columns_per_band(len(columns), spacing)
    y = vertical_positions(columns, graph, per_band, spacing)
    return FoldedGraph.of(columns, graph, y, per_band, spacing).layout(names, pairs)


__all__ = ["Box", "Curve", "Layout", "Point", "Route", "Spacing", "layout"]
