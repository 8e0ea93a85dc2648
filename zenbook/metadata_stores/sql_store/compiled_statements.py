"""The SQL statements of a store by name, as its database takes them: text, and the order of the arguments.

SQLite's are compiled when zenbook is built and stored in ``sqlite_statements.json``: importing SQLAlchemy costs each
new process 0.25 s. `zenbook.metadata_stores.sql_store.statements` writes that file.
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
    """Every query of the store, and every statement that writes."""

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
class PreparedStatement:
    """A statement in the database's own SQL.

    A parameter that stands for a list of values (of an ``IN``) is in the text as SQLAlchemy leaves it:
    ``__[POSTCOMPILE_x]``.
    """

    sql: str
    names: tuple[str, ...]  # of the parameters, in their order
    constants: Mapping[str, Any]  # values that the statement itself has
    placeholder: str = "?"  # of a parameter

    def arguments(self, **values: Any) -> tuple[Any, ...]:
        """Sort the parameters' values.

        Args:
            **values: By name.

        Returns:
            The values in the order of the parameters.
        """
        known = {**self.constants, **values}
        return tuple(known[name] for name in self.names)

    def with_list(self, name: str, items: tuple[Any, ...], **values: Any) -> tuple[str, tuple[Any, ...]]:
        """Fill in a parameter that is a list.

        Args:
            name: Of that parameter.
            items: Its values.
            **values: Those of the other parameters, by name.

        Returns:
            The text, with a placeholder for each item, and all values in their order.
        """
        at = self.names.index(name)
        arguments = self.arguments(**{name: None}, **values)
        sql = self.sql.replace(f"__[POSTCOMPILE_{name}]", ", ".join([self.placeholder] * len(items)))
        return sql, (*arguments[:at], *items, *arguments[at + 1 :])


@dataclass(frozen=True)
class CompiledStatements:
    """All statements that a store executes, and those that create its tables."""

    schema: tuple[str, ...]
    tables: tuple[str, ...]  # their names; the last one holds the schema's revision
    statements: Mapping[StatementName, PreparedStatement]

    def __getitem__(self, name: StatementName) -> PreparedStatement:
        return self.statements[name]

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it."""
        statements = {
            str(name): {
                "sql": statement.sql.split("\n"),
                "names": statement.names,
                "constants": statement.constants,
            }
            for name, statement in self.statements.items()
        }
        return {"tables": self.tables, "schema": [sql.split("\n") for sql in self.schema], "statements": statements}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CompiledStatements:
        """Read statements.

        Args:
            body: What `to_json` returned, also after a trip through a file.

        Returns:
            Equal statements.
        """
        statements = {
            StatementName(name): PreparedStatement(
                "\n".join(statement["sql"]), tuple(statement["names"]), statement["constants"]
            )
            for name, statement in body["statements"].items()
        }
        return cls(tuple("\n".join(lines) for lines in body["schema"]), tuple(body["tables"]), statements)


@cache
def for_sqlite() -> CompiledStatements:
    """The statements that zenbook ships for SQLite."""
    return CompiledStatements.from_json(json.loads(SHIPPED.read_text(encoding="utf-8")))
