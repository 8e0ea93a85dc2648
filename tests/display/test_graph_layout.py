import random
import sys
from itertools import combinations, pairwise, product

import pytest

from zenbook.display.graph_layout import Box, Layout, Route, Spacing, layout


def dag(count, share, seed):
    chance = random.Random(seed)
    names = [f"s{at}" for at in range(count)]
    return names, [pair for pair in combinations(names, 2) if chance.random() < share]


def chain(count):
    names = [f"s{at}" for at in range(count)]
    return names, list(pairwise(names))


def fan(count):
    middle = [f"fit-{at}" for at in range(count)]
    return ["load", *middle, "report"], [(a, b) for item in middle for a, b in (("load", item), (item, "report"))]


GRAPHS = {
    "one": (["a"], []),
    "loose": ([f"s{at}" for at in range(60)], []),
    "chain": chain(100),
    "skipping": (list("abcdefgh"), [*zip("abcdefg", "bcdefgh", strict=True), ("a", "h"), ("b", "g"), ("a", "f")]),
    "fan": fan(40),
    "wide fan": fan(150),
    "two chains": (["a", "b", "c", "d"], [("a", "b"), ("c", "d")]),
    "everything feeds the last": (chain(40)[0], [*chain(40)[1], *((f"s{at}", "s39") for at in range(38))]),
    **{
        f"random {count} {share} {seed}": dag(count, share, seed)
        for count, share, seed in product((5, 20, 60), (0.03, 0.1, 0.3), range(4))
    },
}


def points(route: Route):
    """Points along a route, 16 to a piece."""
    start = route.start
    for curve in route.curves:
        one, two, end = curve.control1, curve.control2, curve.end
        for at in range(17):
            t = at / 16
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield tuple(
                sum(
                    weight * getattr(point, axis) for weight, point in zip(weights, (start, one, two, end), strict=True)
                )
                for axis in "xy"
            )
        start = end


def inside(box: Box, x: float, y: float, rim: float = 1.0) -> bool:
    return box.x + rim < x < box.x + box.width - rim and box.y + rim < y < box.y + box.height - rim


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_boxes_do_not_overlap_and_lie_in_the_picture(graph):
    result = layout(*graph)
    assert set(result.boxes) == set(graph[0])
    for one, other in combinations(result.boxes.values(), 2):
        assert (
            one.x + one.width <= other.x
            or other.x + other.width <= one.x
            or one.y + one.height + 10 <= other.y
            or other.y + other.height + 10 <= one.y
        )
    for box in result.boxes.values():
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= result.width
        assert box.y + box.height <= result.height


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_edges_join_their_boxes_and_cross_none(graph):
    result = layout(*graph)
    assert [(route.source, route.target) for route in result.routes] == list(dict.fromkeys(graph[1]))
    for route in result.routes:
        way = list(points(route))
        for name, (x, y) in ((route.source, way[0]), (route.target, way[-1])):
            box = result.boxes[name]
            assert x in (box.x, box.x + box.width)
            assert y == box.y + box.height / 2
        for x, y in way:
            assert 0 <= x <= result.width
            assert 0 <= y <= result.height
            assert not any(inside(box, x, y) for box in result.boxes.values()), route


def test_steps_of_a_short_chain_lie_in_a_row_from_left_to_right():
    boxes = layout(*chain(3)).boxes
    assert boxes["s0"].x < boxes["s1"].x < boxes["s2"].x
    assert boxes["s0"].y == boxes["s1"].y == boxes["s2"].y


def test_a_long_chain_is_folded_into_rows_that_run_to_and_fro():
    result = layout(*chain(100))
    assert result.width <= Spacing().max_width
    assert result.height < 1500
    rows = sorted({box.y for box in result.boxes.values()})
    in_order = [[name for name, box in result.boxes.items() if box.y == row] for row in rows]
    assert [name for row in in_order for name in row] == chain(100)[0]
    assert result.boxes[in_order[0][0]].x < result.boxes[in_order[0][-1]].x
    assert result.boxes[in_order[1][0]].x > result.boxes[in_order[1][-1]].x


def test_a_tall_column_is_split():
    assert layout(*fan(60)).height < 1600
    assert layout(*GRAPHS["loose"]).height < 1600


def test_edges_of_one_step_share_their_wires():
    def pieces(result: Layout) -> int:
        return len({curve for route in result.routes for curve in route.curves})

    names, edges = chain(20)
    to_all = [("s0", name) for name in names[2:]]
    assert pieces(layout(names, [*edges, *to_all])) < pieces(layout(names, edges)) + 5 * len(to_all)


def test_a_planar_graph_is_drawn_without_crossings():
    # Given in an order that would cross.
    names = ["a", "b", "c", "d", "e", "f"]
    boxes = layout(names, [("a", "f"), ("b", "e"), ("c", "d")]).boxes
    upper = sorted("abc", key=lambda name: boxes[name].y)
    lower = sorted("def", key=lambda name: boxes[name].y)
    assert ["fed"["abc".index(name)] for name in upper] == lower


def test_the_same_graph_gives_the_same_picture():
    names, edges = dag(60, 0.06, 1)
    assert layout(names, edges) == layout(list(names), list(edges))


def test_nothing_has_a_layout_too():
    assert layout([], []).boxes == {}


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        layout(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")])


@pytest.mark.parametrize(
    ("graph", "calls"),
    [(chain(3), 500), (chain(100), 15_000), (dag(60, 0.05, 1), 90_000), (dag(60, 0.1, 1), 150_000), (fan(58), 40_000)],
    ids=["3", "chain of 100", "60", "60 dense", "60 fan"],
)
def test_it_takes_few_calls(graph, calls):
    """Calls are counted, since seconds depend on what else the machine does; 100,000 take about 20 ms."""
    counted = 0

    def count(_frame, event, _argument):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        layout(*graph)
    finally:
        sys.setprofile(None)
    print(counted)
    assert counted < calls
