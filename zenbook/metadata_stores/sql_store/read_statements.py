"""The SQL statements that read; they are the same in every dialect."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    ColumnElement,
    CompoundSelect,
    Label,
    Select,
    Subquery,
    Table,
    bindparam,
    literal_column,
    or_,
    select,
    union,
)

from zenbook.core.states import StepState
from zenbook.metadata_stores.sql_store.compiled_statements import ESCAPE, StatementName
from zenbook.metadata_stores.sql_store.tables import (
    RECORDS,
    artifacts,
    changes,
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
from zenbook.stack.records import OutputRecord

MAX_CACHED = 8  # how many earlier step runs `find_cached` returns


def columns_of(table: Table) -> list[Column[Any]]:
    """The columns of a table in the order of its record's fields, so that a row is the record's arguments.

    Args:
        table: One of `RECORDS`.

    Returns:
        Those of its columns that are fields.
    """
    return [table.c[field.name] for field in fields(RECORDS[table]) if field.name in table.c]


def output_columns() -> list[Column[Any]]:
    """An output's columns with the address and size of its artifact, as `OutputRecord` has them."""
    columns = {**dict(outputs.c), "address": artifacts.c.address, "size": artifacts.c.size}
    return [columns[field.name] for field in fields(OutputRecord)]


def run_columns_without_plan() -> list[ColumnElement[Any]]:
    """A run's columns with an empty plan, for lists."""
    empty_plan: Label[str] = literal_column("''").label("plan")
    return [empty_plan if column is runs.c.plan else column for column in columns_of(runs)]


def _origins() -> Subquery:
    """The newest succeeded step runs with one cache key."""
    succeeded: ColumnElement[str] = literal_column(f"'{StepState.SUCCEEDED.value}'")
    return (
        select(steps)
        .where(steps.c.cache_key == bindparam("cache_key"), steps.c.state == succeeded)
        .order_by(steps.c.run.desc())
        .limit(MAX_CACHED)
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
    rows = select(*columns_of(table)).where(table.c.run.in_(bindparam("runs", expanding=True)))
    return rows.order_by(table.c.run, *(table.c[name] for name in order))


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


def _referenced() -> CompoundSelect[Any]:
    """The artifacts that runs produced or read."""
    return union(select(outputs.c.digest, outputs.c.format), select(inputs.c.digest, inputs.c.format))


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
READ_STATEMENTS: dict[StatementName, ClauseElement] = {
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
