"""The views that users query: their names, the meaning of their columns, and the SQL that defines them."""

# ruff: noqa: S608  # names are quoted

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenbook.engine.run_context import HIDDEN
from zenbook.history.sql.mirror.mirror_schema import literal, quoted
from zenbook.history.sql.mirror.typed_values import TYPES, Kind
from zenbook.history.sql.mirror.wide_runs import METRICS, PARAMS, ValueName

if TYPE_CHECKING:
    import duckdb

_NUMBERS = (Kind.INT, Kind.HUGE, Kind.FLOAT)
_VISIBLE = f"NOT IN ({', '.join(literal(name) for name in sorted(HIDDEN))})"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view."""

    name: str
    type: str  # in SQL
    about: str  # its meaning and unit
    sql: str  # the expression over the mirror's table


@dataclass(frozen=True, slots=True)
class View:
    """One view over one of the mirror's tables."""

    name: str
    about: str  # what one row is
    table: str
    columns: tuple[Column, ...]
    where: str = ""


def _column(name: str, kind: str, about: str, *, of: str = "") -> Column:
    return Column(name, kind, about, quoted(of or name))


def _time_column(name: str, about: str) -> Column:
    return Column(name, "TIMESTAMP WITH TIME ZONE", about, f"to_timestamp({quoted(name)})")


_SPAN = Column("seconds", "DOUBLE", "how long it took, in seconds", "ended_at - started_at")
_RUN, _STEP = _column("run", "VARCHAR", "id of the run"), _column("step", "VARCHAR", "name of the step")
_DIGEST = _column("digest", "VARCHAR", "blake3 of the stored bytes, 64 hex digits")

RUNS = View(
    "runs",
    "one row for each run",
    "runs",
    (
        _column("id", "VARCHAR", "id of the run; sorts by time"),
        _column("pipeline", "VARCHAR", "name of the pipeline"),
        _column("kind", "VARCHAR", "'pipeline', or 'cell' for a step cell that was run on its own"),
        _column("state", "VARCHAR", "pending, running, succeeded, failed, cancelled or crashed"),
        _time_column("created_at", "when it was created"),
        _time_column("started_at", "when it started"),
        _time_column("ended_at", "when it ended; NULL while it is running"),
        _SPAN,
        _column("stack", "VARCHAR", "name of the stack"),
        _column("orchestrator", "VARCHAR", "flavour of the orchestrator"),
        _column("host", "VARCHAR", "machine that drove it"),
        _column("user", "VARCHAR", "who started it"),
        _column("python", "VARCHAR", "version of Python"),
        _column("git_commit", "VARCHAR", "commit of the working copy; NULL outside a working copy"),
        _column("git_branch", "VARCHAR", "its branch"),
        _column("git_dirty", "BOOLEAN", "whether tracked files were changed"),
        _column("error", "VARCHAR", "the error that ended it, in one line"),
        _column("starred", "BOOLEAN", "whether it has a star"),
        _column("tags", "VARCHAR[]", "its tags, sorted"),
        _column("note", "VARCHAR", "its note"),
    ),
)

STEPS = View(
    "steps",
    "one row for each step of a run",
    "steps",
    (
        _RUN,
        _column("step", "VARCHAR", "name of the step", of="name"),
        _column("position", "BIGINT", "position in the plan, from 0"),
        _column("state", "VARCHAR", "pending, running, succeeded, cached, failed, skipped, cancelled or crashed"),
        _column("attempt", "BIGINT", "number of attempts"),
        _time_column("started_at", "when the last attempt started"),
        _time_column("ended_at", "when it ended"),
        _SPAN,
        _column("why", "VARCHAR", "why it ran or was served from the cache"),
        _column("cached_from", "VARCHAR", "id of the run whose outputs were reused; '' if it ran"),
        _column("error", "VARCHAR", "the error that ended it, in one line"),
        _column("traceback", "VARCHAR", "the traceback of its error"),
        Column("notes", "VARCHAR[]", "warnings", "from_json(notes, '[\"VARCHAR\"]')"),
        _column("fingerprint", "VARCHAR", "digest of what it runs"),
        _column("cache_key", "VARCHAR", "digest of fingerprint, parameters and inputs"),
    ),
)

