"""The order of a capsule's parts."""

from __future__ import annotations

import pytest

from zenbook.core.capsule import Piece
from zenbook.core.capture.items import Item, in_order
from zenbook.errors import CaptureError


def order(*items: Item) -> list[str]:
    return [piece.text for piece in in_order({one.name: one for one in items}, "Step 'x'")]


def item(name: str, early: str = "", late: str = "", soft: str = "", rank: int = 1) -> Item:
    return Item(name, (Piece(name),), set(early.split()), set(soft.split()), set(late.split()), rank=rank)


def test_what_is_needed_early_comes_first() -> None:
    assert order(item("a", early="b c"), item("b", early="d"), item("c"), item("d")) == ["d", "b", "c", "a"]


def test_imports_come_first() -> None:
    assert order(item("a"), item("np", rank=0), item("effect", rank=-1)) == ["effect", "np", "a"]


def test_what_may_be_called_while_something_is_defined_comes_before_it() -> None:
    assert order(item("cls", early="f"), item("f", late="g"), item("g", late="h"), item("h")) == ["f", "g", "h", "cls"]


def test_mutual_recursion_is_no_cycle() -> None:
    assert order(item("a", late="b"), item("b", late="a")) == ["a", "b"]
    made = order(item("c", early="a"), item("a", late="b"), item("b", late="a c"))
    assert made == ["a", "b", "c"]


def test_what_is_called_may_need_what_is_being_defined() -> None:
    made = order(item("c", early="a"), item("a", late="b"), item("b", early="c"))
    assert made.index("a") < made.index("c") < made.index("b")


def test_annotations_may_name_each_other() -> None:
    assert sorted(order(item("a", soft="b"), item("b", soft="a"))) == ["a", "b"]
    assert order(item("a", soft="b"), item("b")) == ["b", "a"]


def test_things_that_need_each_other_early_are_named() -> None:
    with pytest.raises(CaptureError, match="'a' and 'b', which need each other"):
        order(item("a", early="b"), item("b", early="a"))


def test_the_order_does_not_depend_on_luck() -> None:
    items = [item("a", early="x y"), item("y", late="z"), item("x"), item("z")]
    assert len({tuple(order(*items)) for _ in range(5)}) == 1
