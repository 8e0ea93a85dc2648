"""The order of a capsule's parts."""

from __future__ import annotations

import pytest

from zenbook.core.capsule import Piece
from zenbook.core.capture.items import Item, in_order
from zenbook.errors import CaptureError


def order(*items: Item) -> list[str]:
    return [piece.text for piece in in_order({item.name: item for item in items}, "Step 'x'")]


def item(name: str, before: str = "", called: str = "", preferred: str = "", rank: int = 1) -> Item:
    return Item(name, (Piece(name),), set(before.split()), set(preferred.split()), set(called.split()), rank=rank)


def test_what_must_be_bound_before_comes_first() -> None:
    assert order(item("a", before="b c"), item("b", before="d"), item("c"), item("d")) == ["d", "b", "c", "a"]


def test_imports_come_first() -> None:
    assert order(item("a"), item("np", rank=0), item("effect", rank=-1)) == ["effect", "np", "a"]


def test_what_may_be_called_while_something_is_defined_comes_before_it() -> None:
    assert order(item("cls", before="f"), item("f", called="g"), item("g", called="h"), item("h")) == [
        "f",
        "g",
        "h",
        "cls",
    ]


def test_mutual_recursion_is_not_a_cycle() -> None:
    assert order(item("a", called="b"), item("b", called="a")) == ["a", "b"]
    names = order(item("c", before="a"), item("a", called="b"), item("b", called="a c"))
    assert names == ["a", "b", "c"]


def test_what_is_called_may_need_what_is_being_defined() -> None:
    names = order(item("c", before="a"), item("a", called="b"), item("b", before="c"))
    assert names.index("a") < names.index("c") < names.index("b")


def test_annotations_may_name_each_other() -> None:
    assert sorted(order(item("a", preferred="b"), item("b", preferred="a"))) == ["a", "b"]
    assert order(item("a", preferred="b"), item("b")) == ["b", "a"]


def test_items_that_must_each_come_before_the_other_are_named() -> None:
    with pytest.raises(CaptureError, match="'a' and 'b', which need each other"):
        order(item("a", before="b"), item("b", before="a"))


def test_the_order_is_always_the_same() -> None:
    items = [item("a", before="x y"), item("y", called="z"), item("x"), item("z")]
    assert len({tuple(order(*items)) for _ in range(5)}) == 1
