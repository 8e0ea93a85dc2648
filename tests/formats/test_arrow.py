import datetime
import decimal

import polars as pl
import pyarrow as pa
import pytest

from zenbook.errors import FormatError
from zenbook.formats import BytesSource, format_for, format_named

BATCH = pa.record_batch({"a": [1, None, 3], "s": ["x", None, "z"], "l": [[1], None, [2, 3]]})
TABLES = {
    "plain": pa.table({"a": [1, 2, None], "s": ["x", "", None]}),
    "chunks": pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
    "dictionary": pa.table({"d": pa.array(["a", None, "a"]).dictionary_encode()}),
    "metadata": pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    "no rows": pa.table({"a": pa.array([], pa.int8())}),
    "no columns": pa.table({}),
    "slice": pa.table({"a": range(100), "s": [str(i) for i in range(100)]}).slice(30, 20),
    "nested": pa.table({"s": [{"x": 1, "y": [1.5]}, None]}),
    "view": pa.table({"v": pa.array(["a", "b" * 30], pa.string_view())}),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_come_back_exactly(store, name):
    table = TABLES[name]
    stored = store(table)
    assert stored.format.name == "arrow"
    loaded = stored.load()
    assert type(loaded) is pa.Table
    assert loaded.equals(table, check_metadata=True)
    assert [one.num_chunks for one in loaded.columns] == [one.num_chunks for one in table.columns] or not len(table)
    loaded.validate(full=True)
    assert stored.format.preview(table)["shape"] == [table.num_rows, table.num_columns]


def test_a_table_whose_chunks_have_their_own_dictionaries_is_pickled(store):
    chunks = [pa.array([text]).dictionary_encode() for text in "ab"]
    table = pa.table({"d": pa.chunked_array(chunks)})
    stored = store(table)
    assert stored.format.name == "pickle-data"
    assert stored.load().equals(table)


def test_a_batch_comes_back_as_a_batch(store):
    stored = store(BATCH)
    assert stored.format.name == "arrow-batch"
    loaded = stored.load()
    assert type(loaded) is pa.RecordBatch
    assert loaded.equals(BATCH, check_metadata=True)
    assert stored.format.preview(BATCH)["rows"][0] == ["1", "x", "[1]"]


FRAMES = {
    "plain": pl.DataFrame({"a": [1, 2, None], "f": [1.5, float("nan"), None], "s": ["x", None, "ż"]}),
    "types": pl.DataFrame(
        {
            "c": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "e": pl.Series(["x", "y", None], dtype=pl.Enum(["x", "y", "z"])),
            "d": [decimal.Decimal("1.20"), None, decimal.Decimal(3)],
            "l": [[1], [2, 3], None],
            "s": [{"a": 1}, {"a": 2}, None],
            "t": [datetime.time(1, 2), None, None],
            "u": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "b": [b"x", None, b"z"],
            "n": [None, None, None],
            "x": [True, None, False],
            "td": [datetime.timedelta(1)] * 3,
            "tz": pl.Series([datetime.datetime(2020, 1, 1)] * 3).dt.replace_time_zone("Europe/Berlin"),
            "ns": pl.Series([1, 2, 3]).cast(pl.Datetime("ns")),
            "day": [datetime.date(2026, 1, 1)] * 3,
            "arr": pl.Series([[1, 2], [3, 4], None], dtype=pl.Array(pl.Int8, 2)),
        }
    ),
    "no rows": pl.DataFrame(schema={"a": pl.Int8, "s": pl.String}),
    "chunks": pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_polars_frames_come_back_exactly(store, name):
    frame = FRAMES[name]
    stored = store(frame)
    assert stored.format.name == "polars"
    one, other = stored.load(), stored.load()
    assert type(one) is pl.DataFrame
    assert one.schema == frame.schema
    assert one.equals(frame)
    if len(one):
        one[0, "a" if "a" in one.columns else "u"] = 77
        one = one.with_columns(pl.lit(1).alias("new"))
    assert other.equals(frame)
    stored.assert_untouched()
    assert stored.format.preview(frame)["shape"] == list(frame.shape)


@pytest.mark.parametrize("series", [pl.Series("n", [1, None]), pl.Series(["a"]), pl.Series("e", [], dtype=pl.Date)])
def test_polars_series_keep_their_name(store, series):
    stored = store(series)
    assert stored.format.name == "polars-series"
    loaded = stored.load()
    assert type(loaded) is pl.Series
    assert loaded.name == series.name
    assert loaded.dtype == series.dtype
    assert loaded.equals(series, check_dtypes=True, check_names=True)


def test_polars_frames_without_columns_or_with_objects_are_pickled():
    assert format_for(pl.DataFrame()).name == "pickle-data"
    assert format_for(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})).name == "pickle-data"


def test_a_lazy_frame_is_refused_with_the_way_out(store):
    with pytest.raises(FormatError, match="collect"):
        store(pl.LazyFrame({"a": [1]}))


def test_damaged_bytes_are_reported():
    for name in ("arrow", "arrow-batch", "polars"):
        with pytest.raises(FormatError, match="not a readable Arrow file"):
            format_named(name).read(BytesSource(b"nonsense" * 10))
