"""The views that users ask: which there are, what their columns mean, and the SQL that makes them."""

# ruff: noqa: S608  # names are quoted

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenbook.engine.run_context import HIDDEN
from zenbook.history.sql.mirror.mirror_schema import literal, quoted
from zenbook.history.sql.mirror.typed_values import TYPES, Kind
from zenbook.history.sql.mirror.wide_runs import METRICS, PARAMS, Name

if TYPE_CHECKING:
    import duckdb

_NUMBERS = (Kind.INT, Kind.HUGE, Kind.FLOAT)
_SHOWN = f"NOT IN ({', '.join(literal(one) for one in sorted(HIDDEN))})"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view: its name, SQL type, meaning with its unit, and how it is made."""

    name: str
    type: str
    about: str
    made: str


@dataclass(frozen=True, slots=True)
class View:
    """One view: a row for what, and its columns."""

    name: str
    about: str
    table: str
    columns: tuple[Column, ...]
    where: str = ""


def _same(name: str, kind: str, about: str, *, of: str = "") -> Column:
    return Column(name, kind, about, quoted(of or name))


def _time(name: str, about: str) -> Column:
    return Column(name, "TIMESTAMP WITH TIME ZONE", about, f"to_timestamp({quoted(name)})")


_SPAN = Column("seconds", "DOUBLE", "how long it took, in seconds", "ended_at - started_at")
_RUN, _STEP = _same("run", "VARCHAR", "id of the run"), _same("step", "VARCHAR", "name of the step")
_DIGEST = _same("digest", "VARCHAR", "blake3 of the stored bytes, 64 hex digits")

RUNS = View(
    "runs",
    "one row a run",
    "runs",
    (
        _same("id", "VARCHAR", "id of the run; sorts by time"),
        _same("pipeline", "VARCHAR", "name of the pipeline"),
        _same("kind", "VARCHAR", "'pipeline', or 'cell' for a step cell that was run on its own"),
        _same("state", "VARCHAR", "pending, running, succeeded, failed, cancelled or crashed"),
        _time("created_at", "when it was made"),
        _time("started_at", "when it began"),
        _time("ended_at", "when it ended; NULL while it goes on"),
        _SPAN,
        _same("stack", "VARCHAR", "name of the stack"),
        _same("orchestrator", "VARCHAR", "flavour of the orchestrator"),
        _same("host", "VARCHAR", "machine that drove it"),
        _same("user", "VARCHAR", "who started it"),
        _same("python", "VARCHAR", "version of Python"),
        _same("git_commit", "VARCHAR", "commit of the working copy; NULL outside of one"),
        _same("git_branch", "VARCHAR", "its branch"),
        _same("git_dirty", "BOOLEAN", "whether tracked files were changed"),
        _same("error", "VARCHAR", "the error that ended it, in one line"),
        _same("starred", "BOOLEAN", "whether it has a star"),
        _same("tags", "VARCHAR[]", "its tags, sorted"),
        _same("note", "VARCHAR", "its note"),
    ),
)

STEPS = View(
    "steps",
    "one row a step of a run",
    "steps",
    (
        _RUN,
        _same("step", "VARCHAR", "name of the step", of="name"),
        _same("position", "BIGINT", "place in the plan, from 0"),
        _same("state", "VARCHAR", "pending, running, succeeded, cached, failed, skipped, cancelled or crashed"),
        _same("attempt", "BIGINT", "how often it was tried"),
        _time("started_at", "when the last attempt began"),
        _time("ended_at", "when it ended"),
        _SPAN,
        _same("why", "VARCHAR", "why it ran or was served from the cache"),
        _same("cached_from", "VARCHAR", "id of the run whose outputs it was served; '' if it ran"),
        _same("error", "VARCHAR", "the error that ended it, in one line"),
        _same("traceback", "VARCHAR", "the traceback of its error"),
        Column("notes", "VARCHAR[]", "warnings", "from_json(notes, '[\"VARCHAR\"]')"),
        _same("fingerprint", "VARCHAR", "digest of what it runs"),
        _same("cache_key", "VARCHAR", "digest of fingerprint, parameters and inputs"),
    ),
)

PARAMS_VIEW = View(
    "params",
    "one row a parameter of a run (step '') or of a step",
    "params",
    (
        _RUN,
        _same("step", "VARCHAR", "name of the step; '' for a parameter of the pipeline"),
        _same("name", "VARCHAR", "name of the parameter"),
        Column(
            "number",
            "DOUBLE",
            "its value if that is a number; NULL for not-a-number",
            "nullif(coalesce(TRY_CAST(value AS DOUBLE), "
            "TRY_CAST(json_extract_string(value, '$.\"$float\"') AS DOUBLE)), 'nan'::DOUBLE)",
        ),
        Column(
            "text",
            "VARCHAR",
            "its value as text",
            "CASE WHEN value[1] = '\"' THEN json_extract_string(value, '$') ELSE value END",
        ),
        _same("json", "VARCHAR", "its value as it was recorded: exact JSON", of="value"),
        _same("content", "VARCHAR", "blake3 of the file or folder that it names, 64 hex digits; '' of other values"),
    ),
)

METRICS_VIEW = View(
    "metrics",
    "one row a logged value: curves too",
    "metrics",
    (
        _RUN,
        _STEP,
        _same("name", "VARCHAR", "name of the metric"),
        _same("n", "BIGINT", "0, 1, 2, … in the order in which a step logged this metric"),
        _same("index", "BIGINT", "training step or epoch, if it was given"),
        _same("value", "DOUBLE", "NULL for not-a-number"),
        _time("at", "when it was logged"),
    ),
)

ARTIFACTS = View(
    "artifacts",
    "one row an output of a step",
    "outputs",
    (
        _RUN,
        _STEP,
        _same("output", "VARCHAR", "name of the output", of="name"),
        _same("type", "VARCHAR", "class of the value: pandas.DataFrame"),
        _same("format", "VARCHAR", "how it is stored"),
        _same("size", "BIGINT", "bytes that are stored"),
        _DIGEST,
        _same("member", "VARCHAR", "which object it is of several that are stored together; '' if it is alone"),
        _same("address", "VARCHAR", "where it is in the artifact store"),
        _same("preview", "VARCHAR", "JSON: shape, columns, the value of a scalar"),
        _same("note", "VARCHAR", "a warning about how it is stored"),
    ),
    where=f"WHERE name {_SHOWN}",
)

EDGES = View(
    "edges",
    "one row an input of a step: the lineage",
    "inputs",
    (
        _RUN,
        _STEP,
        _same("input", "VARCHAR", "name of the input", of="name"),
        _same("source_step", "VARCHAR", "step of the same run that made it; '' if it was passed to the pipeline"),
        _same("source_output", "VARCHAR", "output of that step, or name of what was passed"),
        _same("format", "VARCHAR", "how it is stored"),
        _DIGEST,
    ),
    where=f"WHERE name {_SHOWN}",
)

LOGS = View(
    "logs",
    "one row a piece of what a step printed or logged",
    "logs",
    (
        _RUN,
        _STEP,
        _same("n", "BIGINT", "0, 1, 2, … in the order of the step"),
        _time("at", "when"),
        _same("stream", "VARCHAR", "stdout, stderr or log"),
        _same("text", "VARCHAR", "what"),
    ),
)

CODE = View(
    "code",
    "one row a step of a run: the source that ran",
    "steps",
    (
        _RUN,
        _same("step", "VARCHAR", "name of the step", of="name"),
        _same("digest", "VARCHAR", "digest of its capsule", of="capsule"),
        _same("source", "VARCHAR", "the source with its helpers"),
    ),
)

VIEWS = (RUNS, STEPS, PARAMS_VIEW, METRICS_VIEW, ARTIFACTS, EDGES, CODE, LOGS)

FUNCTIONS = {
    "artifact": "artifact(run, step, output): a stored frame, table or array; run is an id, a pipeline or 'latest'",
    "artifacts_of": "artifacts_of(pipeline, step, output): the same of all its runs that succeeded, with a column run",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the views are made of: a base, runs of which it is out of date, newer rows. What is empty is left out.

    A union costs milliseconds of planning, and DuckDB doesn't look into it for what the answer needs.
    """

    base: bool
    touched: bool
    news: bool


