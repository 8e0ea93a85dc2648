"""The statements of the SQL metadata store, made for the dialect where dialects differ."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Select, Subquery, Table, bindparam, literal_column, select
from sqlalchemy.sql.dml import Insert, Update

from zenbook.core.states import StepState
from zenbook.flavours.sql_tables import (
    RECORDS,
    artifacts,
    code,
    environments,
    metrics,
    outputs,
    runs,
    steps,
)
from zenbook.stack.records import OutputRecord, RunUpdate

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

MOST_CACHED = 8  # how many earlier step runs `find_cached` offers


def columns_of(table: Table) -> list[Column[Any]]:
    """The table's columns in the order of its record's fields, so that a row is the record's arguments."""
    return [table.c[field.name] for field in fields(RECORDS[table]) if field.name in table.c]


def output_columns() -> list[Column[Any]]:
    """An output's columns with the address and size of its artifact, as `OutputRecord` has them."""
    both = {**dict(outputs.c), "address": artifacts.c.address, "size": artifacts.c.size}
    return [both[field.name] for field in fields(OutputRecord)]


def run_columns_without_plan() -> list[ColumnElement[Any]]:
    """A run's columns with an empty plan, for lists."""
    return [literal_column("''").label("plan") if one is runs.c.plan else one for one in columns_of(runs)]


def insert(table: Table) -> Insert:
    """Insert a record."""
    return table.insert().values(_bound(table))


def upsert(table: Table, dialect: str) -> Insert:
    """Insert a record, or replace the one that has its key."""
    changing = [column.name for column in table.columns if not column.primary_key]
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        into_mysql = mysql_insert(table).values(_bound(table))
        return into_mysql.on_duplicate_key_update({name: into_mysql.inserted[name] for name in changing})
    statement = _insert_with_conflict(table, dialect)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
    )


def insert_ignore(table: Table, dialect: str) -> Insert:
    """Insert a record, unless its key is there already."""
    if dialect in ("mysql", "mariadb"):
        return insert(table).prefix_with("IGNORE")
    return _insert_with_conflict(table, dialect).on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


def update_run() -> Update:
    """Apply a `RunUpdate`."""
    changing = [field.name for field in fields(RunUpdate) if field.name != "id"]
    return runs.update().where(runs.c.id == bindparam("id")).values({name: bindparam(name) for name in changing})


def _insert_with_conflict(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).values(_bound(table))
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).values(_bound(table))


def _bound(table: Table) -> dict[str, Any]:
    return {column.name: bindparam(column.name) for column in table.columns}


def _origins() -> Subquery:
    """The newest succeeded step runs with one cache key."""
    succeeded: ColumnElement[str] = literal_column(f"'{StepState.SUCCEEDED.value}'")
    return (
        select(steps)
        .where(steps.c.cache_key == bindparam("cache_key"), steps.c.state == succeeded)
        .order_by(steps.c.run.desc())
        .limit(MOST_CACHED)
        .subquery("origins")
    )


def _find_cached() -> Select[Any]:
    """Origins with their outputs and artifacts: a row per output, one with NULLs for a step that has none."""
    origins = _origins()
    of_origin = (outputs.c.run == origins.c.run) & (outputs.c.step == origins.c.name)
    of_output = (artifacts.c.digest == outputs.c.digest) & (artifacts.c.format == outputs.c.format)
    return (
        select(*(origins.c[column.name] for column in columns_of(steps)), *output_columns())
        .select_from(origins.outerjoin(outputs, of_origin).outerjoin(artifacts, of_output))
        .order_by(origins.c.run.desc(), origins.c.name, outputs.c.name)
    )


def _find_cached_metrics() -> Select[Any]:
    """The metrics of the same origins."""
    origins = _origins()
    of_origin = (metrics.c.run == origins.c.run) & (metrics.c.step == origins.c.name)
    return (
        select(*columns_of(metrics))
        .select_from(origins.join(metrics, of_origin))
        .order_by(metrics.c.run, metrics.c.step, metrics.c.name, metrics.c.n)
    )


RUN = select(*columns_of(runs)).where(runs.c.id == bindparam("id"))
CODE = select(*columns_of(code)).where(code.c.digest == bindparam("digest"))
ENVIRONMENT = select(*columns_of(environments)).where(environments.c.digest == bindparam("digest"))
ADDRESS_OF = select(artifacts.c.address).where(
    artifacts.c.digest == bindparam("digest"), artifacts.c.format == bindparam("format")
)
PREVIOUS_STEP = (
    select(*columns_of(steps))
    .select_from(runs.join(steps, steps.c.run == runs.c.id))
    .where(runs.c.pipeline == bindparam("pipeline"), runs.c.id < bindparam("before"), steps.c.name == bindparam("step"))
    .order_by(runs.c.id.desc())
    .limit(1)
)
FIND_CACHED = _find_cached()
FIND_CACHED_METRICS = _find_cached_metrics()
