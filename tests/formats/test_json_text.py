import io
import json
import math

import pytest

from zenbook.errors import FormatError
from zenbook.formats import BytesSource, MappedFile, format_for, format_named


def same(one, other):
    """Equal, and of the same types all the way down; NaN is NaN, -0.0 is not 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (float, complex)):
        return repr(one) == repr(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and all(same(one[key], other[key]) for key in one)
    return one == other


PLAIN = [
    None, True, False, 0, -1, 2**53 + 1, 2**63, -(2**64), 10**5000, -(7**3000), 0.0, -0.0, 0.1, 1e308, 5e-324, math.inf,
    -math.inf, math.nan, 1 + 2j, complex(-0.0, math.nan), [], {}, (), set(), frozenset(),
    [1, "a", None, [2.5, {"k": []}]],
    [math.nan, 1.0], (1, (2, [3])), {"b": 1, "a": 2}, {0: "a", None: 2, True: 3, (1, "x"): 4, 1.5: 5}, {"~tuple": [1]},
    {"~": 1}, {"~float": "nan", "x": 1}, {"~tuple": {"~dict": (1,)}}, {1, 2, 3}, frozenset({("b", 1)}),
    {"x": b"\x00\xff"},
    [b""], "~x", ["~tuple", "\u2028", "é", "\x00"], {"": 0}, [[True, 1, 1.0]], [2**70], [1, 2, 3], {"k": (None,)},
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:30] if not isinstance(value, int) else "int")
def test_plain_values_come_back_exactly_as_text(store, value):
    stored = store(value)
    assert stored.format.name == ("text" if isinstance(value, str) else "json")
    assert same(stored.load(), value)


@pytest.mark.parametrize("value", ["", "a\r\nb\n", "\x00", "żółw 🐢", "x" * 100_000])
def test_text_is_kept_to_the_last_line_end(store, value):
    stored = store(value)
    assert stored.path.suffix == ".txt"
    assert stored.load() == value


@pytest.mark.parametrize("value", ["\ud800", "\ud83d\ude00", ["\udfff"], {"\ud800": 1}])
def test_lone_surrogates_are_pickled(store, value):
    stored = store(value)
    assert stored.format.name == "pickle"
    assert stored.load() == value


@pytest.mark.parametrize("value", [b"", b"\x00\xff" * 10])
def test_bytes_are_kept(store, value):
    stored = store(value)
    assert stored.path.suffix == ".bin"
    assert same(stored.load(), value)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


def test_subclasses_and_other_objects_are_pickled_with_their_type(store):
    import datetime
    import enum

    import numpy as np

    for value in (
        Text("a"),
        [Text("a")],
        {Text("k"): 1},
        Whole(1),
        [np.float64(1)],
        (datetime.date(2026, 1, 1),),
        bytearray(b"a"),
    ):
        stored = store(value)
        assert stored.format.name == "pickle"
        loaded = stored.load()
        assert loaded == value
        assert type(loaded) is type(value)
    colour = enum.IntEnum("colour", "RED")
    assert format_for(colour.RED).name == "pickle"


def test_sharing_and_circles_inside_a_value_are_kept_by_pickle(store):
    inner = [1]
    stored = store({"a": inner, "b": inner})
    assert stored.format.name == "pickle"
    loaded = stored.load()
    assert loaded["a"] is loaded["b"]
    circle = []
    circle.append(circle)
    loaded = store(circle).load()
    assert loaded[0] is loaded


def test_what_nests_too_deep_for_json_is_pickled_or_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    form = format_for(deep)
    assert form.name == "pickle"


def test_json_is_valid_for_other_programs(store):
    def refuse(token):
        raise AssertionError(token)

    for value in PLAIN:
        if not isinstance(value, str):
            json.loads(store(value).bytes, parse_constant=refuse)


def test_readers_share_nothing(store):
    stored = store({"a": [1, {"b": {2}}]})
    one, other = stored.load(), stored.load()
    one["a"][1]["b"].add(3)
    one["a"].append(4)
    assert other == {"a": [1, {"b": {2}}]}
    stored.assert_untouched()


def test_json_written_by_force_names_what_it_cannot_hold():
    with pytest.raises(FormatError, match=r"a builtins\.object"):
        format_named("json").write([object()], io.BytesIO())


@pytest.mark.parametrize("value", [*PLAIN, "a" * 1000, b"abc"], ids=lambda value: type(value).__name__)
def test_previews_are_strict_and_short_json(value):
    text = json.dumps(format_for(value).preview(value), allow_nan=False)
    assert len(text) < 1000


def test_a_map_of_an_empty_and_of_a_large_file_is_private_and_writable(tmp_path):
    for size in (0, 10, 1 << 20):
        path = tmp_path / f"{size}"
        path.write_bytes(b"a" * size)
        view = MappedFile(path).map()
        assert len(view) == size
        assert not view.readonly
        if size:
            view[0] = 0
        assert path.read_bytes() == b"a" * size
        with MappedFile(path).open() as file:
            assert file.read() == b"a" * size
    assert BytesSource(b"").map().tobytes() == b""