def define_views(
    connection: duckdb.DuckDBPyConnection, places: Mapping[Name, str], parts: Parts
) -> dict[str, dict[str, str]]:
    """Make the views anew; gives the fields of ``params`` and ``metrics`` by their own names."""
    fields = {
        section: field_names(one.name for one in places if one.section == section) for section in (PARAMS, METRICS)
    }
    for view in VIEWS:
        made = [f"{one.made} AS {quoted(one.name)}" for one in view.columns]
        source = _rows(view.table, parts)
        if view is RUNS:
            made += [f"{_struct(section, places, fields[section])} AS {section}" for section in (PARAMS, METRICS)]
        if view is CODE:
            source += f" AS s JOIN {_rows('code', parts)} AS c ON s.capsule = c.digest"
        connection.execute(
            f"CREATE OR REPLACE VIEW memory.main.{view.name} AS SELECT {', '.join(made)} FROM {source} {view.where}"
        )
    return fields


def _rows(table: str, parts: Parts) -> str:
    """The base's rows of runs that are not out of date, and the newer ones."""
    if not parts.base:
        return f"memory.news.{table}"
    if table == "code" or not parts.touched:  # sources belong to no run
        base = f"base.main.{table}"
    else:
        run = "id" if table == "runs" else "run"
        base = f"(SELECT b.* FROM base.main.{table} AS b ANTI JOIN memory.news.touched AS t ON b.{run} = t.run)"
    if not parts.news:
        return base
    return f"(FROM {base} UNION ALL BY NAME FROM memory.news.{table})"


