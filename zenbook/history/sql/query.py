"""Queries in SQL over all runs: ``zenbook.sql("select * from runs order by metrics.accuracy desc limit 10")``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from zenbook.display.table import Table
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import QueryError
from zenbook.history.sql.mirror import Mirror, mirror_of
from zenbook.history.sql.mirror.mirror import is_damage, retry_if_damaged
from zenbook.history.sql.mirror.views import FUNCTIONS, VIEWS
from zenbook.history.sql.query_errors import to_query_error
from zenbook.history.sql.query_result import QueryResult
from zenbook.history.sql.relations import Parameters, with_relations
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    import duckdb


def sql(
    query: str, params: Parameters | None = None, *, allow_files: bool = False, stack: str | None = None
) -> QueryResult:
    """Query the views `runs`, `steps`, `params`, `metrics`, `artifacts`, `edges`, `code` and `logs`.

    ``artifact('latest', 'split', 'test')`` is a stored frame, table or array as a relation;
    ``artifacts_of(pipeline, step, output)`` has those of all its runs. A query can only read. An invalid query raises
    `QueryError`.

    Args:
        query: One SELECT statement in DuckDB's SQL.
        params: The values of ``$name`` (a dict) or of ``?`` (a sequence).
        allow_files: Whether the query may read files of this machine.
        stack: The name of the stack whose runs are queried; None is the active stack.

    Returns:
        The rows.
    """
    return run_query(open_stack(stack), query, {} if params is None else params, allow_files=allow_files)


def run_query(stack: OpenStack, query: str, values: Parameters, *, allow_files: bool = False) -> QueryResult:
    """Query the runs of an open stack, as `sql` does.

    Args:
        stack: The stack.
        query: One SELECT statement.
        values: The values of the query's parameters.
        allow_files: Whether the query may read files of this machine.

    Returns:
        The rows.
    """
    mirror = mirror_of(stack, allow_files=allow_files)
    return retry_if_damaged(mirror, lambda: _answer(mirror, query, values, stack))


def schema() -> Table:
    """The views with their columns, types and meanings."""
    rows: list[tuple[str, str, str, str]] = []
    for view in VIEWS:
        rows += [(view.name, "", "", view.about)]
        rows += [("", column.name, column.type, column.about) for column in view.columns]
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
    return Table("Views for %zen sql", ("view", "column", "type", "meaning"), rows, wide_last=True, notes=notes)


def _answer(mirror: Mirror, query: str, params: Parameters, stack: OpenStack) -> QueryResult:
    _mark_crashed_runs(mirror, stack)
    with closing(mirror.cursor()) as cursor, _query_errors(mirror, query):
        _refuse_all_but_reading(cursor, query)
        text, rest = with_relations(cursor, query, params, stack)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        relation = cursor.sql(text, params=rest or None)
        return QueryResult(relation.to_arrow_table())


def _mark_crashed_runs(mirror: Mirror, stack: OpenStack) -> None:
    """Mark the runs that seem to be running although their process is gone."""
    mirror.cursor().close()
    runs = [run for run_id in mirror.unfinished_runs if (run := stack.metadata.run(run_id)) is not None]
    if runs:
        mark_crashed_runs(stack.metadata, runs)


@contextmanager
def _query_errors(mirror: Mirror, query: str) -> Iterator[None]:
    """Raise DuckDB's errors as `QueryError`, except those of a damaged file."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise
        raise to_query_error(error, query, {name: mirror.fields(name) for name in ("params", "metrics")}) from error


def _refuse_all_but_reading(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    import duckdb

    statements = cursor.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(
            f"Only one SQL statement is allowed; this text has {len(statements)}.", "Run them one by one, without ';'."
        )
    kind = statements[0].type
    if kind == duckdb.StatementType.MULTI:
        raise QueryError("PIVOT needs a list of values here.", "Name the values: PIVOT … ON name IN ('a', 'b').")
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise QueryError(f"Only SELECT queries are allowed, not {kind.name}.", "Start with SELECT, FROM or WITH.")


__all__ = ["QueryResult", "run_query", "schema", "sql"]
