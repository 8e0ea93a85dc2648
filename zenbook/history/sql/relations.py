"""Stored frames, tables and arrays as relations of a query: read where they lie, column by column."""

# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zenbook.core.states import RunState
from zenbook.engine.artifact_io import Reader, verify
from zenbook.engine.run_context import as_stored
from zenbook.errors import ArtifactError, QueryError, RunError, did_you_mean
from zenbook.formats import MappedFile
from zenbook.formats.arrays import map_array
from zenbook.history.references import run_id_of
from zenbook.history.sql.mirror.mirror_schema import literal, quoted
from zenbook.history.sql.mirror.views import FUNCTIONS, field_names
from zenbook.history.sql.query_text import closing_parenthesis
from zenbook.history.step_runs import steps_of
from zenbook.stack.records import OutputRecord, RunQuery
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    import duckdb

Parameters = Mapping[str, Any] | Sequence[Any]
_MAPPED = frozenset({"pandas", "pandas-series", "arrow", "arrow-batch", "polars", "polars-series"})
_CALL = re.compile(r"\bartifacts?(_of)?\s*\(", re.IGNORECASE)
_BATCH = 122_880  # rows of an array that DuckDB gets at once


@dataclass(frozen=True, slots=True)
class Call:
    """``artifact(…)`` or ``artifacts_of(…)`` in a query: where it is, and its arguments."""

    function: str
    start: int
    end: int
    arguments: tuple[str, ...]
    used: tuple[str, ...]  # parameters of the query that were arguments


def with_relations(
    cursor: duckdb.DuckDBPyConnection, query: str, parameters: Parameters, stack: OpenStack
) -> tuple[str, Parameters]:
    """The query with each call replaced by the name of a relation that the cursor now knows.

    A name has as many characters as the call, so that errors still point at the right place. Raises `QueryError`,
    `RunError` or `ArtifactError` for what is not there or no table.
    """
    calls = _calls(cursor, query, parameters) if _CALL.search(query) else []
    used: set[str] = set()
    for number, call in enumerate(calls):
        records = _records(call, stack)
        name = f"@{number}"
        _define(cursor, name, records, stack, several=call.function == "artifacts_of")
        query = query[: call.start] + quoted(name).ljust(call.end - call.start) + query[call.end :]
        used.update(call.used)
    return query, _without(parameters, used) if used else parameters


# --- finding the calls ------------------------------------------------------------------------------------------------


def _calls(cursor: duckdb.DuckDBPyConnection, query: str, parameters: Parameters) -> list[Call]:
    """By DuckDB's own parser, so that what stands in a text or a comment is none."""
    ((tree,),) = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    found = [_call(query, one, parameters) for one in _functions(json.loads(tree))]
    return sorted(found, key=lambda one: one.start)


