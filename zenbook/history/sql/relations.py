"""Stored frames, tables and arrays as relations of a query: ``artifact(…)`` and ``artifacts_of(…)``."""

# ruff: noqa: S608  # names are quoted

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zenbook.core.states import RunState
from zenbook.errors import QueryError, RunError, did_you_mean
from zenbook.history.references import run_id_of
from zenbook.history.sql.arrow_tables import MATRIX, read_arrow_table
from zenbook.history.sql.mirror.mirror_schema import literal, quoted
from zenbook.history.sql.mirror.views import FUNCTIONS
from zenbook.history.sql.query_text import find_closing_parenthesis
from zenbook.history.step_runs import steps_of
from zenbook.stack.records import OutputRecord, RunQuery
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    import duckdb

Parameters = Mapping[str, Any] | Sequence[Any]
_CALL = re.compile(r"\bartifacts?(_of)?\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ``artifact(…)`` or ``artifacts_of(…)`` in a query."""

    function: str
    start: int  # position in the query
    end: int  # position after the closing parenthesis
    arguments: tuple[str, ...]
    used: tuple[str, ...]  # parameters of the query that are arguments of the call


def with_relations(
    cursor: duckdb.DuckDBPyConnection, query: str, parameters: Parameters, stack: OpenStack
) -> tuple[str, Parameters]:
    """Replace each call in a query by the name of a relation, and define these relations for a cursor.

    A name is as long as its call, so that errors still point at the right place. An output that is missing or is not a
    table raises `QueryError`, `RunError` or `ArtifactError`.

    Args:
        cursor: The cursor that will run the query.
        query: The query.
        parameters: The values of the query's parameters.
        stack: The stack whose stores hold the outputs.

    Returns:
        The new query, and the parameters that it still has.
    """
    calls = _find_calls(cursor, query, parameters) if _CALL.search(query) else []
    used: set[str] = set()
    for number, call in enumerate(calls):
        records = _records(call, stack)
        name = f"@{number}"
        _define_view(cursor, name, records, stack, several=call.function == "artifacts_of")
        query = query[: call.start] + quoted(name).ljust(call.end - call.start) + query[call.end :]
        used.update(call.used)
    return query, _without(parameters, used) if used else parameters


# --- finding the calls ------------------------------------------------------------------------------------------------


def _find_calls(cursor: duckdb.DuckDBPyConnection, query: str, parameters: Parameters) -> list[Call]:
    """Find the calls with DuckDB's own parser, which knows texts and comments."""
    ((tree,),) = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    calls = [_read_call(query, node, parameters) for node in _function_nodes(json.loads(tree))]
    return sorted(calls, key=lambda call: call.start)


def _function_nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if tree.get("type") == "TABLE_FUNCTION" and tree["function"]["function_name"].lower() in FUNCTIONS:
            yield tree
        tree = [*tree.values()]
    if isinstance(tree, list):
        for node in tree:
            yield from _function_nodes(node)


def _read_call(query: str, node: dict[str, Any], parameters: Parameters) -> Call:
    function = node["function"]["function_name"].lower()
    start = len(query.encode()[: node["query_location"]].decode("utf-8", "ignore"))
    end = find_closing_parenthesis(query, start) + 1
    arguments, used = [], []
    for argument in node["function"].get("arguments") or ():
        expression = argument["expression"]
        if argument.get("name") or expression["class"] not in ("CONSTANT", "PARAMETER"):
            raise QueryError(f"{function} takes three text arguments.", f"{FUNCTIONS[function]}.")
        if expression["class"] == "CONSTANT":
            arguments.append(str(expression["literal"].get("text", "")))
        else:
            used.append(expression["identifier"])
            arguments.append(str(_parameter(parameters, expression["identifier"])))
    if len(arguments) != 3:
        raise QueryError(f"{function} takes three text arguments, not {len(arguments)}.", f"{FUNCTIONS[function]}.")
    return Call(function, start, end, tuple(arguments), tuple(used))


def _parameter(parameters: Parameters, name: str) -> Any:
    try:
        if isinstance(parameters, Mapping):
            return parameters[name]
        return parameters[int(name) - 1]
    except (KeyError, IndexError, ValueError):
        raise QueryError(f"The parameter ${name} of the query has no value.", "Pass it with the query.") from None


def _without(parameters: Parameters, used: set[str]) -> Parameters:
    if isinstance(parameters, Mapping):
        return {name: value for name, value in parameters.items() if name not in used}
    return [value for place, value in enumerate(parameters, start=1) if str(place) not in used]


# --- finding the artifacts --------------------------------------------------------------------------------------------


def _records(call: Call, stack: OpenStack) -> list[OutputRecord]:
    reference, step, output = call.arguments
    metadata = stack.metadata
    if call.function == "artifact":
        run = metadata.run(run_id_of(metadata, reference))
        if run is None:
            raise RunError(f"Run {reference!r} was deleted just now.", "See `zen runs`.")
        return [steps_of(stack, run)[step].outputs[output].record]
    runs = [run.id for run in metadata.runs(RunQuery(reference, (RunState.SUCCEEDED,), None, kind="pipeline"))]
    records = [record for record in metadata.outputs(runs, step) if record.name == output]
    if not records:
        known = {f"{record.step}.{record.name}" for record in metadata.outputs(runs[:20])}
        raise QueryError(
            f"No run of {reference!r} that succeeded has an output {step}.{output}.",
            did_you_mean(f"{step}.{output}", known, noun="output") if runs else "See `zen runs --state succeeded`.",
        )
    return records


def _define_view(
    cursor: duckdb.DuckDBPyConnection, name: str, records: Sequence[OutputRecord], stack: OpenStack, *, several: bool
) -> None:
    parts: dict[tuple[str, str, str], str] = {}
    stack.artifacts.fetch([record.address for record in records])
    for record in records:
        key = (record.digest, record.format, record.member)
        if key not in parts:
            parts[key] = _register(cursor, f"{name}.{len(parts)}", record, stack)
    if several:
        selects = [
            f"SELECT {literal(record.run)} AS run, * FROM ({parts[record.digest, record.format, record.member]})"
            for record in records
        ]
        body = " UNION ALL BY NAME ".join(selects)
    else:
        body = next(iter(parts.values()))
    cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS {body}")


def _register(cursor: duckdb.DuckDBPyConnection, name: str, record: OutputRecord, stack: OpenStack) -> str:
    """Register an artifact's data with the cursor; gives the SELECT that reads it."""
    table = read_arrow_table(record, stack)
    width = getattr(table.schema.field(0).type, "list_size", None) if table.schema.names == [MATRIX] else None
    cursor.register(name, table)
    if width is None:
        return f"SELECT * FROM {quoted(name)}"
    columns = ", ".join(f"{MATRIX}[{place + 1}] AS c{place}" for place in range(width))
    return f"SELECT {columns} FROM {quoted(name)}"
