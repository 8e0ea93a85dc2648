import datetime
import decimal
import json
import zoneinfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from zenbook.errors import FormatError
from zenbook.formats import BytesSource, format_for, format_named

N = 7
rng = np.random.default_rng(0)


def one(values, **options):
    return pd.DataFrame({"x": values}, **options)


def with_attrs(frame, attrs):
    frame.attrs = attrs
    return frame


EXACT = {
    "one block": pd.DataFrame(rng.random((N, 4)), columns=list("abcd")),
    "column-major block": pd.DataFrame({key: rng.random(N) for key in "abc"}),
    "mixed": pd.DataFrame({"i": range(N), "f": rng.random(N), "s": list("abcdefg"), "b": [True] * N, "g": 1.5}),
    "alternating": pd.DataFrame({f"{i}": np.arange(N, dtype="i8" if i % 2 else "f8") for i in range(6)}),
    "odd widths": pd.DataFrame({f"{i}": np.arange(N, dtype="i1") for i in range(4)}),
    "unequal gaps": pd.DataFrame({"a": np.arange(N, dtype="f8"), "b": np.arange(N, dtype="f8"), "s": "x", "c": 1.0}),
    **{f"numpy {dtype}": one(np.arange(N).astype(dtype)) for dtype in ("i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 ?".split())},
    "nan inf -0": one([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-320, np.nan]),
    "other nan": one(np.array([0x7FF8000000000001, 0xFFF8000000000000], "u8").view("f8")),
    "all nan": one([np.nan] * 3),
    **{f"datetime {unit}": one(np.array([0, 1, -5], f"M8[{unit}]")) for unit in ("s", "ms", "us", "ns")},
    "datetime NaT": one(pd.to_datetime(["2026-11-23", None])),
    "two datetimes": pd.DataFrame({name: pd.to_datetime(["2026-11-23", None]) for name in "ab"}),
    "timedelta": one(pd.to_timedelta(["1h", None, "3.5s"])),
    "tz UTC": one(pd.to_datetime(["2026-11-23T10", None], utc=True)),
    "tz Berlin": one(pd.date_range("2026-10-25", periods=5, freq="h", tz="Europe/Berlin", unit="s")),
    "tz ZoneInfo UTC": one(pd.date_range("2026-10-25", periods=2, tz=zoneinfo.ZoneInfo("UTC"))),
    "str": one(["a", "", None, "żółw 🐢", "x" * 100]),
    "str all null": one(pd.array([None, None], dtype="str")),
    "str empty": one(pd.array([], dtype="str")),
    "string NA": one(pd.array(["a", None], dtype="string[pyarrow]")),
    "category": one(pd.Categorical(["b", "a", None, "b"])),
    "category ordered": one(pd.Categorical(["b", "a"], categories=["b", "a", "unused"], ordered=True)),
    "category int": one(pd.Categorical([3, 1, None])),
    "category float": one(pd.Categorical([0.5, 0.25])),
    "category many": one(pd.Categorical([str(i) for i in range(300)])),
    "category empty": one(pd.Categorical([], categories=["a"])),
    "category object": one(pd.Categorical.from_codes([0, -1], categories=pd.Index([1, 2], dtype="i8"))),
    **{f"masked {name}": one(pd.array([1, None, 3], dtype=name)) for name in "Int8 UInt64 Float32 Float64".split()},
    "masked full": one(pd.array([1, 2, 3], dtype="Int64")),
    "masked boolean": one(pd.array([True, None, False], dtype="boolean")),
    "masked NaN beside NA": one(pd.arrays.FloatingArray(np.array([np.nan, 1.0, 2.0]), np.array([False, True, False]))),
    "arrow int": one(pd.array([1, None], dtype=pd.ArrowDtype(pa.int32()))),
    "arrow bool": one(pd.array([True, None], dtype=pd.ArrowDtype(pa.bool_()))),
    "arrow string": one(pd.array(["a", None], dtype=pd.ArrowDtype(pa.string()))),
    "arrow decimal": one(pd.array([decimal.Decimal("1.20"), None], dtype=pd.ArrowDtype(pa.decimal128(9, 2)))),
    "arrow timestamp": one(pd.array([datetime.datetime(2026, 1, 1)], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC")))),
    "no rows": pd.DataFrame({"a": np.array([], "f8"), "b": pd.array([], dtype="str")}),
    "no columns": pd.DataFrame(index=pd.RangeIndex(5)),
    "no columns, index": pd.DataFrame(index=pd.Index(["a", "b"])),
    "nothing": pd.DataFrame(),
    "range index": pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(10, 4, -2, name="i")),
    "int index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 5], name="id")),
    "int32 index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], dtype="i4")),
    "float index": pd.DataFrame({"a": [1, 2]}, index=[0.5, np.nan]),
    "bool index": pd.DataFrame({"a": [1, 2]}, index=[True, False]),
    "str index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", None], name=("t", 1))),
    "date index": pd.DataFrame({"a": [1, 2, 3]}, index=pd.date_range("2026-01-01", periods=3, freq="D", name="day")),
    "business days": pd.DataFrame({"a": [1, 2, 3]}, index=pd.bdate_range("2026-01-01", periods=3)),
    "tz hours": pd.DataFrame({"a": [1]}, index=pd.date_range("2026-10-25", periods=1, freq="2h", tz="Europe/Berlin")),
    "date index without freq": pd.DataFrame({"a": [1, 2]}, index=pd.to_datetime(["2026-01-01", "2026-01-02"])),
    "timedelta index": pd.DataFrame({"a": range(3)}, index=pd.timedelta_range("1h", periods=3, freq="h")),
    "category index": pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["u", "v"], name="c")),
    "masked index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, None], dtype="Int64")),
    "int labels": pd.DataFrame([[1, 2]], columns=[3, 1]),
    "range labels": pd.DataFrame(rng.random((2, 3))),
    "object labels": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], dtype=object)),
    "same label twice": pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
    "named labels": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="what")),
    "label like the index": pd.DataFrame({"__index__": [1, 2]}, index=["a", "b"]),
    "attrs": with_attrs(pd.DataFrame({"a": [1]}), {"source": "x", "n": (1, {2}), 5: None}),
    "slice": pd.DataFrame(rng.random((20, 3)), columns=list("abc")).iloc[3:11:2, 1:],
    "slice of texts": pd.DataFrame({"s": list("abcdefghij"), "m": pd.array(range(10), dtype="Int64")}).iloc[5:9],
    "large": pd.DataFrame(rng.random((50_000, 3)), columns=list("abc")).assign(k=np.arange(50_000), s="abc"),
}  # fmt: skip

