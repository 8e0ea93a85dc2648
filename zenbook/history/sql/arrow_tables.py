"""Stored frames, tables and arrays as Arrow tables, read where they are stored, column by column."""

from __future__ import annotations

from typing import Any

from zenbook.engine.artifact_io import Reader, verify
from zenbook.engine.run_context import as_stored
from zenbook.errors import ArtifactError, QueryError
from zenbook.formats import MappedFile
from zenbook.formats.arrays import map_array
from zenbook.history.sql.mirror.views import field_names
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import OpenStack

MATRIX = "matrix"  # the only column of a table that holds the rows of a two-dimensional array
_MAPPED = frozenset({"pandas", "pandas-series", "arrow", "arrow-batch", "polars", "polars-series"})


def read_arrow_table(record: OutputRecord, stack: OpenStack) -> Any:
    """Read an output as an Arrow table.

    A two-dimensional array becomes the single column `MATRIX`. An output of another type raises `QueryError`.

    Args:
        record: The output.
        stack: The stack whose stores hold it.

    Returns:
        A pyarrow Table, over the stored file's memory where the format allows it.

    Raises:
        ArtifactError: If the stored file cannot be read.
    """
    stored = as_stored(record)
    if record.member or record.format not in (*_MAPPED, "numpy"):
        value = Reader(stack.artifacts, stack.metadata).read(stored)
        return _to_table(value, record)
    path = stack.artifacts.local_path(record.address)
    verify(path, stored)
    if record.format == "numpy":
        return _array_table(map_array(MappedFile(path)), record)
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            return _with_unique_names(reader.read_all())
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(
            f"Could not read {path} as an Arrow file: {error}.", "`zen doctor` checks the store."
        ) from error


def _to_table(value: Any, record: OutputRecord) -> Any:
    """Convert a value that was stored in another way, such as a frame that holds objects."""
    import pyarrow as pa

    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    try:
        if kind == "numpy.ndarray":
            return _array_table(value, record)
        if kind == "pandas.Series":
            value, kind = value.to_frame("value" if value.name is None else str(value.name)), "pandas.DataFrame"
        if kind == "pandas.DataFrame":
            return _with_unique_names(pa.Table.from_pandas(value))
        if kind == "polars.DataFrame":
            return _with_unique_names(value.to_arrow())
        if kind in ("pyarrow.Table", "pyarrow.RecordBatch"):
            return _with_unique_names(pa.table(value))
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            return _with_unique_names(pa.Table.from_pylist(value))
        if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
            return _with_unique_names(pa.table(value))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        message = f"Could not read {_describe(record)} as a table: {error}."
        raise QueryError(message, "Store columns of one type.") from error
    raise QueryError(
        f"Could not read {_describe(record)} as a table: its type is {record.type or kind}.",
        "Frames, Arrow tables, arrays, lists of dicts and dicts of lists can be queried.",
    )


def _array_table(array: Any, record: OutputRecord) -> Any:
    """A table over an array's memory: one column ``value``, the fields of a structured array, or `MATRIX`."""
    import numpy as np
    import pyarrow as pa

    try:
        if array.dtype.names is not None and array.ndim == 1:
            return _with_unique_names(pa.table({name: pa.array(array[name]) for name in array.dtype.names}))
        if array.ndim <= 1:
            return pa.table({"value": pa.array(np.atleast_1d(array))})
        flat = array.reshape(len(array), -1)
        if not flat.flags.c_contiguous:
            return pa.table(
                {f"c{place}": pa.array(np.ascontiguousarray(flat[:, place])) for place in range(flat.shape[1])}
            )
        rows = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
        return pa.table({MATRIX: rows})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise QueryError(
            f"Could not read {_describe(record)} as a table: {error}.", "Use arrays of numbers or texts."
        ) from error


def _with_unique_names(table: Any) -> Any:
    """Rename columns so that SQL can distinguish them."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for name in table.schema.names:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    fields = field_names(names)
    return table.rename_columns([fields[name] for name in names])


def _describe(record: OutputRecord) -> str:
    return f"the output {record.step}.{record.name} of run {record.run}"