PARAMS_VIEW = View(
    "params",
    "one row for each parameter of a run (step '') or of a step",
    "params",
    (
        _RUN,
        _column("step", "VARCHAR", "name of the step; '' for a parameter of the pipeline"),
        _column("name", "VARCHAR", "name of the parameter"),
        Column(
            "number",
            "DOUBLE",
            "its value if it is a number; NULL for not-a-number",
            "nullif(coalesce(TRY_CAST(value AS DOUBLE), "
            "TRY_CAST(json_extract_string(value, '$.\"$float\"') AS DOUBLE)), 'nan'::DOUBLE)",
        ),
        Column(
            "text",
            "VARCHAR",
            "its value as text",
            "CASE WHEN value[1] = '\"' THEN json_extract_string(value, '$') ELSE value END",
        ),
        _column("json", "VARCHAR", "its value exactly as recorded, in JSON", of="value"),
        _column("content", "VARCHAR", "blake3 of the file or folder that it names, 64 hex digits; '' for other values"),
    ),
)

METRICS_VIEW = View(
    "metrics",
    "one row for each logged value, so curves too",
    "metrics",
    (
        _RUN,
        _STEP,
        _column("name", "VARCHAR", "name of the metric"),
        _column("n", "BIGINT", "0, 1, 2, … in the order in which a step logged this metric"),
        _column("index", "BIGINT", "training step or epoch, if one was logged"),
        _column("value", "DOUBLE", "NULL for not-a-number"),
        _time_column("at", "when it was logged"),
    ),
)

ARTIFACTS = View(
    "artifacts",
    "one row for each output of a step",
    "outputs",
    (
        _RUN,
        _STEP,
        _column("output", "VARCHAR", "name of the output", of="name"),
        _column("type", "VARCHAR", "class of the value: pandas.DataFrame"),
        _column("format", "VARCHAR", "how it is stored"),
        _column("size", "BIGINT", "stored bytes"),
        _DIGEST,
        _column("member", "VARCHAR", "which object it is, if several are stored together; else ''"),
        _column("address", "VARCHAR", "where it is in the artifact store"),
        _column("preview", "VARCHAR", "JSON: shape, columns, the value of a scalar"),
        _column("note", "VARCHAR", "a warning about how it is stored"),
    ),
    where=f"WHERE name {_VISIBLE}",
)

EDGES = View(
    "edges",
    "one row for each input of a step: the lineage",
    "inputs",
    (
        _RUN,
        _STEP,
        _column("input", "VARCHAR", "name of the input", of="name"),
        _column("source_step", "VARCHAR", "step of the same run that produced it; '' if it was passed to the pipeline"),
        _column("source_output", "VARCHAR", "output of that step, or name of the object that was passed"),
        _column("format", "VARCHAR", "how it is stored"),
        _DIGEST,
    ),
    where=f"WHERE name {_VISIBLE}",
)

LOGS = View(
    "logs",
    "one row for each piece of text that a step printed or logged",
    "logs",
    (
        _RUN,
        _STEP,
        _column("n", "BIGINT", "0, 1, 2, … in the order of the step"),
        _time_column("at", "when it was printed"),
        _column("stream", "VARCHAR", "stdout, stderr or log"),
        _column("text", "VARCHAR", "the text"),
    ),
)

CODE = View(
    "code",
    "one row for each step of a run: the source that ran",
    "steps",
    (
        _RUN,
        _column("step", "VARCHAR", "name of the step", of="name"),
        _column("digest", "VARCHAR", "digest of its capsule", of="capsule"),
        _column("source", "VARCHAR", "the source with its helpers"),
    ),
)

VIEWS = (RUNS, STEPS, PARAMS_VIEW, METRICS_VIEW, ARTIFACTS, EDGES, CODE, LOGS)