PICKLED = {
    "objects": one([{}, None]),
    "object texts": one(pd.Series(["a", None], dtype=object)),
    "python strings": one(pd.array(["a"], dtype="string[python]")),
    "complex": one([1j]),
    "period": one(pd.period_range("2026", periods=2, freq="Y")),
    "interval": one(pd.interval_range(0, 2)),
    "cut": one(pd.cut([1, 2, 3], 2)),
    "sparse": one(pd.arrays.SparseArray([0.0, 1.0])),
    "fixed offset": one(pd.to_datetime(["2026-01-01T00+02:00"])),
    "several levels": pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)])),
    "columns of several levels": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("x", 1)])),
    "mixed labels": pd.DataFrame([[1, 2]], columns=["a", 1]),
    "missing label": pd.DataFrame([[1, 2]], columns=["a", None]),
    "float labels": pd.DataFrame([[1, 2]], columns=[0.5, 1.5]),
    "object index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, "a"], dtype=object)),
    "attrs of objects": with_attrs(pd.DataFrame({"a": [1]}), {"a": np.arange(2)}),
    "no duplicates allowed": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    "arrow list": one(pd.array([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))),
    "index name": pd.DataFrame({"a": [1]}, index=pd.Index([1], name=frozenset({np.int64(1)}))),
    "custom business days": pd.DataFrame(
        {"a": range(3)}, index=pd.date_range("2026-01-01", periods=3, freq=pd.offsets.CDay(holidays=["2026-01-02"]))
    ),
}


