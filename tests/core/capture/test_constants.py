"""A constant's expression gives an equal value of the same type, or there is none."""

# a table's row is a line
from __future__ import annotations

import builtins
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import importlib
import ipaddress
import logging
import operator
import pathlib
import re
import threading
import types
import typing
import uuid
import zoneinfo

import numpy as np
import pytest

from zenbook.core.capture.constants import LIMIT, NotAConstantError, Renderer


class Colour(enum.Enum):
    RED = 1
    ALIAS = 1


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Point(typing.NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Plain:
    a: int
    b: list = dataclasses.field(default_factory=list)
    kind: typing.ClassVar[int] = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: int


@dataclasses.dataclass
class Changing:
    a: int

    def __post_init__(self) -> None:
        self.a *= 2


@dataclasses.dataclass
class WithInit:
    a: int
    b: dataclasses.InitVar[int] = 0


@dataclasses.dataclass(init=False)
class OwnInit:
    a: int

    def __init__(self) -> None:
        self.a = 1


class Sub(Plain):
    def __init__(self) -> None:
        super().__init__(5)


class MyStr(str):
    __slots__ = ()


VALUES = [
    None, True, False, 0, -1, 10**40, 1.5, -0.0, float("inf"), float("-inf"), 1e-320, 2j, complex(-0.0, float("inf")), "", "a'b\"\n",
    "ä\u2028\ud800\x00", b"", b"\xff'", ..., NotImplemented, (), (1,), (1, (2,)), [], [1, [2]], set(), {1}, {3, 1, 2}, frozenset(),
    frozenset({1}), {}, {"a": 1, 2: [3]}, {"b": 1, "a": 2}, range(5), range(1, 9, -2), slice(1, None, 2),
    collections.OrderedDict(b=1, a=2), collections.Counter("abca"), collections.deque([1, 2], maxlen=3), collections.deque(),
    collections.defaultdict(list, a=[1]), collections.defaultdict(None, a=1), types.SimpleNamespace(a=[1]),
    types.MappingProxyType({"a": 1}), pathlib.Path("a") / "b", pathlib.PurePosixPath("/x"), pathlib.PureWindowsPath("c:/x"),
    re.compile("a.b", re.I | re.S), re.compile(b"x"), logging.getLogger("a.b"), logging.getLogger(), dt.date(2020, 1, 2),
    dt.datetime(2020, 1, 2, 3, 4, 5, 6), dt.datetime(2020, 1, 2, tzinfo=dt.UTC, fold=1), dt.time(1, 2, 3, 4),
    dt.timedelta(-1, 5, 7), dt.UTC, dt.timezone(dt.timedelta(hours=1)), dt.timezone(dt.timedelta(hours=1), "X"),
    zoneinfo.ZoneInfo("Europe/Berlin"), decimal.Decimal("1.10"), decimal.Decimal("-Infinity"), fractions.Fraction(1, 3),
    uuid.UUID(int=5), ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8"), int, dict, len, print, np.float32, np.ndarray,
    Colour.RED, Access.READ, Access.READ | Access.WRITE, Access(0), Point(1), Plain(1, [2]), Slotted(3),
    typing.Optional[int], typing.Union[int, str], int | None, list[int], dict[str, list[int]], typing.Literal["a", 1], typing.Any,
    typing.Annotated[int, "a"], tuple[int, ...], type(None) and list[None], np.float32(0.1), np.float64(0.1), np.int8(-3), np.bool_(True),
    np.complex64(1 + 2j), np.dtype("<i2"), np.dtype("S3"),
]  # fmt: skip
ARRAYS = [
    np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(5), np.array([True]), np.array(["a", "bc"]), np.array([1.5, np.nan]),
    np.array([1 + 2j], "c8"), np.arange(3, dtype=">i4"), np.float16([1, 2]),
]  # fmt: skip


def evaluated(text: str, renderer: Renderer) -> object:
    space = {alias: importlib.import_module(name) for alias, name in renderer.modules.items()}
    return eval(text, {**globals(), **space})


def rendered(value: object) -> tuple[str, object]:
    renderer = Renderer(named)
    text = renderer.render(value)
    return text, evaluated(text, renderer)


def named(value: object) -> str | None:
    name = getattr(value, "__name__", "")
    if globals().get(name, getattr(builtins, name, None)) is value:
        return name
    return f"np.{name}" if getattr(np, name, None) is value else None


@pytest.mark.parametrize(
    "value", VALUES, ids=lambda value: f"{type(value).__name__}-{value!r:.30}".encode("ascii", "replace").decode()
)
def test_a_constant_comes_back_equal_and_of_its_type(value: object) -> None:
    _, again = rendered(value)
    assert type(again) is type(value)
    assert repr(again) == repr(value)
    if not isinstance(value, types.SimpleNamespace | types.MappingProxyType):
        assert again == value


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype.str}{value.shape}")
def test_an_array_comes_back_equal_and_of_its_type(value: np.ndarray) -> None:
    _, again = rendered(value)
    assert isinstance(again, np.ndarray)
    assert (again.dtype, again.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(again, value)


def test_not_a_number_comes_back() -> None:
    assert str(rendered(float("nan"))[1]) == "nan"


def test_the_order_of_a_set_does_not_count_and_that_of_a_dict_does() -> None:
    assert list({0, 8}) != list({8, 0})  # two sets that are equal and differ in order
    assert rendered({0, 8})[0] == rendered({8, 0})[0]
    assert rendered({"a", "b", "c"})[0] == rendered({"c", "b", "a"})[0]
    assert rendered({"a": 1, "b": 2})[0] != rendered({"b": 2, "a": 1})[0]


def test_methods_of_constants_come_back() -> None:
    table = {"a": 1}
    assert rendered(table.get)[1]("a") == 1
    assert rendered("abc".upper)[1]() == "ABC"
    assert rendered(re.compile("b").search)[1]("abc").start() == 1
    assert rendered(dict.fromkeys)[1]("a") == {"a": None}
    assert rendered(operator.itemgetter(1, 2))[1]([0, 5, 6]) == (5, 6)
    assert rendered(operator.attrgetter("a.b"))[0].endswith(".attrgetter('a.b')")


loop: list[object] = []
loop.append(loop)
NOT_CONSTANT = [
    (object(), "an object"), ([object()], "holds an object"), (threading.Lock(), "lock"), ((i for i in ()), "a generator"), (iter([]), "list_iterator"),
    (loop, "contains itself"), (Changing(1), "a "), (WithInit(1), "a "), (OwnInit(), "a "), (Sub(), "a "), (MyStr("a"), "MyStr"),
    (np.zeros(100_000), "100000 elements"), ("a" * (LIMIT + 1), "kB"), (list(range(10**6)), "parts"), (np.longdouble(1), "longdouble"),
    (np.array([1], np.longdouble), "ndarray"), (np.array([object()]), "ndarray"), (np.zeros(2, [("a", "i4")]), "ndarray"),
    (np.ma.array([1]), "MaskedArray"), (np.random.default_rng(0).normal, "method"),
    (slice(object()), "object"), (Plain(1, [object()]), "object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "says"), NOT_CONSTANT, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_what_has_no_faithful_expression_is_refused(value: object, says: str) -> None:
    with pytest.raises(NotAConstantError, match=says):
        rendered(value)
