"""The metadata store on a SQL database: SQLite today; the tables and statements fit MySQL 5.6 and PostgreSQL too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, Select, make_url, or_, select

from zenbook.core.states import RunState, StepState
from zenbook.errors import StoreError
from zenbook.flavours import sql_sqlite, sql_statements, sql_tables
from zenbook.flavours.sql_database import Database, Row, Writer
from zenbook.flavours.sql_statements import columns_of
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import (
    Batch,
    CachedStep,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunQuery,
    RunRecord,
    StepRecord,
)

MOST_IDS = 500  # run ids in one query; SQLite was long built for at most 999 parameters
RUN_STATES = {state.value: state for state in RunState}
STEP_STATES = {state.value: state for state in StepState}
STEP_WIDTH = len(columns_of(sql_tables.steps))

_run, _step, _artifact, _output, _input, _param, _metric, _log = (
    table.c
    for table in (
        sql_tables.runs,
        sql_tables.steps,
        sql_tables.artifacts,
        sql_tables.outputs,
        sql_tables.inputs,
        sql_tables.params,
        sql_tables.metrics,
        sql_tables.logs,
    )
)


def sqlite_store(path: Path) -> SqlMetadataStore:
    """The metadata store in a SQLite file, which is made with its folder on first use."""
    return SqlMetadataStore(URL.create("sqlite", database=str(path)))


class SqlMetadataStore(MetadataStore):
    """A metadata store at a SQLAlchemy URL. It connects on first use, and anew in a forked child.

    Writing is idempotent: a row whose key is there already is replaced, so a batch may be written again when nobody
    knows whether it arrived. Not-a-number is kept as NULL.
    """

    def __init__(self, url: str | URL) -> None:
        where = make_url(url)
        if where.get_backend_name() != "sqlite":
            raise StoreError(
                f"zenbook can't keep its metadata in {where.get_backend_name()!r} yet.",
                "Use a file: sqlite:////path/metadata.db.",
            )
        self._database = Database(where.set(database=str(sql_sqlite.file_of(where))))  # whatever the current folder

    def create_run(
        self,
        run: RunRecord,
        *,
        steps: Sequence[StepRecord],
        params: Sequence[ParamRecord],
        code: Sequence[CodeRecord],
        environment: EnvironmentRecord | None,
    ) -> None:
        """Write a new run with its steps, or one that has grown, all or nothing."""
        to = self._writers
        self._database.write(
            (
                (to.new_run, [run]),
                (to.steps, steps),
                (to.params, params),
                (to.code, code),
                (to.environments, [environment] if environment else []),
            )
        )

    def write(self, batch: Batch) -> None:
        """Write all changes of a batch, or none."""
        to = self._writers
        self._database.write(
            (
                (to.runs, batch.runs),
                (to.steps, batch.steps),
                (to.artifacts, batch.artifacts),
                (to.outputs, batch.outputs),
                (to.inputs, batch.inputs),
                (to.params, batch.params),
                (to.metrics, batch.metrics),
                (to.logs, batch.logs),
            )
        )

    @cached_property
    def _writers(self) -> _Writers:
        return _Writers(self._database)

    def find_cached(self, cache_key: str) -> list[CachedStep]:
        """The succeeded step runs with this cache key, newest first, with their outputs and metrics (at most 8)."""
        outputs_sql, metrics_sql = (
            self._database.prepared(sql_statements.FIND_CACHED),
            self._database.prepared(sql_statements.FIND_CACHED_METRICS),
        )

        def read(cursor: Any) -> tuple[list[Row], list[Row]]:
            found = cursor.execute(outputs_sql.sql, outputs_sql.arguments(cache_key=cache_key)).fetchall()
            if not found:
                return [], []
            return found, cursor.execute(metrics_sql.sql, metrics_sql.arguments(cache_key=cache_key)).fetchall()

        found, measured = self._database.with_cursor(read)
        metrics: dict[tuple[str, str], list[MetricRecord]] = {}
        for row in measured:
            metrics.setdefault((row[0], row[1]), []).append(_metric_record(row))
        cached = []
        for key, group in groupby(found, key=lambda row: (row[0], row[1])):
            rows = list(group)
            outputs = tuple(OutputRecord(*row[STEP_WIDTH:]) for row in rows if row[STEP_WIDTH] is not None)
            cached.append(CachedStep(_step_record(rows[0][:STEP_WIDTH]), outputs, tuple(metrics.get(key, ()))))
        return cached

    def previous_step(self, pipeline: str, step: str, *, before: str) -> StepRecord | None:
        """The newest step run of this name in an older run of the pipeline, if there is one."""
        rows = self._database.rows(sql_statements.PREVIOUS_STEP, pipeline=pipeline, before=before, step=step)
        return _step_record(rows[0]) if rows else None

    def run(self, run_id: str) -> RunRecord | None:
        """One run with its plan."""
        rows = self._database.rows(sql_statements.RUN, id=run_id)
        return _run_record(rows[0]) if rows else None

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs without their plans, newest first."""
        wanted = select(*sql_statements.run_columns_without_plan()).order_by(_run.id.desc()).limit(query.limit)
        if query.pipeline is not None:
            wanted = wanted.where(_run.pipeline == query.pipeline)
        if query.states:
            wanted = wanted.where(_run.state.in_([state.value for state in query.states]))
        if query.before is not None:
            wanted = wanted.where(_run.id < query.before)
        if query.kind is not None:
            wanted = wanted.where(_run.kind == query.kind)
        return [_run_record(row) for row in self._database.select(wanted)]

    def find_run_ids(self, part: str, *, limit: int = 5) -> list[str]:
        """Ids of runs that begin or end with ``part``, newest first."""
        matches = or_(_run.id.startswith(part, autoescape=True), _run.id.endswith(part, autoescape=True))
        return [
            row[0]
            for row in self._database.select(select(_run.id).where(matches).order_by(_run.id.desc()).limit(limit))
        ]

    def steps(self, run_ids: Sequence[str]) -> list[StepRecord]:
        """The steps of some runs, by run and position."""
        wanted = select(*columns_of(sql_tables.steps)).order_by(_step.run, _step.position, _step.name)
        return [_step_record(row) for row in self._of_runs(wanted, _step.run, run_ids)]

    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        """The outputs of some runs, by run, step and name, with address and size of their artifacts."""
        same = (_artifact.digest == _output.digest) & (_artifact.format == _output.format)
        wanted = (
            select(*sql_statements.output_columns())
            .select_from(sql_tables.outputs.join(sql_tables.artifacts, same))
            .order_by(_output.run, _output.step, _output.name)
        )
        if step is not None:
            wanted = wanted.where(_output.step == step)
        return [OutputRecord(*row) for row in self._of_runs(wanted, _output.run, run_ids)]

    def inputs(self, run_ids: Sequence[str]) -> list[InputRecord]:
        """The inputs of some runs, by run, step and name."""
        wanted = select(*columns_of(sql_tables.inputs)).order_by(_input.run, _input.step, _input.name)
        return [InputRecord(*row) for row in self._of_runs(wanted, _input.run, run_ids)]

    def params(self, run_ids: Sequence[str]) -> list[ParamRecord]:
        """The parameters of some runs, by run, step and name."""
        wanted = select(*columns_of(sql_tables.params)).order_by(_param.run, _param.step, _param.name)
        return [ParamRecord(*row) for row in self._of_runs(wanted, _param.run, run_ids)]

    def metrics(self, run_ids: Sequence[str]) -> list[MetricRecord]:
        """The metrics of some runs, in the order in which they were logged."""
        wanted = select(*columns_of(sql_tables.metrics)).order_by(
            _metric.run, _metric.at, _metric.step, _metric.name, _metric.n
        )
        return [_metric_record(row) for row in self._of_runs(wanted, _metric.run, run_ids)]

    def logs(self, run_id: str, step: str | None = None) -> list[LogRecord]:
        """What a run's steps printed: one step's in its own order, all by time."""
        wanted = select(*columns_of(sql_tables.logs))
        if step is None:
            wanted = wanted.order_by(_log.at, _log.step, _log.n)
        else:
            wanted = wanted.where(_log.step == step).order_by(_log.n)
        return [LogRecord(*row) for row in self._of_runs(wanted, _log.run, [run_id])]

    def code(self, digest: str) -> CodeRecord | None:
        """A capsule."""
        rows = self._database.rows(sql_statements.CODE, digest=digest)
        return CodeRecord(*rows[0]) if rows else None

    def environment(self, digest: str) -> EnvironmentRecord | None:
        """A description of where a run ran."""
        rows = self._database.rows(sql_statements.ENVIRONMENT, digest=digest)
        return EnvironmentRecord(*rows[0]) if rows else None

    def address_of(self, digest: str, format: str) -> str | None:
        """Where an artifact is stored, or None when this store doesn't know the digest."""
        rows = self._database.rows(sql_statements.ADDRESS_OF, digest=digest, format=format)
        return str(rows[0][0]) if rows else None

    def describe(self) -> str:
        """Kind, place and schema revision."""
        return self._database.describe()

    def close(self) -> None:
        """Let go of this process's connections; the store opens again when it is used again."""
        self._database.close()

    def _of_runs(self, wanted: Select[Any], run: ColumnElement[str], run_ids: Sequence[str]) -> Iterator[Row]:
        ids = sorted(set(run_ids))
        for start in range(0, len(ids), MOST_IDS):
            yield from self._database.select(wanted.where(run.in_(ids[start : start + MOST_IDS])))


