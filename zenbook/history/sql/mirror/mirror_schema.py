"""The mirror's tables: what is copied, and in which columns. The views that users see are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zenbook.stack.records import InputRecord, LogRecord, MetricRecord, OutputRecord, ParamRecord, StepRecord

VERSION = 2  # of these tables; a mirror of another version is made anew


@dataclass(frozen=True, slots=True)
class Copied:
    """A table whose rows are a record's fields as they are."""

    name: str
    record: type[Any]
    columns: tuple[tuple[str, str], ...]  # in the order of the record's fields


T, I, D = "VARCHAR", "BIGINT", "DOUBLE"  # noqa: E741

STEPS = Copied(
    "steps",
    StepRecord,
    (
        *(("run", T), ("name", T), ("position", I), ("state", T), ("fingerprint", T), ("capsule", T)),
        *(("cache_key", T), ("attempt", I), ("started_at", D), ("ended_at", D), ("error", T), ("traceback", T)),
        *(("why", T), ("cached_from", T), ("random_in", T), ("notes", T)),
    ),
)
OUTPUTS = Copied(
    "outputs",
    OutputRecord,
    (
        *(("run", T), ("step", T), ("name", T), ("digest", T), ("format", T), ("member", T), ("type", T)),
        *(("preview", T), ("note", T), ("address", T), ("size", I)),
    ),
)
INPUTS = Copied(
    "inputs",
    InputRecord,
    (
        *(("run", T), ("step", T), ("name", T), ("source_step", T), ("source_output", T)),
        *(("digest", T), ("format", T), ("member", T)),
    ),
)
PARAMS = Copied("params", ParamRecord, (("run", T), ("step", T), ("name", T), ("value", T), ("content", T)))
METRICS = Copied(
    "metrics",
    MetricRecord,
    (("run", T), ("step", T), ("name", T), ("n", I), ("value", D), ("at", D), ("index", I)),
)
LOGS = Copied("logs", LogRecord, (("run", T), ("step", T), ("n", I), ("at", D), ("stream", T), ("text", T)))

REPLICATED = (STEPS, OUTPUTS, INPUTS, PARAMS, METRICS, LOGS)

RUN_COLUMNS = (
    *(("id", T), ("pipeline", T), ("stack", T), ("state", T), ("created_at", D), ("started_at", D), ("ended_at", D)),
    *(("error", T), ("host", T), ("user", T), ("process", T), ("orchestrator", T)),
    *(("python", T), ("git_commit", T), ("git_branch", T), ("git_dirty", "BOOLEAN")),
    *(("kind", T), ("starred", "BOOLEAN"), ("tags", "VARCHAR[]"), ("note", T)),
)
OTHERS = {
    "facts": (("version", I), ("store", T), ("revision", I)),
    "revisions": (("run", T), ("revision", I)),
    "columns": (("section", T), ("name", T), ("kind", T), ("place", T)),
    "code": (("digest", T), ("source", T)),
}


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


def ddl(columns: tuple[tuple[str, str], ...]) -> str:
    """The columns of CREATE TABLE."""
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
