"""One pandas column as an Arrow array and back, by a spec that says which dtype it had.

Where Arrow's memory is laid out as NumPy's, both directions share it. NaN and NaT are nulls to other programs; the
bytes below the nulls stay what they were, so that pandas needs no second look at them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from zenbook.errors import FormatError
from zenbook.formats.format import Source

Spec = dict[str, Any]


def column_spec(dtype: Any, *, category: bool = False) -> Spec | None:
    """Choose how a column of a dtype is stored.

    Args:
        dtype: A NumPy or pandas dtype.
        category: Whether the column holds the categories of another column.

    Returns:
        The spec, as plain values; None if the column would not come back exactly.
    """
    import numpy as np
    import pandas as pd

    if isinstance(dtype, np.dtype):
        return _numpy_spec(dtype)
    kind = type(dtype)
    if kind is pd.StringDtype and dtype.storage == "pyarrow":
        return {"kind": "str", "na": "NA" if dtype.na_value is pd.NA else "nan"}
    if kind is pd.DatetimeTZDtype:
        return _zone_spec(dtype)
    if kind is pd.CategoricalDtype and not category:
        return _category_spec(dtype)
    if kind is pd.ArrowDtype:
        return {"kind": "arrow", "type": str(dtype.pyarrow_dtype)} if _plain_arrow(dtype.pyarrow_dtype) else None
    if kind is pd.BooleanDtype or (kind.__module__.partition(".")[0] == "pandas" and str(dtype) in _MASKED):
        return {"kind": "masked", "dtype": str(dtype)}
    return None


_MASKED = {f"{sign}{bits}" for sign in ("Int", "UInt") for bits in (8, 16, 32, 64)} | {"Float32", "Float64"}


def to_arrow(values: Any, spec: Spec) -> Any:
    """Convert a column to Arrow, in the same memory where that is possible.

    Args:
        values: The column's values: an ndarray or an extension array.
        spec: How the column is stored.

    Returns:
        A pyarrow Array.
    """
    import numpy as np
    import pyarrow as pa

    kind = spec["kind"]
    if kind == "numpy":
        return _numpy_to_arrow(np.asarray(values))
    if kind == "tz":
        naive = _numpy_to_arrow(np.asarray(values.asi8).view(f"M8[{spec['unit']}]"))
        return naive.view(pa.timestamp(spec["unit"], spec["tz"]))
    if kind == "masked":
        mask = values._mask
        data = np.where(mask, np.zeros(1, values._data.dtype), values._data) if mask.any() else values._data
        return _array(data, mask)
    if kind == "category":
        codes = np.asarray(values.codes)
        dictionary = to_arrow(values.categories._values, spec["categories"])
        return pa.DictionaryArray.from_arrays(_array(codes, codes < 0), dictionary, ordered=spec["ordered"], safe=False)
    array = values.__arrow_array__()
    if isinstance(array, pa.ChunkedArray):  # the chunks of a column are not part of its value
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


@dataclass(frozen=True, slots=True)
class MappedColumns:
    """The columns of an Arrow file over a private, writable map of it."""

    view: memoryview
    base: int  # address of the map
    schema: Any
    batch: Any  # None for a frame without columns

    @classmethod
    def of(cls, source: Source) -> Self:
        """Map a file.

        Args:
            source: An Arrow file with one batch.

        Returns:
            Its columns.

        Raises:
            FormatError: It is not an Arrow file.
        """
        import pyarrow as pa

        view = source.map()
        whole = pa.py_buffer(view)
        try:
            with pa.ipc.open_file(pa.BufferReader(whole)) as reader:
                batch = reader.get_batch(0) if reader.num_record_batches else None
                return cls(view, whole.address, reader.schema, batch)
        except pa.ArrowInvalid as error:
            raise FormatError(f"{source.name} is not a readable Arrow file: {error}.") from error

    def metadata(self, key: bytes, source: Source) -> bytes:
        """Read an entry of the schema's metadata.

        Args:
            key: The entry's key.
            source: The file in error messages.

        Returns:
            The entry.

        Raises:
            FormatError: There is none, so the file is not a pandas frame of zenbook.
        """
        entry = (self.schema.metadata or {}).get(key)
        if entry is None:
            raise FormatError(f"{source.name} was not written by zenbook as a pandas frame.", "Read it with pyarrow.")
        return bytes(entry)

    def blocks(self, specs: list[Spec]) -> list[tuple[Any, Any]]:
        """Arrange the columns as pandas' blocks: columns of one NumPy type at even distances are one block.

        Args:
            specs: How each column is stored, in the order of the columns.

        Returns:
            The blocks' values, each with the positions of its columns.
        """
        import numpy as np

        out: list[tuple[Any, Any]] = []
        wide: dict[str, list[tuple[int, int]]] = {}  # dtype → (place, address)
        for place, spec in enumerate(specs):
            buffer = self.batch.column(place).buffers()[1] if _shares_memory(spec) else None
            if buffer is not None and buffer.size:
                wide.setdefault(spec["dtype"], []).append((place, buffer.address))
                continue
            values = self.column(place, spec)
            out.append((values[np.newaxis] if type(values) is np.ndarray else values, np.array([place], np.intp)))
        for dtype, members in wide.items():
            out.extend(self._wide_blocks(np.dtype(dtype), members))
        return out

    def _wide_blocks(self, dtype: Any, members: list[tuple[int, int]]) -> list[tuple[Any, Any]]:
        import numpy as np

        steps = [after[1] - before[1] for before, after in pairwise(members)]
        even = len(set(steps)) <= 1 and all(step > 0 for step in steps)
        out = []
        for group in [members] if even else [[member] for member in members]:
            shape = (len(group), self.batch.num_rows)
            strides = (steps[0] if len(group) > 1 else shape[1] * dtype.itemsize, dtype.itemsize)
            block: Any = np.ndarray(shape, dtype, buffer=self.view, offset=group[0][1] - self.base, strides=strides)
            out.append((block, np.array([place for place, _ in group], np.intp)))
        return out

    def column(self, place: int, spec: Spec) -> Any:
        """Read one column.

        Args:
            place: The column's position; negative numbers count from the end.
            spec: How it is stored.

        Returns:
            An ndarray or an extension array.
        """
        return self._values(self.batch.column(place if place >= 0 else self.batch.num_columns + place), spec)

    def _values(self, array: Any, spec: Spec) -> Any:
        import numpy as np
        import pandas as pd

        kind = spec["kind"]
        if kind == "numpy":
            return self._numpy(array, np.dtype(spec["dtype"]))
        if kind == "masked":
            return self._masked(array, spec["dtype"])
        if kind == "str":
            dtype: Any = pd.StringDtype("pyarrow", na_value=pd.NA if spec["na"] == "NA" else np.nan)
            return dtype.__from_arrow__(array)
        if kind == "arrow":
            dtype = pd.ArrowDtype(array.type)
            return dtype.__from_arrow__(array)
        if kind == "tz":
            ticks = self._numpy(array, np.dtype("i8"))
            return pd.array(ticks, dtype=pd.DatetimeTZDtype(spec["unit"], _zone(spec)), copy=False)
        categories = pd.Index(self._values(array.dictionary, spec["categories"]), copy=True)
        codes = self._numpy(array.indices, np.dtype(spec["codes"]))
        dtype = pd.CategoricalDtype(categories, ordered=spec["ordered"])
        return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)

    def _masked(self, array: Any, name: str) -> Any:
        import numpy as np
        import pandas as pd

        valid = array.buffers()[0]
        mask = np.zeros(len(array), bool) if valid is None else ~_bits(valid, len(array))
        if name == "boolean":
            return pd.arrays.BooleanArray(self._numpy(array, np.dtype(bool)), mask)
        data = self._numpy(array, np.dtype(name.lower()))
        return (pd.arrays.FloatingArray if data.dtype.kind == "f" else pd.arrays.IntegerArray)(data, mask)

    def _numpy(self, array: Any, dtype: Any) -> Any:
        """The values below an Arrow array, nulls included, over the map (bools are unpacked)."""
        import numpy as np

        buffer = array.buffers()[1]
        if buffer is None or not buffer.size:
            return np.empty(len(array), dtype)
        if dtype.kind == "b":
            return _bits(buffer, len(array))
        return np.ndarray(len(array), dtype, buffer=self.view, offset=buffer.address - self.base)


def _numpy_spec(dtype: Any) -> Spec | None:
    import numpy as np

    if not dtype.isnative or dtype.metadata is not None:
        return None
    if dtype.kind in "mM":
        return {"kind": "numpy", "dtype": dtype.str} if np.datetime_data(dtype) in _UNITS else None
    return {"kind": "numpy", "dtype": dtype.str} if dtype.kind in "biuf" and dtype.itemsize <= 8 else None


_UNITS = {("s", 1), ("ms", 1), ("us", 1), ("ns", 1)}


def _zone_spec(dtype: Any) -> Spec | None:
    import zoneinfo

    if dtype.tz is datetime.UTC:
        return {"kind": "tz", "unit": dtype.unit, "tz": "UTC", "plain": True}
    if type(dtype.tz) is zoneinfo.ZoneInfo and dtype.tz.key is not None:
        return {"kind": "tz", "unit": dtype.unit, "tz": dtype.tz.key, "plain": False}
    return None


def _zone(spec: Spec) -> datetime.tzinfo:
    import zoneinfo

    return datetime.UTC if spec["plain"] else zoneinfo.ZoneInfo(spec["tz"])


def _category_spec(dtype: Any) -> Spec | None:
    import pandas as pd

    categories = dtype.categories
    if categories is None or type(categories) is not pd.Index or categories.name is not None:
        return None
    inner = column_spec(categories.dtype, category=True)
    if inner is None or inner["kind"] not in {"numpy", "str"}:
        return None
    codes = pd.Categorical.from_codes([], dtype=dtype).codes.dtype.str
    return {"kind": "category", "ordered": bool(dtype.ordered), "categories": inner, "codes": codes}


def _plain_arrow(kind: Any) -> bool:
    import pyarrow as pa

    # An Arrow bool or number keeps its memory; dictionaries, nested and extension types are pickled instead.
    plain = (
        pa.types.is_primitive,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_binary,
        pa.types.is_decimal128,
    )
    return any(test(kind) for test in plain)


def _shares_memory(spec: Spec) -> bool:
    return spec["kind"] == "numpy" and spec["dtype"][1] in "iuf"


def _numpy_to_arrow(values: Any) -> Any:
    import numpy as np

    if values.dtype.kind in "mM":
        return _array(values, np.isnat(values))
    # The minimum is NaN where any value is: half the time of asking each when there is none.
    if values.dtype.kind == "f" and values.size and np.isnan(values.min()):
        return _array(values, np.isnan(values))
    return _array(values, None)


def _array(values: Any, null: Any) -> Any:
    """An Arrow array over NumPy values; ``null`` says where it has none."""
    import numpy as np
    import pyarrow as pa

    count = 0 if null is None else int(np.count_nonzero(null))
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if count else None
    if values.dtype.kind == "b":
        data = np.packbits(values, bitorder="little")
    else:
        data = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")  # datetimes give no buffer themselves
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(data)], count)


def _bits(buffer: Any, count: int) -> Any:
    """Arrow's packed bits as a new array of bools."""
    import numpy as np

    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=count, bitorder="little").view(bool)