def field_names(names: Iterable[str]) -> dict[str, str]:
    """Each name's field: the name itself, with a number where names differ by case only, which SQL doesn't see."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    unique = sorted(set(names), key=lambda name: (name != name.lower(), name))
    for name in unique:
        wanted = made = name.replace("\0", "\\0") or "_"
        number = 1
        while made.lower() in taken or (number > 1 and made in unique):
            number += 1
            made = f"{wanted}_{number}"
        taken.add(made.lower())
        found[name] = made
    return found


def _struct(section: str, places: Mapping[Name, str], fields: Mapping[str, str]) -> str:
    kinds: dict[str, dict[Kind, str]] = {}
    for one, place in places.items():
        if one.section == section:
            kinds.setdefault(one.name, {})[one.kind] = place
    if not kinds:
        return 'NULL::STRUCT("(none)" INTEGER)'
    parts = [f"{quoted(fields[name])} := {_value(kinds[name])}" for name in sorted(kinds)]
    return f"struct_pack({', '.join(parts)})"


def _value(kinds: Mapping[Kind, str]) -> str:
    """One value of the type that all its kinds fit: the numbers' widest, else text."""
    own = {kind: place for kind, place in kinds.items() if kind is not Kind.NONE}
    if not own:
        return "NULL::VARCHAR"
    if len(own) == 1:
        kind, place = next(iter(own.items()))
        return f"{place}::JSON" if kind is Kind.JSON else place
    wanted = "VARCHAR"
    if all(kind in _NUMBERS for kind in own):
        wanted = TYPES[next(one for one in reversed(_NUMBERS) if one in own)]
    return f"coalesce({', '.join(f'{own[kind]}::{wanted}' for kind in Kind if kind in own)})"
