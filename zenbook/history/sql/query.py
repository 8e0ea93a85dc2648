"""Questions in SQL over all runs: ``zenbook.sql("select * from runs order by metrics.accuracy desc limit 10")``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zenbook.display.table import Table
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import QueryError
from zenbook.history.sql.mirror import Mirror, mirror_of
from zenbook.history.sql.mirror.mirror import is_damage, retry_if_damaged
from zenbook.history.sql.mirror.views import FUNCTIONS, VIEWS
from zenbook.history.sql.query_errors import told
from zenbook.history.sql.query_text import in_code
from zenbook.history.sql.relations import Parameters, with_relations
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

SHOWN = 50  # rows of a result that people see


def sql(
    query: str, params: Parameters | None = None, *, allow_files: bool = False, stack: str | None = None
) -> QueryResult:
    """The answer to a query over the views `runs`, `steps`, `params`, `metrics`, `artifacts`, `edges`, `code`, `logs`.

    ``params`` are the values of ``$name`` (a dict) or ``?`` (a sequence). ``artifact('latest', 'split', 'test')`` is a
    stored frame, table or array as a relation; ``artifacts_of(pipeline, step, output)`` those of all its runs. A query
    reads, and can't do anything else; it reaches files only with ``allow_files``. Raises `QueryError`.
    """
    return ask(open_stack(stack), query, {} if params is None else params, allow_files=allow_files)


def ask(stack: OpenStack, query: str, values: Parameters, *, allow_files: bool = False) -> QueryResult:
    """The same of a stack that is open."""
    mirror = mirror_of(stack, allow_files=allow_files)
    return retry_if_damaged(mirror, lambda: _answer(mirror, query, values, stack))


def schema() -> Table:
    """The views with their columns, types and meanings."""
    rows: list[tuple[str, str, str, str]] = []
    for view in VIEWS:
        rows += [(view.name, "", "", view.about)]
        rows += [("", one.name, one.type, one.about) for one in view.columns]
        if view.name == "runs":
            rows += [
                (
                    "",
                    "params",
                    "STRUCT",
                    'the parameters: params.lr, params."a name"; of the pipeline, or of a cell\'s step',
                ),
                ("", "metrics", "STRUCT", "the last value of each metric: metrics.accuracy; NULL for not-a-number"),
            ]
    rows += [(name, "", "", about.partition(": ")[2]) for name, about in FUNCTIONS.items()]
    notes = [about.partition(": ")[0] for about in FUNCTIONS.values()]
    return Table("What %zen sql can ask", ("view", "column", "type", "meaning"), rows, wide_last=True, notes=notes)


# --- asking -----------------------------------------------------------------------------------------------------------


def _answer(mirror: Mirror, query: str, params: Parameters, stack: OpenStack) -> QueryResult:
    _see_crashes(mirror, stack)
    with _cursor(mirror) as cursor, _plainly(mirror, query):
        _refuse_all_but_reading(cursor, query)
        text, rest = with_relations(cursor, query, params, stack)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        relation = cursor.sql(text, params=rest or None)
        return QueryResult(relation.to_arrow_table())


def _see_crashes(mirror: Mirror, stack: OpenStack) -> None:
    """Mark runs that seem to go on and whose process is gone."""
    mirror.cursor().close()
    found = [one for run in mirror.unfinished_runs if (one := stack.metadata.run(run)) is not None]
    if found:
        mark_crashed_runs(stack.metadata, found)


@contextmanager
def _cursor(mirror: Mirror) -> Iterator[duckdb.DuckDBPyConnection]:
    cursor = mirror.cursor()
    try:
        yield cursor
    finally:
        cursor.close()


@contextmanager
def _plainly(mirror: Mirror, query: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise
        raise told(error, query, {name: mirror.fields(name) for name in ("params", "metrics")}) from error


def _refuse_all_but_reading(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    import duckdb

    statements = cursor.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(
            f"This is {len(statements)} statements, and a query is one.", "Ask them one after another, without ';'."
        )
    kind = statements[0].type
    if kind == duckdb.StatementType.MULTI:
        raise QueryError(
            "PIVOT without a list of values is no plain query.", "Say which: PIVOT … ON name IN ('a', 'b')."
        )
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise QueryError(f"A query only reads, and {kind.name} does more.", "Begin with SELECT, FROM or WITH.")


# --- what comes back --------------------------------------------------------------------------------------------------


class QueryResult(Sequence[dict[str, Any]]):
    """The rows that answer a query; shows itself as a table, and is one call away from pandas, polars and Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._table.column_names)

    def arrow(self) -> pa.Table:
        """As a pyarrow Table."""
        return self._table

    def df(self) -> pd.DataFrame:
        """As a pandas DataFrame."""
        made: pd.DataFrame = self._table.to_pandas()
        return made

    def pl(self) -> pl.DataFrame:
        """As a polars DataFrame."""
        try:
            import polars as pl
        except ImportError as error:
            raise QueryError("polars is not installed.", "pip install polars, or take .df() or .arrow().") from error
        made = pl.from_arrow(self._table)
        assert isinstance(made, pl.DataFrame)  # a Table never becomes a Series
        return made

    def table(self) -> Table:
        """The first rows for people."""
        head = self._table.slice(0, SHOWN)
        columns = [[_cell(one) for one in column.to_pylist()] for column in head.columns]
        rows = [*zip(*columns, strict=True)] if columns else []
        more = len(self) - len(rows)
        count = f"{len(self)} row{'s' * (len(self) != 1)}"
        title = count if not more else f"{count}, of which the first {len(rows)}"
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
        return ", ".join(f"{name}={_short(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone()
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def is_alone(expression: str) -> bool:
    """Whether a text is one expression of SQL: its parentheses are balanced and it ends with no comment or string."""
    depth = 0
    outside = list(in_code(expression))
    for at in outside:
        depth += (expression[at] == "(") - (expression[at] == ")")
        if depth < 0 or expression[at] == ";":
            return False
    return not depth and "--" not in expression and "/*" not in expression


__all__ = ["QueryResult", "ask", "is_alone", "schema", "sql"]
