"""The rows that answer a query: a table for people, and pandas, polars and Arrow on request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zenbook.display.table import Table
from zenbook.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

MAX_SHOWN = 50  # rows of a result that people see


class QueryResult(Sequence[dict[str, Any]]):
    """The rows that answer a query. It shows itself as a table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._table.column_names)

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow Table."""
        return self._table

    def df(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame."""
        frame: pd.DataFrame = self._table.to_pandas()
        return frame

    def pl(self) -> pl.DataFrame:
        """The rows as a polars DataFrame.

        Returns:
            The frame.

        Raises:
            QueryError: If polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise QueryError("polars is not installed.", "Use pip install polars, or .df() or .arrow().") from error
        frame = pl.from_arrow(self._table)
        assert isinstance(frame, pl.DataFrame)  # a Table never becomes a Series
        return frame

    def table(self) -> Table:
        """The first rows, formatted for people."""
        head = self._table.slice(0, MAX_SHOWN)
        columns = [[_cell(value) for value in column.to_pylist()] for column in head.columns]
        rows = [*zip(*columns, strict=True)] if columns else []
        more = len(self) - len(rows)
        count = f"{len(self)} row{'s' * (len(self) != 1)}"
        title = count if not more else f"{count}, showing the first {len(rows)}"
        return Table(title, self.columns, rows, "(no rows)")

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, str):
            if place not in self.columns:
                raise KeyError(place)
            return self._table.column(place).to_pylist()
        if isinstance(place, slice):
            return self._table.to_pylist()[place]
        size = len(self)
        if not -size <= place < size:
            raise IndexError(place)
        return self._table.slice(place % size, 1).to_pylist()[0]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        if self.columns == ["explain_key", "explain_value"]:
            return "\n".join(self["explain_value"])
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_short(field)}" for name, field in value.items() if field is not None)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone()
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
