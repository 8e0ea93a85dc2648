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

MOST_IDS = 500  # run ids in one query; SQLite was long built for at most 999 parameters
RUN_STATES = {state.value: state for state in RunState}
STEP_STATES = {state.value: state for state in StepState}
STEP_WIDTH = len(StepRecord.__dataclass_fields__)
ALL = 2**62  # a limit that limits nothing
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
AFTER_ALL = "\U0010ffff"  # sorts after every run id


def sqlite_store(place: str | Path) -> SqlMetadataStore:
    """The metadata store in a SQLite file, by path or URL, which is made with its folder on first use."""
    return SqliteMetadataStore(SqliteDatabase(sqlite_rules.file_of(place)))  # whatever the current folder


class SqlMetadataStore(MetadataStore):
    """A metadata store in a database. It connects on first use, and anew in a forked child.

    Writing is idempotent: a row whose key is there already is replaced, so a batch may be written again when nobody
    knows whether it arrived. Not-a-number is kept as NULL.
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
        to = self._writers
        self._database.write(
            (
                (to.new_run, [run]),
                (to.steps, steps),
                (to.params, params),
                (to.code, code),
                (to.environments, [environment] if environment else []),
            ),
            changed={run.id, *(one.run for one in steps), *(one.run for one in params)},
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
            ),
            changed=_runs_of(batch),
        )

    @cached_property
    def _writers(self) -> _Writers:
        return _Writers(self._database)

    def find_cached(self, cache_key: str) -> list[CachedStep]:
        """The succeeded step runs with this cache key, newest first, with their outputs and metrics (at most 8)."""
        found, measured = self._database.query_two(
            StatementName.FIND_CACHED, StatementName.FIND_CACHED_METRICS, cache_key=cache_key
        )
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
        rows = self._database.rows(StatementName.PREVIOUS_STEP, pipeline=pipeline, before=before, step=step)
        return _step_record(rows[0]) if rows else None

    def run(self, run_id: str) -> RunRecord | None:
        """One run with its plan."""
        rows = self._database.rows(StatementName.RUN, id=run_id)
        return _run_record(rows[0]) if rows else None

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs without their plans, newest first."""
        values: dict[str, Any] = {
            "before": AFTER_ALL if query.before is None else query.before,
            "kind": "" if query.kind is None else query.kind,
            "limit": ALL if query.limit is None else query.limit,
        }
        states = [state.value for state in query.states] or [*RUN_STATES]
        if query.pipeline is None:
            found = self._database.rows_of_all(StatementName.RUNS, "states", states, **values)
        else:
            found = self._database.rows_of_all(
                StatementName.RUNS_OF_PIPELINE, "states", states, pipeline=query.pipeline, **values
            )
        return [_run_record(row) for row in found]

    def find_run_ids(self, part: str, *, limit: int = 5) -> list[str]:
        """Ids of runs that begin or end with ``part``, newest first."""
        itself = re.sub(r"[/%_]", rf"{ESCAPE}\g<0>", part)
        rows = self._database.rows(StatementName.FIND_RUN_IDS, begins=f"{itself}%", ends=f"%{itself}", limit=limit)
        return [row[0] for row in rows]

    def steps(self, run_ids: Sequence[str]) -> list[StepRecord]:
        """The steps of some runs, by run and position."""
        return [_step_record(row) for row in self._of_runs(StatementName.STEPS, run_ids)]

    def outputs(self, run_ids: Sequence[str], step: str | None = None) -> list[OutputRecord]:
        """The outputs of some runs, by run, step and name, with address and size of their artifacts."""
        if step is None:
            found = self._of_runs(StatementName.OUTPUTS, run_ids)
        else:
            found = self._of_runs(StatementName.OUTPUTS_OF_STEP, run_ids, step=step)
        return [OutputRecord(*row) for row in found]

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
            found = self._database.rows(StatementName.LOGS, run=run_id)
        else:
            found = self._database.rows(StatementName.LOGS_OF_STEP, run=run_id, step=step)
        return [LogRecord(*row) for row in found]

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
        """Forget runs with all that only they have, each wholly or not at all."""
        parts = [self._database.prepared(one) for one in DELETE_RUN_STATEMENTS]
        for run_id in run_ids:
            self._database.write([(Writer(one.sql, lambda run: (run,)), [run_id]) for one in parts], gone=[run_id])

    def changes(self, since: int) -> Changes:
        """Which runs were written or deleted after a revision."""
        clock, rows = self._database.query_two(StatementName.CLOCK, StatementName.CHANGES, since=since)
        changed = tuple(Change(run, revision, bool(gone)) for run, revision, gone in rows)
        store, revision = clock[0]
        return Changes(
            store, max(revision, changed[-1].revision if changed else 0), changed
        )  # the clock was read first

    def put_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Put tags, notes and stars on runs."""
        self._database.write(
            [(self._database.writer(StatementName.PUT_MARK), marks)], changed={one.run for one in marks}
        )

    def drop_marks(self, marks: Sequence[MarkRecord]) -> None:
        """Take tags, notes and stars off runs."""
        self._database.write(
            [(self._database.writer(StatementName.DROP_MARK), marks)], changed={one.run for one in marks}
        )

    def marks(self, run_ids: Sequence[str]) -> list[MarkRecord]:
        """The tags, notes and stars of some runs."""
        return [MarkRecord(*row) for row in self._of_runs(StatementName.MARKS, run_ids)]

    def rows(self, record: type[Any], run_ids: Sequence[str]) -> list[Row]:
        """What some runs have of one kind of record, as the database gives it: not-a-number is None."""
        return list(self._of_runs(ROWS[record], run_ids))

    def unreferenced(self, *, before: float) -> list[ArtifactRecord]:
        """The artifacts stored before a time that no run made or read."""
        used = {tuple(row) for row in self._database.rows(StatementName.REFERENCED)}
        known = (ArtifactRecord(*row) for row in self._database.rows(StatementName.ARTIFACTS, before=before))
        return [one for one in known if (one.digest, one.format) not in used]

    def forget_artifacts(self, artifacts: Sequence[ArtifactRecord]) -> list[ArtifactRecord]:
        """Remove the rows of those that still nobody refers to, and give these."""
        self._database.write([(self._database.writer(StatementName.FORGET_ARTIFACT), artifacts)])
        return [one for one in artifacts if self.address_of(one.digest, one.format) is None]

    def describe(self) -> str:
        """Kind, place and schema revision."""
        return self._database.describe()

    def close(self) -> None:
        """Let go of this process's connections; the store opens again when it is used again."""
        self._database.close()

    def _of_runs(self, question: StatementName, run_ids: Sequence[str], **values: Any) -> Iterator[Row]:
        ids = sorted(set(run_ids))
        for start in range(0, len(ids), MOST_IDS):
            yield from self._database.rows_of_all(question, "runs", ids[start : start + MOST_IDS], **values)


class SqliteMetadataStore(SqlMetadataStore):
    """One in a file."""

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
    return {one.id for one in batch.runs}.union(*({one.run for one in some} for some in of_run))


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
