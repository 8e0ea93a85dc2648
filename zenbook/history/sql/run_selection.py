"""Which runs a list shows when it is asked in SQL: ``where="metrics.accuracy > 0.9", order_by="-metrics.accuracy"``."""

# ruff: noqa: S608  # a condition is the user's own SQL, values are bound

from __future__ import annotations

from collections.abc import Sequence

from zenbook.core.states import RunState
from zenbook.errors import QueryError
from zenbook.history.sql.mirror import mirror_of
from zenbook.history.sql.mirror.mirror_schema import quoted
from zenbook.history.sql.query import ask, is_alone
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
    """The runs of pipelines for which a condition holds, in an order; ties newest first.

    ``order_by`` is an expression or several; a minus before one turns it round. Runs that have no value come last.
    Older ones than the run ``before``, and without the first ``offset``. Raises `QueryError`.
    """
    wanted = ["kind = 'pipeline'"]
    values: dict[str, str] = {}
    for name, value, how in (("pipeline", pipeline, "="), ("state", state, "="), ("id", before, "<")):
        if value is not None:
            wanted.append(f"{name} {how} ${name}")
            values[name] = value
    if where is not None:
        wanted.append(f"(\n{_checked(where)}\n)")
    orders = [order_by] if isinstance(order_by, str) else [*(order_by or ())]
    ordered = ", ".join(_order(one) for one in (*orders, NEWEST))
    limited = "" if limit is None else f"\nLIMIT {limit} OFFSET {offset}"
    query = f"SELECT id FROM runs WHERE {' AND '.join(wanted)}\nORDER BY {ordered}{limited}"
    found: list[str] = ask(stack, query, values)["id"]
    return records_of(stack.metadata, found)


def best_run(stack: OpenStack, pipeline: str, metric: str, *, lower: bool, where: str | None) -> RunRecord | None:
    """The run that succeeded with the highest (or lowest) value of a metric."""
    mirror = mirror_of(stack)
    mirror.cursor().close()
    value = f"metrics.{quoted(mirror.field('metrics', metric))}"
    has = f"{value} IS NOT NULL" + (f" AND (\n{_checked(where)}\n)" if where is not None else "")
    order = value if lower else f"-{value}"
    found = select_runs(stack, pipeline=pipeline, state=RunState.SUCCEEDED.value, where=has, order_by=order, limit=1)
    return found[0] if found else None


def records_of(metadata: MetadataStore, runs: Sequence[str]) -> list[RunRecord]:
    """The records of some runs, in that order, without plans; one that is gone meanwhile is left out."""
    rows = {row[0]: [*row] for row in metadata.rows(RunRecord, runs)}
    for row in rows.values():
        row[3] = RunState(row[3])
    return [RunRecord(*rows[run]) for run in runs if run in rows]


def _order(expression: str) -> str:
    down = expression.strip().startswith("-")
    return f"{_checked(expression.strip().removeprefix('-'))} {'DESC' if down else 'ASC'} NULLS LAST"


def _checked(expression: str) -> str:
    if not expression.strip() or not is_alone(expression):
        raise QueryError(
            f"{expression!r} is no expression of SQL.", "Write a condition as after WHERE: metrics.accuracy > 0.9"
        )
    return expression
