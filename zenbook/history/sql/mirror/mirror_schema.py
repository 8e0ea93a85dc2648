"""The mirror's tables and their columns. The views that users see read these tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zenbook.stack.records import InputRecord, LogRecord, MetricRecord, OutputRecord, ParamRecord, StepRecord

VERSION = 2  # of these tables; a file of another version is built again. Import the module: tests change it


@dataclass(frozen=True, slots=True)
class ReplicatedTable:
    """A table whose rows are a record's fields, unchanged."""

    name: str
    record: type[Any]
    columns: tuple[tuple[str, str], ...]  # in the order of the record's fields


T, I, D = "VARCHAR", "BIGINT", "DOUBLE"  # noqa: E741

STEPS = ReplicatedTable(
    "steps",
    StepRecord,
    (
        *(("run", T), ("name", T), ("position", I), ("state", T), ("fingerprint", T), ("capsule", T)),
        *(("cache_key", T), ("attempt", I), ("started_at", D), ("ended_at", D), ("error", T), ("traceback", T)),
        *(("why", T), ("cached_from", T), ("random_in", T), ("notes", T)),
    ),
)
OUTPUTS = ReplicatedTable(
    "outputs",
    OutputRecord,
    (
        *(("run", T), ("step", T), ("name", T), ("digest", T), ("format", T), ("member", T), ("type", T)),
        *(("preview", T), ("note", T), ("address", T), ("size", I)),
    ),
)
INPUTS = ReplicatedTable(
    "inputs",
    InputRecord,
    (
        *(("run", T), ("step", T), ("name", T), ("source_step", T), ("source_output", T)),
        *(("digest", T), ("format", T), ("member", T)),
    ),
)
PARAMS = ReplicatedTable("params", ParamRecord, (("run", T), ("step", T), ("name", T), ("value", T), ("content", T)))
METRICS = ReplicatedTable(
    "metrics",
    MetricRecord,
    (("run", T), ("step", T), ("name", T), ("n", I), ("value", D), ("at", D), ("index", I)),
)
LOGS = ReplicatedTable("logs", LogRecord, (("run", T), ("step", T), ("n", I), ("at", D), ("stream", T), ("text", T)))

REPLICATED = (STEPS, OUTPUTS, INPUTS, PARAMS, METRICS, LOGS)

RUN_COLUMNS = (
    *(("id", T), ("pipeline", T), ("stack", T), ("state", T), ("created_at", D), ("started_at", D), ("ended_at", D)),
    *(("error", T), ("host", T), ("user", T), ("process", T), ("orchestrator", T)),
    *(("python", T), ("git_commit", T), ("git_branch", T), ("git_dirty", "BOOLEAN")),
    *(("kind", T), ("starred", "BOOLEAN"), ("tags", "VARCHAR[]"), ("note", T)),
)
OTHER_TABLES = {
    "facts": (("version", I), ("store", T), ("revision", I)),
    "revisions": (("run", T), ("revision", I)),
    "columns": (("section", T), ("name", T), ("kind", T), ("place", T)),
    "code": (("digest", T), ("source", T)),
}


def quoted(name: str) -> str:
    """Quote a name for SQL.

    Args:
        name: The name of a table, a column or a field.

    Returns:
        The name in double quotes.
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL.

    Args:
        text: Any text.

    Returns:
        The text as a string literal.
    """
    return "'" + text.replace("'", "''") + "'"


def ddl(columns: tuple[tuple[str, str], ...]) -> str:
    """Write the column list of CREATE TABLE.

    Args:
        columns: Pairs of a name and an SQL type.

    Returns:
        The list without parentheses.
    """
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
