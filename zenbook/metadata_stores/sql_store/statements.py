"""The statements of the SQL metadata store, made for the dialect where dialects differ.

They are the source of what is shipped for SQLite. After a change here or in `tables.py`, make it again:
``python -m zenbook.metadata_stores.sql_store.statements``.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    ColumnElement,
    CompoundSelect,
    Dialect,
    Select,
    Subquery,
    Table,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    union,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Delete, Insert, Update

from zenbook.core.states import StepState
from zenbook.metadata_stores.sql_store.compiled_statements import ESCAPE, SHIPPED, Compiled, Prepared, StatementName
from zenbook.metadata_stores.sql_store.tables import (
    RECORDS,
    Name,
    artifacts,
    changes,
    clock,
    code,
    environments,
    inputs,
    logs,
    marks,
    metadata,
    metrics,
    outputs,
    params,
    runs,
    steps,
    version,
)
from zenbook.stack.records import OutputRecord, RunUpdate

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

MOST_CACHED = 8  # how many earlier step runs `find_cached` offers


def compiled(dialect: Dialect) -> Compiled:
    """All statements in a dialect's own SQL."""
    tables = [*metadata.sorted_tables, version]
    made: list[DDLElement] = []
    for table in tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made += [CreateTable(table), *map(CreateIndex, indexes)]
    schema = [str(one.compile(dialect=dialect)).strip() for one in made]
    statements = {name: _prepared(one, dialect) for name, one in statements_for(dialect.name).items()}
    return Compiled(tuple(schema), tuple(table.name for table in tables), statements)


def statements_for(dialect: str) -> dict[StatementName, ClauseElement]:
    """All statements by name."""
    return {
        **QUESTIONS,
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


def widths_of(ask: StatementName) -> dict[str, int]:
    """How many characters the columns hold that a statement sets and that only describe: what is longer is cut."""
    table = WRITTEN.get(ask)
    if table is None:
        return {}
    types = {column.name: column.type for column in table.columns if column.name in DESCRIBING}
    return {name: one.length for name, one in types.items() if isinstance(one, Name)}


def _prepared(statement: ClauseElement, dialect: Dialect) -> Prepared:
    made = cast(SQLCompiler, statement.compile(dialect=dialect))
    constants = {name: value for name, value in made.params.items() if value is not None}
    mark = {"qmark": "?", "format": "%s"}[dialect.paramstyle]
    return Prepared(str(made), tuple(made.positiontup or ()), constants, mark)


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


def upsert(table: Table, dialect: str, **given: Any) -> Insert:
    """Insert a record, or replace the one that has its key; some values may be ``given`` as SQL."""
    changing = [column.name for column in table.columns if not column.primary_key]
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        into_mysql = mysql_insert(table).values({**_bound(table), **given})
        return into_mysql.on_duplicate_key_update({name: into_mysql.inserted[name] for name in changing})
    statement = _insert_with_conflict(table, dialect, **given)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in changing}
    )


def insert_ignore(table: Table, dialect: str) -> Insert:
    """Insert a record, unless its key is there already."""
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        key = next(iter(table.primary_key.columns))  # set to itself: IGNORE would also let a text be cut
        return mysql_insert(table).values(_bound(table)).on_duplicate_key_update({key.name: key})
    return _insert_with_conflict(table, dialect).on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


def update_run() -> Update:
    """Apply a `RunUpdate`."""
    changing = [field.name for field in fields(RunUpdate) if field.name != "id"]
    return runs.update().where(runs.c.id == bindparam("id")).values({name: bindparam(name) for name in changing})


def _delete_of_run(table: Table) -> Delete:
    return table.delete().where(table.c.run == bindparam("id"))


def _forget_artifact() -> Delete:
    """Remove an artifact's row, unless a run made or read it."""
    used = [
        exists().where(table.c.digest == bindparam("digest"), table.c.format == bindparam("format"))
        for table in (outputs, inputs)
    ]
    this = (artifacts.c.digest == bindparam("digest"), artifacts.c.format == bindparam("format"))
    return artifacts.delete().where(*this, *(not_(one) for one in used))


def _referenced() -> CompoundSelect[Any]:
    """Which artifacts runs made or read."""
    return union(select(outputs.c.digest, outputs.c.format), select(inputs.c.digest, inputs.c.format))


def _put_change(dialect: str) -> Insert:
    """Give a run the newest revision."""
    return upsert(changes, dialect, revision=_now(dialect), gone=literal_column("0"))


def _now(dialect: str) -> Any:
    """The revision of a change: what the clock shows; in SQLite, which has one writer at a time, the next one."""
    return _highest() + literal_column("1") if dialect == "sqlite" else select(clock.c.revision).scalar_subquery()


def _highest() -> Any:
    """The highest revision; it never falls, since runs that are gone keep theirs."""
    other = changes.alias("others")
    return select(func.coalesce(func.max(other.c.revision), literal_column("0"))).scalar_subquery()


def _insert_with_conflict(table: Table, dialect: str, **given: Any) -> sqlite.Insert | postgresql.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).values({**_bound(table), **given})
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).values({**_bound(table), **given})


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