def _functions(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if tree.get("type") == "TABLE_FUNCTION" and tree["function"]["function_name"].lower() in FUNCTIONS:
            yield tree
        tree = [*tree.values()]
    if isinstance(tree, list):
        for one in tree:
            yield from _functions(one)


def _call(query: str, node: dict[str, Any], parameters: Parameters) -> Call:
    function = node["function"]["function_name"].lower()
    start = len(query.encode()[: node["query_location"]].decode("utf-8", "ignore"))
    end = closing_parenthesis(query, start) + 1
    arguments, used = [], []
    for one in node["function"].get("arguments") or ():
        expression = one["expression"]
        if one.get("name") or expression["class"] not in ("CONSTANT", "PARAMETER"):
            raise QueryError(f"{function} takes three texts.", f"{FUNCTIONS[function]}.")
        if expression["class"] == "CONSTANT":
            arguments.append(str(expression["literal"].get("text", "")))
        else:
            used.append(expression["identifier"])
            arguments.append(str(_parameter(parameters, expression["identifier"])))
    if len(arguments) != 3:
        raise QueryError(f"{function} takes three texts and not {len(arguments)}.", f"{FUNCTIONS[function]}.")
    return Call(function, start, end, tuple(arguments), tuple(used))


def _parameter(parameters: Parameters, name: str) -> Any:
    try:
        if isinstance(parameters, Mapping):
            return parameters[name]
        return parameters[int(name) - 1]
    except (KeyError, IndexError, ValueError):
        raise QueryError(f"The parameter ${name} of the query has no value.", "Give it with the query.") from None


def _without(parameters: Parameters, used: set[str]) -> Parameters:
    if isinstance(parameters, Mapping):
        return {name: value for name, value in parameters.items() if name not in used}
    return [value for place, value in enumerate(parameters, start=1) if str(place) not in used]


# --- finding the artifacts --------------------------------------------------------------------------------------------


def _records(call: Call, stack: OpenStack) -> list[OutputRecord]:
    which, step, output = call.arguments
    metadata = stack.metadata
    if call.function == "artifact":
        run = metadata.run(run_id_of(metadata, which))
        if run is None:
            raise RunError(f"Run {which!r} was deleted just now.", "See `zen runs`.")
        return [steps_of(stack, run)[step].outputs[output].record]
    runs = [one.id for one in metadata.runs(RunQuery(which, (RunState.SUCCEEDED,), None, kind="pipeline"))]
    found = [one for one in metadata.outputs(runs, step) if one.name == output]
    if not found:
        known = {f"{one.step}.{one.name}" for one in metadata.outputs(runs[:20])}
        raise QueryError(
            f"No run of {which!r} that succeeded has an output {step}.{output}.",
            did_you_mean(f"{step}.{output}", known, noun="output") if runs else "See `zen runs --state succeeded`.",
        )
    return found


def _define(
    cursor: duckdb.DuckDBPyConnection, name: str, records: Sequence[OutputRecord], stack: OpenStack, *, several: bool
) -> None:
    parts: dict[tuple[str, str, str], str] = {}
    stack.artifacts.fetch([one.address for one in records])
    for one in records:
        key = (one.digest, one.format, one.member)
        if key not in parts:
            parts[key] = _registered(cursor, f"{name}.{len(parts)}", one, stack)
    if several:
        selects = [
            f"SELECT {literal(one.run)} AS run, * FROM ({parts[one.digest, one.format, one.member]})" for one in records
        ]
        body = " UNION ALL BY NAME ".join(selects)
    else:
        body = next(iter(parts.values()))
    cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS {body}")


def _registered(cursor: duckdb.DuckDBPyConnection, name: str, record: OutputRecord, stack: OpenStack) -> str:
    """Let the cursor know an artifact's data; gives the SELECT that reads it."""
    data = _data(record, stack)
    width = getattr(data.schema.field(0).type, "list_size", None) if data.schema.names == [_MATRIX] else None
    cursor.register(name, data)
    if width is None:
        return f"SELECT * FROM {quoted(name)}"
    columns = ", ".join(f"{_MATRIX}[{place + 1}] AS c{place}" for place in range(width))
    return f"SELECT {columns} FROM {quoted(name)}"


# --- reading ----------------------------------------------------------------------------------------------------------

_MATRIX = "matrix"  # the only column of what was a two-dimensional array: its rows


def _data(record: OutputRecord, stack: OpenStack) -> Any:
    stored = as_stored(record)
    if record.member or record.format not in (*_MAPPED, "numpy"):
        value = Reader(stack.artifacts, stack.metadata).read(stored)
        return _as_table(value, record)
    path = stack.artifacts.local_path(record.address)
    verify(path, stored)
    if record.format == "numpy":
        return _array(map_array(MappedFile(path)), record)
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            return _named(reader.read_all())
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(
            f"{path} is no readable Arrow file: {error}.", "`zen doctor` looks at the store."
        ) from error


def _as_table(value: Any, record: OutputRecord) -> Any:
    """What was stored in another way (a frame that shares objects, or one of objects), loaded."""
    import pyarrow as pa

    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    try:
        if kind == "numpy.ndarray":
            return _array(value, record)
        if kind == "pandas.Series":
            value, kind = value.to_frame("value" if value.name is None else str(value.name)), "pandas.DataFrame"
        if kind == "pandas.DataFrame":
            return _named(pa.Table.from_pandas(value))
        if kind == "polars.DataFrame":
            return _named(value.to_arrow())
        if kind in ("pyarrow.Table", "pyarrow.RecordBatch"):
            return _named(pa.table(value))
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return _named(pa.Table.from_pylist(value))
        if isinstance(value, dict) and value and all(isinstance(one, list) for one in value.values()):
            return _named(pa.table(value))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise QueryError(f"{_told(record)} can't be read as a table: {error}.", "Store columns of one type.") from error
    raise QueryError(
        f"{_told(record)} is no table but {record.type or kind}.",
        "Frames, Arrow tables, arrays, lists of dicts and dicts of lists are.",
    )


def _array(array: Any, record: OutputRecord) -> Any:
    """An array over its own memory: a column `value`, of a structured one its fields, of two dimensions its columns."""
    import numpy as np
    import pyarrow as pa

    try:
        if array.dtype.names is not None and array.ndim == 1:
            return _named(pa.table({name: pa.array(array[name]) for name in array.dtype.names}))
        if array.ndim <= 1:
            return pa.table({"value": pa.array(np.atleast_1d(array))})
        flat = array.reshape(len(array), -1)
        if not flat.flags.c_contiguous:
            return pa.table(
                {f"c{place}": pa.array(np.ascontiguousarray(flat[:, place])) for place in range(flat.shape[1])}
            )
        whole = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
        return pa.table({_MATRIX: whole})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise QueryError(
            f"{_told(record)} can't be read as a table: {error}.", "Arrays of numbers and texts can."
        ) from error


def _named(table: Any) -> Any:
    """With names that SQL can tell apart."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for name in table.schema.names:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    fields = field_names(names)
    return table.rename_columns([fields[name] for name in names])


def _told(record: OutputRecord) -> str:
    return f"The output {record.step}.{record.name} of run {record.run}"
