"""Select runs with conditions in SQL: ``where="metrics.accuracy > 0.9", order_by="-metrics.accuracy"``."""

# ruff: noqa: S608  # a condition is SQL that the user wrote; values are bound

from __future__ import annotations

from collections.abc import Sequence

from zenbook.core.states import RunState
from zenbook.errors import QueryError
from zenbook.history.sql.mirror import mirror_of
from zenbook.history.sql.mirror.mirror_schema import quoted
from zenbook.history.sql.query import run_query
from zenbook.history.sql.query_text import is_single_expression
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunRecord
from zenbook.stack.stack import OpenStack

OrderBy = str | Sequence[str]
NEWEST = "-id"


def select_runs(
    stack: OpenStack,
    *,
    pipeline: str | None = None,
    state: str | None = None,
    where: str | None = None,
    order_by: OrderBy | None = None,
    limit: int | None = None,
    before: str | None = None,
    offset: int = 0,
) -> list[RunRecord]:
    """Select runs of pipelines. An invalid condition or order raises `QueryError`.

    Args:
        stack: The stack whose metadata store holds the runs.
        pipeline: The name of a pipeline; None for all.
        state: A state; None for all.
        where: A condition over the view ``runs``.
        order_by: One or more expressions; a minus before one sorts it from large to small. Runs without a value come
            last, and runs with the same value are sorted newest first.
        limit: The largest number of runs; None for all.
        before: A run's id; only older runs are selected.
        offset: The number of runs to leave out at the beginning; it counts only with a limit.

    Returns:
        The runs' records, without plans.
    """
    conditions = ["kind = 'pipeline'"]
    values: dict[str, str] = {}
    for name, value, operator in (("pipeline", pipeline, "="), ("state", state, "="), ("id", before, "<")):
        if value is not None:
            conditions.append(f"{name} {operator} ${name}")
            values[name] = value
    if where is not None:
        conditions.append(f"(\n{_checked(where)}\n)")
    orders = [order_by] if isinstance(order_by, str) else [*(order_by or ())]
    order = ", ".join(_order(expression) for expression in (*orders, NEWEST))
    limits = "" if limit is None else f"\nLIMIT {limit} OFFSET {offset}"
    query = f"SELECT id FROM runs WHERE {' AND '.join(conditions)}\nORDER BY {order}{limits}"
    ids: list[str] = run_query(stack, query, values)["id"]
    return records_of(stack.metadata, ids)


def best_run(stack: OpenStack, pipeline: str, metric: str, *, lower: bool, where: str | None) -> RunRecord | None:
    """Find the run that succeeded with the best value of a metric; of several, the newest.

    Args:
        stack: The stack whose metadata store holds the runs.
        pipeline: The name of the pipeline.
        metric: The metric's name.
        lower: Whether lower values are better.
        where: A further condition over the view ``runs``.

    Returns:
        The run's record; None if no such run has the metric.
    """
    mirror = mirror_of(stack)
    mirror.cursor().close()
    value = f"metrics.{quoted(mirror.field('metrics', metric))}"
    has = f"{value} IS NOT NULL" + (f" AND (\n{_checked(where)}\n)" if where is not None else "")
    order = value if lower else f"-{value}"
    runs = select_runs(stack, pipeline=pipeline, state=RunState.SUCCEEDED.value, where=has, order_by=order, limit=1)
    return runs[0] if runs else None


def records_of(metadata: MetadataStore, runs: Sequence[str]) -> list[RunRecord]:
    """Read the records of some runs.

    Args:
        metadata: The store that holds the runs.
        runs: The runs' ids.

    Returns:
        The records in the same order, without plans. A run that has been deleted meanwhile is left out.
    """
    rows = {row[0]: [*row] for row in metadata.rows(RunRecord, runs)}
    for row in rows.values():
        row[3] = RunState(row[3])
    return [RunRecord(*rows[run]) for run in runs if run in rows]


def _order(expression: str) -> str:
    down = expression.strip().startswith("-")
    return f"{_checked(expression.strip().removeprefix('-'))} {'DESC' if down else 'ASC'} NULLS LAST"


def _checked(expression: str) -> str:
    if not expression.strip() or not is_single_expression(expression):
        raise QueryError(f"{expression!r} is not an SQL expression.", "Write it as after WHERE: metrics.accuracy > 0.9")
    return expression
