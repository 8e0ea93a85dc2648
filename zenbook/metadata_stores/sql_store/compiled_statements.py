"""The statements of a SQL store by name, as its database takes them: text, and the order of the arguments.

What SQLite takes is compiled when zenbook is built and lies in ``sqlite.json``: importing SQLAlchemy costs each new
process 0.25 s. `zenbook.metadata_stores.sql_store.statements` makes that file and is what it is made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

ESCAPE = "/"  # before a % or _ that means itself, in a pattern of LIKE
SHIPPED = Path(__file__).with_name("sqlite_statements.json")


class StatementName(StrEnum):
    """Every question that the store asks of its tables, and everything that it writes to them."""

    RUN = "run"
    RUNS = "runs"
    RUNS_OF_PIPELINE = "runs_of_pipeline"
    FIND_RUN_IDS = "find_run_ids"
    STEPS = "steps"
    PREVIOUS_STEP = "previous_step"
    OUTPUTS = "outputs"
    OUTPUTS_OF_STEP = "outputs_of_step"
    INPUTS = "inputs"
    PARAMS = "params"
    METRICS = "metrics"
    LOGS = "logs"
    LOGS_OF_STEP = "logs_of_step"
    CODE = "code"
    ENVIRONMENT = "environment"
    ADDRESS_OF = "address_of"
    FIND_CACHED = "find_cached"
    FIND_CACHED_METRICS = "find_cached_metrics"
    REFERENCED = "referenced"
    ARTIFACTS = "artifacts"
    REVISION = "revision"
    STAMP = "stamp"
    START_CLOCK = "start_clock"
    CLOCK = "clock"
    CHANGES = "changes"
    TICK = "tick"
    PUT_CHANGE = "put_change"
    MARK_GONE = "mark_gone"
    MARKS = "marks"
    RUN_ROWS = "run_rows"
    METRIC_ROWS = "metric_rows"
    LOG_ROWS = "log_rows"
    PUT_MARK = "put_mark"
    DROP_MARK = "drop_mark"
    PUT_RUN = "put_run"
    UPDATE_RUN = "update_run"
    PUT_STEP = "put_step"
    PUT_OUTPUT = "put_output"
    PUT_INPUT = "put_input"
    PUT_PARAM = "put_param"
    PUT_METRIC = "put_metric"
    PUT_LOG = "put_log"
    ADD_ARTIFACT = "add_artifact"
    ADD_CODE = "add_code"
    ADD_ENVIRONMENT = "add_environment"
    DELETE_RUN = "delete_run"
    DELETE_STEPS = "delete_steps"
    DELETE_OUTPUTS = "delete_outputs"
    DELETE_INPUTS = "delete_inputs"
    DELETE_PARAMS = "delete_params"
    DELETE_METRICS = "delete_metrics"
    DELETE_LOGS = "delete_logs"
    DELETE_MARKS = "delete_marks"
    FORGET_ARTIFACT = "forget_artifact"


@dataclass(frozen=True)
class Prepared:
    """A statement in the database's own SQL, the names of its parameters in their order, and values it has itself.

    One that stands for several values (of an ``IN``) is in the text as SQLAlchemy leaves it: ``__[POSTCOMPILE_x]``.
    """

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]
    mark: str = "?"  # where a parameter's value goes

    def arguments(self, **values: Any) -> tuple[Any, ...]:
        """The parameters' values in their order."""
        known = {**self.constants, **values}
        return tuple(known[name] for name in self.names)

    def with_all(self, name: str, several: tuple[Any, ...], **values: Any) -> tuple[str, tuple[Any, ...]]:
        """Text and values with one parameter as a list of values."""
        at = self.names.index(name)
        one_by_one = self.arguments(**{name: None}, **values)
        sql = self.sql.replace(f"__[POSTCOMPILE_{name}]", ", ".join([self.mark] * len(several)))
        return sql, (*one_by_one[:at], *several, *one_by_one[at + 1 :])


@dataclass(frozen=True)
class Compiled:
    """All that a database is asked or told, and the statements that make its tables."""

    schema: tuple[str, ...]
    tables: tuple[str, ...]  # their names; the last one holds the schema's revision
    statements: Mapping[StatementName, Prepared]

    def __getitem__(self, name: StatementName) -> Prepared:
        return self.statements[name]

    def to_json(self) -> dict[str, Any]:
        """As `of_json` takes it."""
        statements = {
            str(name): {"sql": one.sql.split("\n"), "names": one.names, "constants": one.constants}
            for name, one in self.statements.items()
        }
        return {"tables": self.tables, "schema": [one.split("\n") for one in self.schema], "statements": statements}

    @classmethod
    def of_json(cls, body: Mapping[str, Any]) -> Compiled:
        """Read what `to_json` gave."""
        statements = {
            StatementName(name): Prepared("\n".join(one["sql"]), tuple(one["names"]), one["constants"])
            for name, one in body["statements"].items()
        }
        return cls(tuple("\n".join(one) for one in body["schema"]), tuple(body["tables"]), statements)


@cache
def for_sqlite() -> Compiled:
    """What zenbook ships for SQLite."""
    return Compiled.of_json(json.loads(SHIPPED.read_text(encoding="utf-8")))
