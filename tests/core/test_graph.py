"""The transitive reduction: no edge that a longer path implies, and every path is still there."""

from __future__ import annotations

import random
from graphlib import TopologicalSorter
from itertools import combinations

from zenbook.core.graph import transitive_reduction


def reachable(names: list[str], edges: tuple[tuple[str, str], ...]) -> dict[str, set[str]]:
    below: dict[str, set[str]] = {name: set() for name in names}
    for name in reversed(names):
        for source, target in edges:
            if source == name:
                below[name] |= {target} | below[target]
    return below


def test_the_reduction_keeps_every_path_and_no_edge_too_many() -> None:
    draw = random.Random(3)
    names = [f"s{number}" for number in range(12)]
    for _ in range(20):
        edges = tuple(edge for edge in combinations(names, 2) if draw.random() < 0.4)
        reduced = transitive_reduction(names, edges)
        assert list(reduced) == [edge for edge in edges if edge in reduced]
        paths = reachable(names, edges)
        assert reachable(names, reduced) == paths
        for dropped in reduced:
            fewer = tuple(edge for edge in reduced if edge != dropped)
            assert reachable(names, fewer) != paths
        TopologicalSorter({target: [source] for source, target in reduced}).prepare()
