"""Plain values as JSON and back: exactly, or not at all."""

# a table's row is a line
from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import http
import json
import math
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zenbook.core.fingerprint import cache_key
from zenbook.core.plain_values import NotPlainError, decode, encode, paths_in, show


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    a: int


class Text(str):
    __slots__ = ()


PLAIN = [
    None, True, 0, -5, 10**30, 1.5, -0.0, float("inf"), "a", "$input", "ä\ud800", [], [1, [2]], (), (1, (2, [3])), {}, {"a": 1}, {"b": 1, "a": 2},
    {1: 2}, {"$input": "x"}, {(1, 2): {3}}, set(), {1, 2}, frozenset({"a"}), b"\xff", 1 + 2j, Path("a/b"), [{"p": Path("x")}],
    dt.datetime(2020, 1, 2, 3, 4, 5, 6), dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.date(2020, 1, 2), dt.time(1, 2), dt.timedelta(-1, 5, 7),
    decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5), np.float32(0.1), np.int64(3), np.bool_(True), http.HTTPStatus.OK, len, int,
    pd.DataFrame,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda one: f"{one!r:.30}".encode("ascii", "replace").decode())
def test_a_plain_value_comes_back_as_it_was(value: object) -> None:
    text = json.dumps(encode(value), sort_keys=True)
    again = decode(json.loads(text))
    assert type(again) is type(value)
    assert again == value
    assert repr(again) == repr(value) or isinstance(value, set | frozenset)


def test_the_order_of_a_dict_comes_back() -> None:
    assert list(decode(json.loads(json.dumps(encode({"b": 1, "a": 2}), sort_keys=True)))) == ["b", "a"]


def test_not_a_number_comes_back() -> None:
    assert math.isnan(decode(encode(float("nan"))))


@pytest.mark.parametrize(
    "value",
    [object(), Colour.RED, Config(1), Text("a"), pd.DataFrame(), np.arange(2), np.longdouble(1), lambda: 1, Config, [object()], {"a": Colour.RED},
     dt.datetime(2020, 1, 1, fold=1), pd.Timestamp("2020"), iter([])],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_values_that_are_not_plain_are_refused(value: object) -> None:
    with pytest.raises(NotPlainError):
        encode(value)


def test_paths_are_found_wherever_they_are() -> None:
    assert paths_in(encode([Path("a"), {"k": Path("b")}, {1: (Path("c"), {Path("d")})}])) == [
        Path("a"),
        Path("b"),
        Path("c"),
        Path("d"),
    ]
    assert paths_in(encode("a/b")) == []


def test_values_for_people() -> None:
    shown = [
        show(encode(one))
        for one in (1, "a", Path("x"), (1, 2), {"b": 1, "a": 2}, http.HTTPStatus.OK, len, decimal.Decimal("1.0"))
    ]
    assert shown == ["1", "a", "x", "(1, 2)", "{'b': 1, 'a': 2}", "HTTPStatus.OK", "len", "1.0"]
    assert show({"$input": "x"}) == "…"


KEY = ("code", {"a": 1}, {"x": "digest"}, ("output",), ())


@pytest.mark.parametrize(
    "other",
    [("edited", *KEY[1:]), (KEY[0], {"a": 1.0}, *KEY[2:]), (KEY[0], {"a": True}, *KEY[2:]), (KEY[0], {"b": 1}, *KEY[2:]), (*KEY[:2], {"x": "other"}, *KEY[3:]),
     (*KEY[:2], {"y": "digest"}, *KEY[3:]), (*KEY[:3], ("a",), ()), (*KEY[:4], ("file",))],
)  # fmt: skip
def test_each_part_of_a_call_is_part_of_its_key(other: tuple) -> None:
    assert cache_key(*KEY) == cache_key(*KEY)
    assert cache_key(*other) != cache_key(*KEY)
