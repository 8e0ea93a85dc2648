"""pandas frames and series as Arrow IPC files, where that is exact; read by a copy-on-write map, and writable.

The schema's metadata says what pandas knows and Arrow does not (labels, index, attrs, dtypes); other programs see an
ordinary table. What is not known to be exact (objects, periods, sparse columns, …) is refused by `accepts` and pickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, BinaryIO

from zenbook.errors import FormatError
from zenbook.formats.arrow import cell_text
from zenbook.formats.format import Format, Source
from zenbook.formats.json_text import InexactError, from_json_bytes, to_json_bytes
from zenbook.formats.pandas_columns import MappedColumns, column_spec, to_arrow

_KEY = b"zenbook"
_TILE = 8192  # rows of a row-major block that are turned at once: what fits the second-level cache


class PandasFormat(Format):
    """A DataFrame whose columns, labels, index and attrs Arrow and a little JSON tell exactly."""

    name = "pandas"
    suffix = ".arrow"
    types = ("pandas.DataFrame",)

    def accepts(self, value: Any) -> bool:
        """Whether all dtypes and labels are known to come back exactly; looks at no data."""
        import pandas as pd

        return type(value) is pd.DataFrame and _Layout.of(value) is not None

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write one record batch over the frame's own memory where its columns are contiguous."""
        import numpy as np
        import pyarrow as pa

        layout = _Layout.of(value)
        if layout is None:
            raise FormatError(
                "This frame would not come back exactly from an Arrow file.", "Leave the format to zenbook."
            )
        columns = [value.iloc[:, place]._values for place in range(value.shape[1])]
        if len(columns) > 1 and all(type(column) is np.ndarray and not column.flags.c_contiguous for column in columns):
            columns = _turned(columns)
        arrays = [to_arrow(column, spec) for column, spec in zip(columns, layout.columns, strict=True)]
        names = [label if isinstance(label, str) else str(label) for label in value.columns]
        if layout.index_column is not None:
            arrays.append(to_arrow(value.index._values, layout.index_column))
            names.append("__index__")
        schema = pa.schema(
            [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)],
            metadata={_KEY: layout.to_bytes()},
        )
        with pa.ipc.new_file(file, schema) as writer:
            if arrays:
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))

    def read(self, source: Source) -> Any:
        """A frame over the mapped file; numeric columns are not copied, and all of them may be changed in place."""
        import importlib

        mapped = MappedColumns.of(source)
        layout = _Layout.from_bytes(mapped.metadata(_KEY, source))
        internals: Any = importlib.import_module("pandas.api.internals")  # the stubs don't know it
        frame = internals.create_dataframe_from_blocks(
            mapped.blocks(layout.columns), layout.make_index(mapped), layout.make_columns()
        )
        frame.attrs = layout.attrs
        return frame

    def preview(self, value: Any) -> dict[str, Any]:
        """Shape, columns with dtypes, the first rows as text."""
        head = value.iloc[:5, :40]
        return {
            "shape": list(value.shape),
            "columns": [[cell_text(name), str(dtype)] for name, dtype in list(value.dtypes.items())[:40]],
            "index": [cell_text(label) for label in head.index],
            "rows": [[cell_text(cell) for cell in row] for row in head.itertuples(index=False, name=None)],
        }


