"""Arrow tables and polars frames as Arrow IPC files, uncompressed, so that reading one is mapping it."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

from zenbook.errors import FormatError
from zenbook.formats.format import Format, Source


class ArrowTableFormat(Format):
    """A pyarrow Table; its chunks stay as they are."""

    name = "arrow"
    suffix = ".arrow"
    types = ("pyarrow.Table",)

    def accepts(self, value: Any) -> bool:
        """Whether this is a plain Table that a file can hold chunk by chunk."""
        import pyarrow as pa

        # A file has one dictionary for a column, a table may have another one for each chunk.
        return type(value) is pa.Table and not any(
            column.num_chunks > 1 and "dictionary<" in str(column.type) for column in value.columns
        )

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the table's own memory. Raises `FormatError` for a type that Arrow files cannot hold."""
        import pyarrow as pa

        try:
            with pa.ipc.new_file(file, value.schema) as writer:
                writer.write_table(value)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise FormatError(
                f"This table cannot be written as an Arrow file: {error}.", "Cast the column first."
            ) from error

    def read(self, source: Source) -> Any:
        """The table over the mapped file."""
        return map_table(source)

    def preview(self, value: Any) -> dict[str, Any]:
        """Shape, columns and the first rows."""
        columns = [[field.name, str(field.type)] for field in list(value.schema)[:40]]
        rows = value.slice(0, 5).to_pylist() if value.num_columns <= 40 else []
        return {
            "shape": [value.num_rows, value.num_columns],
            "columns": columns,
            "rows": [[cell_text(cell) for cell in row.values()] for row in rows],
        }


class ArrowBatchFormat(ArrowTableFormat):
    """A pyarrow RecordBatch."""

    name = "arrow-batch"
    types = ("pyarrow.RecordBatch",)

    def accepts(self, value: Any) -> bool:
        """Whether this is a plain RecordBatch."""
        import pyarrow as pa

        return type(value) is pa.RecordBatch

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the batch's own memory."""
        import pyarrow as pa

        with pa.ipc.new_file(file, value.schema) as writer:
            writer.write_batch(value)

    def read(self, source: Source) -> Any:
        """The batch over the mapped file."""
        import pyarrow as pa

        table = map_table(source)
        columns = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=table.schema)


class PolarsFormat(Format):
    """A polars DataFrame as polars itself writes it."""

    name = "polars"
    suffix = ".arrow"
    types: ClassVar[tuple[str, ...]] = ("polars.DataFrame", "polars.LazyFrame")

    def accepts(self, value: Any) -> bool:
        """Whether no column holds Python objects. A LazyFrame is taken, to be refused with a reason."""
        import polars as pl

        if type(value) is pl.LazyFrame:
            return True
        return type(value) is pl.DataFrame and value.width > 0 and "Object" not in str(value.schema.dtypes())

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write Arrow IPC. Raises `FormatError` for a LazyFrame."""
        import polars as pl

        if isinstance(value, pl.LazyFrame):
            raise FormatError("A polars LazyFrame is a query, not data.", "Return its result: `frame.collect()`.")
        value.rechunk().write_ipc(file, compression="uncompressed")

    def read(self, source: Source) -> Any:
        """The frame over the mapped file."""
        import polars as pl

        table = map_table(source)
        frame: Any = pl.from_arrow(table, rechunk=False)
        if frame.columns != table.column_names:  # polars gives a column without a name one
            frame.columns = table.column_names
        return frame

    def preview(self, value: Any) -> dict[str, Any]:
        """Shape, columns and the first rows."""
        return {
            "shape": list(value.shape),
            "columns": [[name, str(dtype)] for name, dtype in list(value.schema.items())[:40]],
            "rows": [[cell_text(cell) for cell in row] for row in value[:5, :40].rows()],
        }


class PolarsSeriesFormat(PolarsFormat):
    """A polars Series, written as a frame of one column."""

    name = "polars-series"
    types = ("polars.Series",)

    def accepts(self, value: Any) -> bool:
        """Whether the series holds no Python objects."""
        import polars as pl

        return type(value) is pl.Series and "Object" not in str(value.dtype)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write Arrow IPC."""
        super().write(value.to_frame(), file)

    def read(self, source: Source) -> Any:
        """The series over the mapped file."""
        return super().read(source).to_series()

    def preview(self, value: Any) -> dict[str, Any]:
        """Length, dtype and the first values."""
        return super().preview(value.to_frame())


def map_table(source: Source) -> Any:
    """Read a table over a mapped Arrow file.

    Args:
        source: The file.

    Returns:
        A pyarrow Table.

    Raises:
        FormatError: It is not an Arrow file.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(source.map()))) as reader:
            return reader.read_all()
    except pa.ArrowInvalid as error:
        raise FormatError(f"{source.name} is not a readable Arrow file: {error}.") from error


def cell_text(cell: object) -> str:
    """Write a cell of a preview as short text.

    Args:
        cell: The cell's value.

    Returns:
        At most 60 characters before escaping.
    """
    text = str(cell)
    text = text if len(text) <= 60 else text[:59] + "…"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