FUNCTIONS = {
    "artifact": "artifact(run, step, output): a stored frame, table or array; run is an id, a pipeline or 'latest'",
    "artifacts_of": "artifacts_of(pipeline, step, output): that of all runs that succeeded, with a column run",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """Which parts of a mirror the views read; empty parts are left out.

    A union costs milliseconds of planning, and DuckDB does not push all filters into it.
    """

    base: bool  # there is a file
    outdated: bool  # the base is out of date for some runs
    newer: bool  # memory holds newer rows


def define_views(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[ValueName, str], parts: Parts
) -> dict[str, dict[str, str]]:
    """Create the views, or replace them.

    Args:
        connection: The connection that holds the mirror's schemas.
        columns: The column of each parameter and metric in the table ``runs``.
        parts: The parts of the mirror that have rows.

    Returns:
        For ``params`` and ``metrics`` the field of each name.
    """
    fields = {
        section: field_names(name.name for name in columns if name.section == section) for section in (PARAMS, METRICS)
    }
    for view in VIEWS:
        selected = [f"{column.sql} AS {quoted(column.name)}" for column in view.columns]
        source = _rows(view.table, parts)
        if view is RUNS:
            selected += [f"{_struct(section, columns, fields[section])} AS {section}" for section in (PARAMS, METRICS)]
        if view is CODE:
            source += f" AS s JOIN {_rows('code', parts)} AS c ON s.capsule = c.digest"
        connection.execute(
            f"CREATE OR REPLACE VIEW memory.main.{view.name} AS SELECT {', '.join(selected)} FROM {source} {view.where}"
        )
    return fields


def _rows(table: str, parts: Parts) -> str:
    """The rows of a table: the base's for runs that are not out of date, and the newer ones."""
    if not parts.base:
        return f"memory.newer.{table}"
    if table == "code" or not parts.outdated:  # sources belong to no run
        base = f"base.main.{table}"
    else:
        run = "id" if table == "runs" else "run"
        base = f"(SELECT b.* FROM base.main.{table} AS b ANTI JOIN memory.newer.outdated AS t ON b.{run} = t.run)"
    if not parts.newer:
        return base
    return f"(FROM {base} UNION ALL BY NAME FROM memory.newer.{table})"


def field_names(names: Iterable[str]) -> dict[str, str]:
    """Choose a field for each name: the name, with a number added if it differs from another by case only.

    SQL ignores the case of names.

    Args:
        names: The names of parameters, metrics or columns; duplicates are ignored.

    Returns:
        The field of each name.
    """
    fields: dict[str, str] = {}
    taken: set[str] = set()
    unique = sorted(set(names), key=lambda name: (name != name.lower(), name))
    for name in unique:
        base = field = name.replace("\0", "\\0") or "_"
        number = 1
        while field.lower() in taken or (number > 1 and field in unique):
            number += 1
            field = f"{base}_{number}"
        taken.add(field.lower())
        fields[name] = field
    return fields


def _struct(section: str, columns: Mapping[ValueName, str], fields: Mapping[str, str]) -> str:
    kinds: dict[str, dict[Kind, str]] = {}
    for name, column in columns.items():
        if name.section == section:
            kinds.setdefault(name.name, {})[name.kind] = column
    if not kinds:
        return 'NULL::STRUCT("(none)" INTEGER)'
    parts = [f"{quoted(fields[field])} := {_value(kinds[field])}" for field in sorted(kinds)]
    return f"struct_pack({', '.join(parts)})"


def _value(kinds: Mapping[Kind, str]) -> str:
    """One value, of a type that all kinds fit: the widest type of numbers, else text."""
    own = {kind: column for kind, column in kinds.items() if kind is not Kind.NONE}
    if not own:
        return "NULL::VARCHAR"
    if len(own) == 1:
        kind, column = next(iter(own.items()))
        return f"{column}::JSON" if kind is Kind.JSON else column
    common = "VARCHAR"
    if all(kind in _NUMBERS for kind in own):
        common = TYPES[next(kind for kind in reversed(_NUMBERS) if kind in own)]
    return f"coalesce({', '.join(f'{own[kind]}::{common}' for kind in Kind if kind in own)})"
