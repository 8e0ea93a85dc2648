"""The SQL statements that write, for a dialect: inserting or replacing differs between databases."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, Table, bindparam, exists, func, literal_column, not_, select
from sqlalchemy.sql.dml import Delete, Insert, Update

from zenbook.metadata_stores.sql_store.compiled_statements import StatementName
from zenbook.metadata_stores.sql_store.tables import (
    artifacts,
    changes,
    clock,
    code,
    environments,
    inputs,
    logs,
    marks,
    metrics,
    outputs,
    params,
    runs,
    steps,
    version,
)
from zenbook.stack.records import RunUpdate

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def write_statements(dialect: str) -> dict[StatementName, ClauseElement]:
    """All statements that write, and the one that reads the clock, which differs too.

    Args:
        dialect: SQLAlchemy's name of it.

    Returns:
        Statements by name.
    """
    return {
        StatementName.STAMP: version.insert().values(version_num=bindparam("revision")),
        StatementName.START_CLOCK: clock.insert().values(store=bindparam("store"), revision=literal_column("0")),
        StatementName.TICK: clock.update().values(revision=clock.c.revision + literal_column("1")),
        StatementName.PUT_CHANGE: _put_change(dialect),
        StatementName.MARK_GONE: changes.update()
        .where(changes.c.run == bindparam("id"))
        .values(revision=_now(dialect), gone=literal_column("1")),
        StatementName.CLOCK: select(clock.c.store, _highest() if dialect == "sqlite" else clock.c.revision),
        StatementName.PUT_MARK: upsert(marks, dialect),
        StatementName.DROP_MARK: marks.delete().where(
            *(marks.c[name] == bindparam(name) for name in ("run", "kind", "name"))
        ),
        StatementName.PUT_RUN: upsert(runs, dialect),
        StatementName.UPDATE_RUN: update_run(),
        StatementName.PUT_STEP: upsert(steps, dialect),
        StatementName.PUT_OUTPUT: upsert(outputs, dialect),
        StatementName.PUT_INPUT: upsert(inputs, dialect),
        StatementName.PUT_PARAM: upsert(params, dialect),
        StatementName.PUT_METRIC: upsert(metrics, dialect),
        StatementName.PUT_LOG: upsert(logs, dialect),
        StatementName.ADD_ARTIFACT: insert_ignore(artifacts, dialect),
        StatementName.ADD_CODE: insert_ignore(code, dialect),
        StatementName.ADD_ENVIRONMENT: insert_ignore(environments, dialect),
        StatementName.DELETE_RUN: runs.delete().where(runs.c.id == bindparam("id")),
        StatementName.DELETE_STEPS: _delete_of_run(steps),
        StatementName.DELETE_OUTPUTS: _delete_of_run(outputs),
        StatementName.DELETE_INPUTS: _delete_of_run(inputs),
        StatementName.DELETE_PARAMS: _delete_of_run(params),
        StatementName.DELETE_METRICS: _delete_of_run(metrics),
        StatementName.DELETE_LOGS: _delete_of_run(logs),
        StatementName.DELETE_MARKS: _delete_of_run(marks),
        StatementName.FORGET_ARTIFACT: _forget_artifact(),
    }


def upsert(table: Table, dialect: str, **expressions: Any) -> Insert:
    """Insert a record, or replace the one that has its key.

    Args:
        table: Into which.
        dialect: SQLAlchemy's name of it.
        **expressions: SQL for some of the values; the others are parameters.

    Returns:
        The statement.
    """
    changing = [column.name for column in table.columns if not column.primary_key]
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        into_mysql = mysql_insert(table).values({**_bound(table), **expressions})
        return into_mysql.on_duplicate_key_update({name: into_mysql.inserted[name] for name in changing})
    statement = _insert_with_conflict(table, dialect, **expressions)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
    )


def insert_ignore(table: Table, dialect: str) -> Insert:
    """Insert a record, unless the table has its key.

    Args:
        table: Into which.
        dialect: SQLAlchemy's name of it.

    Returns:
        The statement.
    """
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        key = next(iter(table.primary_key.columns))  # set to itself: IGNORE would also truncate a text
        return mysql_insert(table).values(_bound(table)).on_duplicate_key_update({key.name: key})
    return _insert_with_conflict(table, dialect).on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


def update_run() -> Update:
    """Apply a `RunUpdate`."""
    changing = [field.name for field in fields(RunUpdate) if field.name != "id"]
    return runs.update().where(runs.c.id == bindparam("id")).values({name: bindparam(name) for name in changing})


def _delete_of_run(table: Table) -> Delete:
    return table.delete().where(table.c.run == bindparam("id"))


def _forget_artifact() -> Delete:
    """Delete an artifact's row, unless a run produced or read it."""
    used = [
        exists().where(table.c.digest == bindparam("digest"), table.c.format == bindparam("format"))
        for table in (outputs, inputs)
    ]
    is_this = (artifacts.c.digest == bindparam("digest"), artifacts.c.format == bindparam("format"))
    return artifacts.delete().where(*is_this, *(not_(condition) for condition in used))


def _put_change(dialect: str) -> Insert:
    """Give a run the newest revision."""
    return upsert(changes, dialect, revision=_now(dialect), gone=literal_column("0"))


def _now(dialect: str) -> Any:
    """The revision of a change: the clock's; in SQLite, which has one writer at a time, the highest and one."""
    return _highest() + literal_column("1") if dialect == "sqlite" else select(clock.c.revision).scalar_subquery()


def _highest() -> Any:
    """The highest revision; it never decreases, since deleted runs keep theirs."""
    others = changes.alias("others")
    return select(func.coalesce(func.max(others.c.revision), literal_column("0"))).scalar_subquery()


def _insert_with_conflict(table: Table, dialect: str, **expressions: Any) -> sqlite.Insert | postgresql.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).values({**_bound(table), **expressions})
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).values({**_bound(table), **expressions})


def _bound(table: Table) -> dict[str, Any]:
    return {column.name: bindparam(column.name) for column in table.columns}
