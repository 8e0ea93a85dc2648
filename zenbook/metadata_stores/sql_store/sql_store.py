"""The metadata store on a SQL database: SQLite, MySQL from 5.6 on, MariaDB, PostgreSQL.

Nothing that is imported here imports SQLAlchemy: a process that runs a pipeline never needs it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from zenbook.core.states import RunState, StepState
from zenbook.metadata_stores.sql_store import sqlite_rules
from zenbook.metadata_stores.sql_store.compiled_statements import ESCAPE, StatementName
from zenbook.metadata_stores.sql_store.database_interface import Row, SqlDatabase, Writer
from zenbook.metadata_stores.sql_store.sqlite_database import SqliteDatabase
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CachedStep,
    Change,
    Changes,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    LogRecord,
    MarkRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunQuery,
    RunRecord,
    StepRecord,
)

MAX_IDS = 500  # run ids in one query; older SQLite allows at most 999 parameters
RUN_STATES = {state.value: state for state in RunState}
STEP_STATES = {state.value: state for state in StepState}
STEP_WIDTH = len(StepRecord.__dataclass_fields__)
NO_LIMIT = 2**62
DELETE_RUN_STATEMENTS = (
    StatementName.DELETE_STEPS,
    StatementName.DELETE_OUTPUTS,
    StatementName.DELETE_INPUTS,
    StatementName.DELETE_PARAMS,
    StatementName.DELETE_METRICS,
    StatementName.DELETE_LOGS,
    StatementName.DELETE_MARKS,
    StatementName.DELETE_RUN,
)
ROWS = {
    RunRecord: StatementName.RUN_ROWS,
    StepRecord: StatementName.STEPS,
    OutputRecord: StatementName.OUTPUTS,
    InputRecord: StatementName.INPUTS,
    ParamRecord: StatementName.PARAMS,
    MetricRecord: StatementName.METRIC_ROWS,
    LogRecord: StatementName.LOG_ROWS,
    MarkRecord: StatementName.MARKS,
}
AFTER_ALL_RUNS = "\U0010ffff"  # sorts after every run id


def sqlite_store(place: str | Path) -> SqlMetadataStore:
    """The metadata store in a SQLite file, which is created with its folder on first use.

    Args:
        place: Path or URL of the file.

    Returns:
        A store that works wherever the current folder is.
    """
    return SqliteMetadataStore(SqliteDatabase(sqlite_rules.file_of(place)))


class SqlMetadataStore(MetadataStore):
    """A metadata store in a database. It connects on first use, and again in a forked child.

    Writing is idempotent: a row whose key is there already is replaced, so a batch may be written again if it is
    unknown whether it arrived. Not-a-number is stored as NULL.

    Args:
        database: Where the rows are.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

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
        writers = self._writers
        self._database.write(
            (
                (writers.new_run, [run]),
                (writers.steps, steps),
                (writers.params, params),
                (writers.code, code),
                (writers.environments, [environment] if environment else []),
            ),
            changed={run.id, *(step.run for step in steps), *(param.run for param in params)},
        )

    def write(self, batch: Batch) -> None:
        """Write all changes of a batch, or none."""
        writers = self._writers
        self._database.write(
            (
                (writers.runs, batch.runs),
                (writers.steps, batch.steps),
                (writers.artifacts, batch.artifacts),
                (writers.outputs, batch.outputs),
                (writers.inputs, batch.inputs),
                (writers.params, batch.params),
                (writers.metrics, batch.metrics),
                (writers.logs, batch.logs),
            ),
            changed=_runs_of(batch),
        )

    @cached_property
    def _writers(self) -> _Writers:
        return _Writers(self._database)

    def find_cached(self, cache_key: str) -> list[CachedStep]:
        """The succeeded step runs with this cache key, newest first, with their outputs and metrics (at most 8)."""
        step_rows, metric_rows = self._database.query_two(
            StatementName.FIND_CACHED, StatementName.FIND_CACHED_METRICS, cache_key=cache_key
        )
        metrics: dict[tuple[str, str], list[MetricRecord]] = {}
        for row in metric_rows:
            metrics.setdefault((row[0], row[1]), []).append(_metric_record(row))
        cached = []
        for key, group in groupby(step_rows, key=lambda row: (row[0], row[1])):
            rows = list(group)
            outputs = tuple(OutputRecord(*row[STEP_WIDTH:]) for row in rows if row[STEP_WIDTH] is not None)
            cached.append(CachedStep(_step_record(rows[0][:STEP_WIDTH]), outputs, tuple(metrics.get(key, ()))))
        return cached

    def previous_step(self, pipeline: str, step: str, *, before: str) -> StepRecord | None:
        """The newest step run of this name in an older run of the pipeline, if there is one."""
        rows = self._database.rows(StatementName.PREVIOUS_STEP, pipeline=pipeline, before=before, step=step)
        return _step_record(rows[0]) if rows else None

    def run(self, run_id: str) -> RunRecord | None:
        """One run with its plan."""
        rows = self._database.rows(StatementName.RUN, id=run_id)
        return _run_record(rows[0]) if rows else None

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs without their plans, newest first."""
        values: dict[str, Any] = {
            "before": AFTER_ALL_RUNS if query.before is None else query.before,
            "kind": "" if query.kind is None else query.kind,
            "limit": NO_LIMIT if query.limit is None else query.limit,
        }
        states = [state.value for state in query.states] or [*RUN_STATES]
        if query.pipeline is None:
            rows = self._database.rows_in(StatementName.RUNS, "states", states, **values)
        else:
            rows = self._database.rows_in(
                StatementName.RUNS_OF_PIPELINE, "states", states, pipeline=query.pipeline, **values
            )
        return [_run_record(row) for row in rows]

    def find_run_ids(self, part: str, *, limit: int = 5) -> list[str]:
        """Ids of runs that begin or end with ``part``, newest first."""
        escaped = re.sub(r"[/%_]", rf"{ESCAPE}\g<0>", part)
        rows = self._database.rows(StatementName.FIND_RUN_IDS, begins=f"{escaped}%", ends=f"%{escaped}", limit=limit)
        return [row[0] for row in rows]

    def steps(self, run_ids: Sequence[str]) -> list[StepRecord]:
        """The steps of some runs, by run and position."""
        return [_step_record(row) for row in self._of_runs(StatementName.STEPS, run_ids)]

    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        """The outputs of some runs, by run, step and name, with address and size of their artifacts."""
        if step is None:
            rows = self._of_runs(StatementName.OUTPUTS, run_ids)
        else:
            rows = self._of_runs(StatementName.OUTPUTS_OF_STEP, run_ids, step=step)
        return [OutputRecord(*row) for row in rows]

    def inputs(self, run_ids: Sequence[str]) -> list[InputRecord]:
        """The inputs of some runs, by run, step and name."""
        return [InputRecord(*row) for row in self._of_runs(StatementName.INPUTS, run_ids)]

    def params(self, run_ids: Sequence[str]) -> list[ParamRecord]:
        """The parameters of some runs, by run, step and name."""
        return [ParamRecord(*row) for row in self._of_runs(StatementName.PARAMS, run_ids)]

    def metrics(self, run_ids: Sequence[str]) -> list[MetricRecord]:
        """The metrics of some runs, in the order in which they were logged."""
        return [_metric_record(row) for row in self._of_runs(StatementName.METRICS, run_ids)]

    def logs(self, run_id: str, step: str | None = None) -> list[LogRecord]:
        """What a run's steps printed: one step's in its own order, all by time."""
        if step is None:
            rows = self._database.rows(StatementName.LOGS, run=run_id)
        else:
            rows = self._database.rows(StatementName.LOGS_OF_STEP, run=run_id, step=step)
        return [LogRecord(*row) for row in rows]

    def code(self, digest: str) -> CodeRecord | None:
        """A capsule."""
        rows = self._database.rows(StatementName.CODE, digest=digest)
        return CodeRecord(*rows[0]) if rows else None

    def environment(self, digest: str) -> EnvironmentRecord | None:
        """A description of where a run ran."""
        rows = self._database.rows(StatementName.ENVIRONMENT, digest=digest)
        return EnvironmentRecord(*rows[0]) if rows else None

    def address_of(self, digest: str, format: str) -> str | None:
        """Where an artifact is stored, or None when this store doesn't know the digest."""
        rows = self._database.rows(StatementName.ADDRESS_OF, digest=digest, format=format)
        return str(rows[0][0]) if rows else None

    def delete_runs(self, run_ids: Sequence[str]) -> None:
        """Delete runs with all that only they have, each in one transaction."""
        statements = [self._database.prepared(name) for name in DELETE_RUN_STATEMENTS]
        writers = [Writer(statement.sql, lambda run_id: (run_id,)) for statement in statements]
        for run_id in run_ids:
            self._database.write([(writer, [run_id]) for writer in writers], gone=[run_id])

    def changes(self, since: int) -> Changes:
        """Which runs were written or deleted after a revision."""
        clock, rows = self._database.query_two(StatementName.CLOCK, StatementName.CHANGES, since=since)
        changed = tuple(Change(run, revision, bool(gone)) for run, revision, gone in rows)
        store, revision = clock[0]  # read before the changes
        return Changes(store, max(revision, changed[-1].revision if changed else 0), changed)

    def put_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Put tags, notes and stars on runs."""
        self._database.write(
            [(self._database.writer(StatementName.PUT_MARK), marks)], changed={mark.run for mark in marks}
        )

    def drop_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Take tags, notes and stars off runs."""
        self._database.write(
            [(self._database.writer(StatementName.DROP_MARK), marks)], changed={mark.run for mark in marks}
        )

    def marks(self, run_ids: Sequence[str]) -> list[MarkRecord]:
        """The tags, notes and stars of some runs."""
        return [MarkRecord(*row) for row in self._of_runs(StatementName.MARKS, run_ids)]

    def rows(self, record: type[Any], run_ids: Sequence[str]) -> list[Row]:
        """The rows of one kind of record of some runs, as the database returns them: not-a-number is None."""
        return list(self._of_runs(ROWS[record], run_ids))

    def unreferenced(self, *, before: float) -> list[ArtifactRecord]:
        """The artifacts stored before a time that no run produced or read."""
        used = {tuple(row) for row in self._database.rows(StatementName.REFERENCED)}
        known = (ArtifactRecord(*row) for row in self._database.rows(StatementName.ARTIFACTS, before=before))
        return [artifact for artifact in known if (artifact.digest, artifact.format) not in used]

    def forget_artifacts(self, artifacts: Sequence[ArtifactRecord]) -> list[ArtifactRecord]:
        """Remove the rows of artifacts that still no run refers to, and return these artifacts."""
        self._database.write([(self._database.writer(StatementName.FORGET_ARTIFACT), artifacts)])
        return [artifact for artifact in artifacts if self.address_of(artifact.digest, artifact.format) is None]

    def describe(self) -> str:
        """Kind, location and schema revision."""
        return self._database.describe()

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        self._database.close()

    def _of_runs(self, query: StatementName, run_ids: Sequence[str], **values: Any) -> Iterator[Row]:
        ids = sorted(set(run_ids))
        for start in range(0, len(ids), MAX_IDS):
            yield from self._database.rows_in(query, "runs", ids[start : start + MAX_IDS], **values)


class SqliteMetadataStore(SqlMetadataStore):
    """A metadata store in a SQLite file."""

    on_this_machine = True


class _Writers:
    """The statements that write records."""

    def __init__(self, database: SqlDatabase) -> None:
        self.new_run = database.writer(StatementName.PUT_RUN)
        self.runs = database.writer(StatementName.UPDATE_RUN)
        self.steps = database.writer(StatementName.PUT_STEP)
        self.artifacts = database.writer(StatementName.ADD_ARTIFACT)
        self.outputs = database.writer(StatementName.PUT_OUTPUT)
        self.inputs = database.writer(StatementName.PUT_INPUT)
        self.params = database.writer(StatementName.PUT_PARAM)
        self.metrics = database.writer(StatementName.PUT_METRIC)
        self.logs = database.writer(StatementName.PUT_LOG)
        self.code = database.writer(StatementName.ADD_CODE)
        self.environments = database.writer(StatementName.ADD_ENVIRONMENT)


def _runs_of(batch: Batch) -> set[str]:
    """The runs that a batch changes."""
    of_run = (batch.steps, batch.outputs, batch.inputs, batch.params, batch.metrics, batch.logs)
    return {run.id for run in batch.runs}.union(*({record.run for record in records} for records in of_run))


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
