"""First phase: the column of each node, and wires through the columns that an edge passes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise


def assign_layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each node: the longest path to it, as in Sugiyama, Tagawa and Toda (1981).

    Then nodes that feed more nodes than they read move next to what they feed, which shortens edges.

    Args:
        count: The number of nodes; they are 0 … count - 1.
        edges: Pairs of nodes, from source to target.

    Returns:
        A layer for each node; the lowest is 0.

    Raises:
        ValueError: The graph has a cycle.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    before: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        after[source].append(target)
        before[target].append(source)
    waiting = [len(sources) for sources in before]
    order = [node for node in range(count) if not waiting[node]]
    layer = [0] * count
    for node in order:  # grows while it is read
        for target in after[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) != count:
        msg = "the graph has a cycle"
        raise ValueError(msg)
    for node in reversed(order):
        if after[node] and len(after[node]) >= len(before[node]):
            layer[node] = min(layer[target] for target in after[node]) - 1
    lowest = min(layer, default=0)
    return [number - lowest for number in layer]


def split_tall_layers(layers: list[int], max_rows: int) -> list[int]:
    """The column of each node: a tall layer becomes several columns of equal height.

    Nodes of one layer do not depend on each other, so their order is free.

    Args:
        layers: The layer of each node.
        max_rows: The number of nodes that a column may hold.

    Returns:
        A column for each node.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for node, layer in enumerate(layers):
        members[layer].append(node)
    columns, first = [0] * len(layers), 0
    for layer in sorted(members):
        nodes = members[layer]
        parts = math.ceil(len(nodes) / max_rows)
        height = math.ceil(len(nodes) / parts)
        for place, node in enumerate(nodes):
            columns[node] = first + place // height
        first += parts
    return columns


@dataclass(slots=True)
class WiredGraph:
    """Boxes (the first ``boxes`` vertices) and wires, joined only from one column to the next.

    A wire is the dummy vertex of Sugiyama, Tagawa and Toda (1981). Edges that leave one node, or that meet at one
    node, share their wires, so a picture grows with its nodes and not with its edges.
    """

    boxes: int
    column: list[int]  # of each vertex
    left: list[list[int]]  # neighbours in the column before
    right: list[list[int]]  # and after
    chains: dict[tuple[int, int], list[int]] = field(default_factory=dict)  # the vertices that an edge passes

    @classmethod
    def of(cls, columns: list[int], edges: Sequence[tuple[int, int]]) -> WiredGraph:
        """Put a wire into every column that an edge passes, so that no edge cuts through a box.

        Args:
            columns: The column of each node.
            edges: Pairs of nodes, from source to target.

        Returns:
            The graph with its wires.
        """
        graph = cls(len(columns), list(columns), [[] for _ in columns], [[] for _ in columns])
        long_edges = [edge for edge in edges if columns[edge[1]] - columns[edge[0]] > 1]
        leaving = Counter(source for source, _ in long_edges)
        arriving = Counter(target for _, target in long_edges)
        wires: dict[tuple[bool, int, int], int] = {}
        linked: set[tuple[int, int]] = set()
        for source, target in edges:
            shares_source = leaving[source] >= arriving[target]
            owner = source if shares_source else target
            chain = [source]
            for column in range(columns[source] + 1, columns[target]):
                key = (shares_source, owner, column)
                if key not in wires:
                    wires[key] = graph._add_wire(column)
                chain.append(wires[key])
            chain.append(target)
            graph.chains[source, target] = chain
            for link in pairwise(chain):
                if link not in linked:
                    linked.add(link)
                    graph.right[link[0]].append(link[1])
                    graph.left[link[1]].append(link[0])
        return graph

    def is_box(self, vertex: int) -> bool:
        """Whether a vertex is a box; else it is a wire.

        Args:
            vertex: The vertex.

        Returns:
            True for a box.
        """
        return vertex < self.boxes

    def _add_wire(self, column: int) -> int:
        self.column.append(column)
        self.left.append([])
        self.right.append([])
        return len(self.column) - 1
