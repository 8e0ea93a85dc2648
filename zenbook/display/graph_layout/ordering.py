"""Second phase: the order of the vertices within each column, with few crossings of edges."""

from __future__ import annotations

from bisect import bisect_right, insort

from zenbook.display.graph_layout.layers import WiredGraph

_SWEEPS = 16
_LARGE, _SWEEPS_LARGE = 1000, 4  # vertices from which a sweep is expensive, and how many sweeps there are then
_PATIENCE = 4  # sweeps without fewer crossings, after which the search ends
_SWAP_FROM, _SWAP_MAX = 2, 400  # neighbours are swapped from this sweep on, with fewer vertices than this


def order_columns(graph: WiredGraph) -> list[list[int]]:
    """Order the vertices of each column from top to bottom, by barycentre sweeps (Sugiyama, Tagawa and Toda, 1981).

    Each sweep, forwards and backwards in turn, sorts a column by the mean place of its vertices' neighbours.

    Args:
        graph: Boxes and wires with their columns.

    Returns:
        The vertices of each column, of the order with the fewest crossings that was found.
    """
    columns: list[list[int]] = [[] for _ in range(max(graph.column, default=-1) + 1)]
    for vertex, column in enumerate(graph.column):
        columns[column].append(vertex)
    place = [0.0] * len(graph.column)
    for members in columns:
        _renumber(members, place)
    best, fewest, idle = [list(members) for members in columns], _crossings(columns, graph, place), 0
    for sweep in range(_SWEEPS if len(graph.column) < _LARGE else _SWEEPS_LARGE):
        if not fewest or idle == _PATIENCE:
            break
        _sweep(columns, graph, place, forwards=sweep % 2 == 0)
        if sweep >= _SWAP_FROM and len(graph.column) < _SWAP_MAX:
            _swap_neighbours(columns, graph, place)
        crossings = _crossings(columns, graph, place)
        idle += 1
        if crossings < fewest:
            best, fewest, idle = [list(members) for members in columns], crossings, 0
    return best


def _sweep(columns: list[list[int]], graph: WiredGraph, place: list[float], *, forwards: bool) -> None:
    near, far = (graph.left, graph.right) if forwards else (graph.right, graph.left)
    for members in columns if forwards else reversed(columns):
        barycentre = {vertex: _mean_place(near[vertex] or far[vertex], place, place[vertex]) for vertex in members}
        members.sort(key=barycentre.__getitem__)
        _renumber(members, place)


def _renumber(members: list[int], place: list[float]) -> None:
    for number, vertex in enumerate(members):
        place[vertex] = number


def _mean_place(vertices: list[int], place: list[float], default: float) -> float:
    return sum(place[vertex] for vertex in vertices) / len(vertices) if vertices else default


def _swap_neighbours(columns: list[list[int]], graph: WiredGraph, place: list[float]) -> None:
    """Swap vertices that lie side by side where that leaves fewer crossings."""
    for column in columns:
        for number in range(len(column) - 1):
            upper, lower = column[number], column[number + 1]
            if _gain_of_swap(upper, lower, graph, place) > 0:
                column[number], column[number + 1] = lower, upper
                place[lower], place[upper] = number, number + 1


def _gain_of_swap(upper: int, lower: int, graph: WiredGraph, place: list[float]) -> int:
    """How many crossings fewer there are when two neighbours change places."""
    gain = 0
    for side in (graph.left, graph.right):
        above = [place[vertex] for vertex in side[upper]]
        below = sorted(place[vertex] for vertex in side[lower])
        for end in above:
            gain += bisect_right(below, end - 0.5) - (len(below) - bisect_right(below, end))
    return gain


def _crossings(columns: list[list[int]], graph: WiredGraph, place: list[float]) -> int:
    """How many edges cross, counted as inversions of the places of their ends."""
    total = 0
    for column in columns[:-1]:
        seen: list[float] = []
        for vertex in column:
            ends = sorted(place[target] for target in graph.right[vertex])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