def assert_same(left, right):
    if isinstance(left, pd.Series):
        assert type(right) is pd.Series
        assert left.name == right.name
        assert type(left.name) is type(right.name)
        pd.testing.assert_series_equal(left, right, check_freq=True, check_exact=True, check_flags=True)
        assert left.attrs == right.attrs
        left, right = left.to_frame("x"), right.to_frame("x")
        left.attrs = right.attrs = {}
    assert type(right) is pd.DataFrame
    pd.testing.assert_frame_equal(
        left, right, check_exact=True, check_freq=True, check_flags=True, check_column_type=True, check_index_type=True
    )
    assert list(left.dtypes) == list(right.dtypes)
    assert [str(one) for one in left.dtypes] == [str(one) for one in right.dtypes]
    for labels, again in ((left.index, right.index), (left.columns, right.columns)):
        assert type(labels) is type(again)
        assert labels.dtype == again.dtype
        assert labels.names == again.names
        assert list(map(type, labels)) == list(map(type, again))
        assert getattr(labels, "freq", None) == getattr(again, "freq", None)
        assert repr(getattr(labels, "tz", None)) == repr(getattr(again, "tz", None))
    assert repr(left.attrs) == repr(right.attrs)
    for place in range(left.shape[1]):
        one, other = left.iloc[:, place], right.iloc[:, place]
        if isinstance(one.dtype, np.dtype) and one.dtype != object:
            assert one.to_numpy().tobytes() == other.to_numpy().tobytes()  # NaNs to the bit
        assert repr(getattr(one.dtype, "tz", None)) == repr(getattr(other.dtype, "tz", None))
        if isinstance(one.dtype, pd.CategoricalDtype):
            assert type(one.dtype.categories) is type(other.dtype.categories)
            assert one.dtype.categories.dtype == other.dtype.categories.dtype
            assert one.cat.codes.tolist() == other.cat.codes.tolist()


def _reversed(series):
    values = series.array[::-1].copy()
    return values.to_numpy() if isinstance(series.dtype, np.dtype) else values


def overwrite(frame):
    """Change every column in place, by all ways that people use."""
    for place in range(frame.shape[1]):
        if len(frame) > 1:
            frame.iloc[0, place] = frame.iloc[-1, place]
            frame.iloc[:, place] = _reversed(frame.iloc[:, place])
    if not frame.columns.has_duplicates:
        for name in list(frame.columns):
            if frame[name].dtype.kind in "iuf":
                frame[name] += 1
    for block in frame._mgr.blocks:
        values = block.values if isinstance(block.values, np.ndarray) else getattr(block.values, "_ndarray", None)
        if values is not None:
            assert values.flags.writeable
            if values.dtype != object:
                values[...] = values.ravel()[:1].copy() if values.size else 0


@pytest.mark.parametrize("name", EXACT)
def test_frames_come_back_exactly_from_arrow_and_may_be_changed(store, name):
    frame = EXACT[name]
    before = frame.copy(deep=True)
    before.attrs = dict(frame.attrs)
    stored = store(frame)
    assert stored.format.name == "pandas"
    one, other = stored.load(), stored.load()
    assert_same(frame, one)
    overwrite(one)
    assert_same(frame, other)
    assert_same(before, frame)
    stored.assert_untouched()
    json.dumps(stored.format.preview(frame), allow_nan=False)