class _Writers:
    """The statements that write records."""

    def __init__(self, database: Database) -> None:
        def upsert(table: Any) -> Writer:
            return database.writer(sql_statements.upsert(table, database.dialect))

        def insert_ignore(table: Any) -> Writer:
            return database.writer(sql_statements.insert_ignore(table, database.dialect))

        self.new_run = upsert(sql_tables.runs)
        self.runs = database.writer(sql_statements.update_run())
        self.steps = upsert(sql_tables.steps)
        self.artifacts = insert_ignore(sql_tables.artifacts)
        self.outputs = upsert(sql_tables.outputs)
        self.inputs = upsert(sql_tables.inputs)
        self.params = upsert(sql_tables.params)
        self.metrics = upsert(sql_tables.metrics)
        self.logs = upsert(sql_tables.logs)
        self.code = insert_ignore(sql_tables.code)
        self.environments = insert_ignore(sql_tables.environments)


def _run_record(row: Row) -> RunRecord:
    run, pipeline, stack, state, *others = row
    return RunRecord(run, pipeline, stack, RUN_STATES[state], *others)


def _step_record(row: Row) -> StepRecord:
    values = [*row]
    values[3] = STEP_STATES[row[3]]
    values[-1] = () if row[-1] == "[]" else tuple(json.loads(row[-1]))  # notes
    return StepRecord(*values)


def _metric_record(row: Row) -> MetricRecord:
    run, step, name, n, value, at, index = row
    return MetricRecord(run, step, name, n, math.nan if value is None else value, at, index)