def _runs() -> Select[Any]:
    """A page of a list of runs: of some states, older than a run, of one kind or (``""``) of any."""
    kind: BindParameter[str] = bindparam("kind")
    return (
        select(*run_columns_without_plan())
        .where(
            runs.c.state.in_(bindparam("states", expanding=True)),
            runs.c.id < bindparam("before"),
            or_(runs.c.kind == kind, kind == ""),
        )
        .order_by(runs.c.id.desc())
        .limit(bindparam("limit"))
    )


def _find_run_ids() -> Select[Any]:
    begins, ends = (runs.c.id.like(bindparam(name), escape=ESCAPE) for name in ("begins", "ends"))
    return select(runs.c.id).where(or_(begins, ends)).order_by(runs.c.id.desc()).limit(bindparam("limit"))


def _of_runs(table: Table, *order: str) -> Select[Any]:
    wanted = select(*columns_of(table)).where(table.c.run.in_(bindparam("runs", expanding=True)))
    return wanted.order_by(table.c.run, *(table.c[name] for name in order))


def _outputs() -> Select[Any]:
    same = (artifacts.c.digest == outputs.c.digest) & (artifacts.c.format == outputs.c.format)
    return (
        select(*output_columns())
        .select_from(outputs.join(artifacts, same))
        .where(outputs.c.run.in_(bindparam("runs", expanding=True)))
        .order_by(outputs.c.run, outputs.c.step, outputs.c.name)
    )


def _logs() -> Select[Any]:
    return select(*columns_of(logs)).where(logs.c.run == bindparam("run"))


FIND_CACHED = _find_cached()
FIND_CACHED_METRICS = _find_cached_metrics()
PREVIOUS_STEP = (
    select(*columns_of(steps))
    .select_from(runs.join(steps, steps.c.run == runs.c.id))
    .where(runs.c.pipeline == bindparam("pipeline"), runs.c.id < bindparam("before"), steps.c.name == bindparam("step"))
    .order_by(runs.c.id.desc())
    .limit(1)
)
ADDRESS_OF = select(artifacts.c.address).where(
    artifacts.c.digest == bindparam("digest"), artifacts.c.format == bindparam("format")
)
QUESTIONS: dict[StatementName, ClauseElement] = {
    StatementName.RUN: select(*columns_of(runs)).where(runs.c.id == bindparam("id")),
    StatementName.RUNS: _runs(),
    StatementName.RUNS_OF_PIPELINE: _runs().where(runs.c.pipeline == bindparam("pipeline")),
    StatementName.FIND_RUN_IDS: _find_run_ids(),
    StatementName.STEPS: _of_runs(steps, "position", "name"),
    StatementName.PREVIOUS_STEP: PREVIOUS_STEP,
    StatementName.OUTPUTS: _outputs(),
    StatementName.OUTPUTS_OF_STEP: _outputs().where(outputs.c.step == bindparam("step")),
    StatementName.INPUTS: _of_runs(inputs, "step", "name"),
    StatementName.PARAMS: _of_runs(params, "step", "name"),
    StatementName.METRICS: _of_runs(metrics, "at", "step", "name", "n"),
    StatementName.LOGS: _logs().order_by(logs.c.at, logs.c.step, logs.c.n),
    StatementName.LOGS_OF_STEP: _logs().where(logs.c.step == bindparam("step")).order_by(logs.c.n),
    StatementName.CODE: select(*columns_of(code)).where(code.c.digest == bindparam("digest")),
    StatementName.ENVIRONMENT: select(*columns_of(environments)).where(environments.c.digest == bindparam("digest")),
    StatementName.ADDRESS_OF: ADDRESS_OF,
    StatementName.FIND_CACHED: FIND_CACHED,
    StatementName.FIND_CACHED_METRICS: FIND_CACHED_METRICS,
    StatementName.REFERENCED: _referenced(),
    StatementName.ARTIFACTS: select(*columns_of(artifacts)).where(artifacts.c.created_at < bindparam("before")),
    StatementName.REVISION: select(version.c.version_num),
    StatementName.CHANGES: select(changes.c.run, changes.c.revision, changes.c.gone)
    .where(changes.c.revision > bindparam("since"))
    .order_by(changes.c.revision, changes.c.run),
    StatementName.MARKS: _of_runs(marks, "kind", "name"),
    StatementName.RUN_ROWS: select(*run_columns_without_plan()).where(runs.c.id.in_(bindparam("runs", expanding=True))),
    StatementName.METRIC_ROWS: _of_runs(metrics),
    StatementName.LOG_ROWS: _of_runs(logs),
}


DESCRIBING = ("host", "user", "process", "stack", "orchestrator", "pipeline", "type")
WRITTEN = {StatementName.PUT_RUN: runs, StatementName.PUT_OUTPUT: outputs}


def shipped_text() -> str:
    """What the file of SQLite's statements should hold."""
    from sqlalchemy.dialects import sqlite

    return json.dumps(compiled(sqlite.dialect()).to_json(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SHIPPED.write_text(shipped_text(), encoding="utf-8")