@pytest.mark.parametrize("name", PICKLED)
def test_frames_that_arrow_would_change_are_pickled_exactly(store, name):
    frame = PICKLED[name]
    stored = store(frame)
    assert stored.format.name == "pickle-data"
    one, other = stored.load(), stored.load()
    assert_same(frame, one)
    if not isinstance(one.dtypes.iloc[0], pd.SparseDtype):
        one.iloc[0, 0] = one.iloc[-1, 0]
    one.attrs["new"] = 1
    assert_same(frame, other)
    stored.assert_untouched()


@pytest.mark.parametrize("name", EXACT)
def test_series_come_back_exactly(store, name):
    for place in range(min(EXACT[name].shape[1], 2)):
        series = EXACT[name].iloc[:, place]
        stored = store(series)
        # A label of an integer index is a NumPy integer, which JSON would make Python's.
        assert stored.format.name == "pickle-data" if isinstance(series.name, np.integer) else "pandas-series"
        assert_same(series, stored.load())


@pytest.mark.parametrize("label", [None, "a", 3, ("a", 1), 2.5])
def test_a_series_keeps_its_name_and_attrs(store, label):
    series = pd.Series([1.0, 2.0], name=label, index=["u", "v"])
    series.attrs = {"unit": "m"}
    stored = store(series)
    assert stored.format.name == "pandas-series"
    one, other = stored.load(), stored.load()
    assert_same(series, one)
    one.iloc[0] = 5
    one += 1
    assert_same(series, other)
    assert json.dumps(stored.format.preview(series))


def test_subclasses_of_frames_are_pickled(store):
    class Frame(pd.DataFrame):
        @property
        def _constructor(self):
            return Frame

    assert format_for(Frame({"a": [1]})).name == "pickle-data"


def test_a_row_major_frame_of_many_tiles_is_turned_right(store):
    frame = pd.DataFrame(rng.random((20_001, 5)), copy=False)
    assert_same(frame, store(frame).load())


def test_the_user_can_write_to_a_loaded_frame_as_to_any(store):
    frame = pd.DataFrame(rng.random((50_000, 3)), columns=list("xyz"))
    stored = store(frame)
    loaded, other = stored.load(), stored.load()
    loaded.iloc[0, 0] = 1
    loaded["x"] += 1
    loaded.loc[loaded["y"] > 0.5, "z"] = -1
    loaded.loc[7:9] = 0
    loaded["new"] = 0
    assert_same(frame, other)
    stored.assert_untouched()


def test_numeric_columns_are_one_block_over_the_map(store):
    stored = store(pd.DataFrame(rng.random((50_000, 3))))
    (block,) = stored.load()._mgr.blocks
    assert block.values.base is not None
    assert block.values.flags.c_contiguous


def test_chunks_of_texts_do_not_matter(store):
    part = pd.DataFrame({"s": ["a", None, "c"]})
    joined = pd.concat([part, part], ignore_index=True)
    whole = pd.DataFrame({"s": ["a", None, "c"] * 2})
    assert store(joined).bytes == store(whole).bytes


def test_other_programs_read_the_file(store):
    duckdb = pytest.importorskip("duckdb")
    frame = EXACT["mixed"].assign(c=pd.Categorical(["u", None] * 3 + ["v"]), n=[1.0, np.nan] * 3 + [2.0], t=pd.NaT)
    arrow = pa.ipc.open_file(str(store(frame).path)).read_all()
    arrow.validate(full=True)
    assert arrow.column_names == list(frame.columns)
    assert arrow["n"].null_count == 3
    seen = duckdb.sql("select sum(i), count(n), sum(n), count(c), max(c), max(s), count(t) from arrow").fetchall()
    assert seen == [(21, 4, 5.0, 4, "v", "g", 0)]


def test_damaged_bytes_are_reported():
    with pytest.raises(FormatError, match="not a readable Arrow file"):
        format_named("pandas").read(BytesSource(b"nonsense"))
    sink = pa.BufferOutputStream()
    table = pa.table({"a": [1]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(FormatError, match="not written by zenbook"):
        format_named("pandas").read(BytesSource(sink.getvalue().to_pybytes()))