class SeriesFormat(PandasFormat):
    """A Series, written as a frame of one column."""

    name = "pandas-series"
    types = ("pandas.Series",)

    def accepts(self, value: Any) -> bool:
        """Whether dtype, name, index and attrs are known to come back exactly."""
        import pandas as pd

        return type(value) is pd.Series and _Layout.of(_framed(value)) is not None

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write a frame of one column."""
        super().write(_framed(value), file)

    def read(self, source: Source) -> Any:
        """The series over the mapped file."""
        frame = super().read(source)
        series = frame.iloc[:, 0]
        series.attrs, series.name = frame.attrs["attrs"], frame.attrs["name"]
        return series

    def preview(self, value: Any) -> dict[str, Any]:
        """Length, dtype and the first values."""
        return super().preview(value.to_frame("value" if value.name is None else value.name))


def _framed(series: Any) -> Any:
    """The series as a frame that carries its name and attrs in its attrs."""
    frame = series.to_frame("value")
    frame.attrs = {"name": series.name, "attrs": series.attrs}
    return frame


def _turned(columns: list[Any]) -> list[Any]:
    """Contiguous copies of the columns of a row-major block, tile by tile: eight times as quick as one by one."""
    import numpy as np

    if len({column.dtype for column in columns}) > 1:
        return columns
    out = np.empty((len(columns), len(columns[0])), columns[0].dtype)
    for start in range(0, out.shape[1], _TILE):
        for row, column in zip(out, columns, strict=True):
            row[start : start + _TILE] = column[start : start + _TILE]
    return list(out)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What pandas knows of a frame beyond its data. Everything here is plain, so that JSON tells it exactly."""

    rows: int
    columns: list[dict[str, Any]]  # a spec for each column, see `column_spec`
    labels: dict[str, Any]  # of the columns: labels, dtype, name
    index: dict[str, Any]  # kind, name, and start/stop/step or freq
    index_column: dict[str, Any] | None
    attrs: dict[Any, Any]

    @classmethod
    def of(cls, frame: Any) -> _Layout | None:
        """The frame's layout, or None where it cannot be stored exactly."""
        import pandas as pd

        if int(pd.__version__.split(".")[0]) < 3 or not frame.flags.allows_duplicate_labels:
            return None
        specs = [column_spec(dtype) for dtype in frame.dtypes]
        labels, index = _labels(frame.columns), _index(frame.index)
        if labels is None or index is None or None in specs:
            return None
        index_column = None if index["kind"] == "range" else column_spec(frame.index.dtype)
        if index_column is None and index["kind"] != "range":
            return None
        layout = cls(len(frame), [spec for spec in specs if spec is not None], labels, index, index_column, frame.attrs)
        try:
            layout.to_bytes()
        except InexactError:
            return None
        return layout

    def to_bytes(self) -> bytes:
        """Exact JSON. Raises `InexactError` for labels or attrs that are not plain values."""
        # Apart from each other: a name that is also in attrs is no sharing that would be lost.
        layout = [self.rows, self.columns, self.labels, self.index, self.index_column]
        return json.dumps([to_json_bytes(part).decode() for part in (layout, self.attrs)]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> _Layout:
        """What `to_bytes` gave."""
        layout, attrs = (from_json_bytes(part.encode()) for part in json.loads(data))
        rows, columns, labels, index, index_column = layout
        return cls(rows, columns, labels, index, index_column, attrs)

    def make_columns(self) -> Any:
        """The columns' labels."""
        import pandas as pd

        if self.labels["dtype"] == "range":
            return pd.RangeIndex(range(*self.labels["labels"]), name=self.labels["name"])
        return pd.Index(self.labels["labels"], dtype=self.labels["dtype"], name=self.labels["name"])

    def make_index(self, mapped: MappedColumns) -> Any:
        """The index of the rows."""
        import pandas as pd

        if self.index["kind"] == "range":
            return pd.RangeIndex(range(*self.index["range"]), name=self.index["name"])
        assert self.index_column is not None
        index = pd.Index(mapped.column(-1, self.index_column), name=self.index["name"], copy=False)
        if self.index.get("freq") is not None:
            index.freq = self.index["freq"]
        return index


def _labels(columns: Any) -> dict[str, Any] | None:
    """Labels of the columns: texts, integers or a range."""
    import pandas as pd

    if type(columns) is pd.RangeIndex:
        return {"dtype": "range", "labels": [columns.start, columns.stop, columns.step], "name": columns.name}
    if type(columns) is not pd.Index or str(columns.dtype) not in {"str", "object", "int64"}:
        return None
    labels = columns.tolist()
    # Integers of an object index may be bools or NumPy's, and pd.Index would give other types back.
    exact = {int} if columns.dtype == "int64" else {str}
    if not exact.issuperset(map(type, labels)):
        return None
    dtype = str(columns.dtype)
    if dtype == "str" and columns.dtype != pd.Index([], dtype="str").dtype:
        return None
    return {"dtype": dtype, "labels": labels, "name": columns.name}


def _index(index: Any) -> dict[str, Any] | None:
    """Kind, name and regularity of an index that has one level."""
    import pandas as pd
    from pandas.tseries.frequencies import to_offset

    if type(index) is pd.RangeIndex:
        return {"kind": "range", "name": index.name, "range": [index.start, index.stop, index.step]}
    if type(index) not in {pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex}:
        return None
    freq = getattr(index, "freq", None)
    if freq is None:
        return {"kind": "column", "name": index.name}
    try:
        regular = to_offset(freq.freqstr) == freq
    except ValueError:
        regular = False
    return {"kind": "column", "name": index.name, "freq": freq.freqstr} if regular else None
