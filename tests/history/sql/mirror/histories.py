"""Random histories of a metadata store, and what plain Python finds in one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from zenbook.core.capsule import Capsule, Module, Piece
from zenbook.core.plain_values import encode
from zenbook.core.states import RunState, StepState
from zenbook.engine.run_context import HIDDEN
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
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
    RunUpdate,
    StepRecord,
)

NAMES = ["lr", "LR", "a.b", "with space", 'quo"te', "größe", "select", "order by", "x'y", "", "%s", "🚀", "lr_2"]
STEPS = ["fit", "Fit", "évaluer"]
NUMBERS = [0, 1, -3, 2**40, 2**63, -(2**70), 0.5, -2.25, 1e-05, math.inf, -math.inf]
VALUES = [*NUMBERS, None, math.nan, True, False, "", "0.5", "größer 'x'", [1, 2], {"a": [None]}, b"\0\xff", (1, "x")]

Write = Callable[[MetadataStore], None]


def run_id(n: int) -> str:
    return f"20261123-000000-{n:06d}"


def _create(n: int, kind: str, state: RunState, params: Sequence[tuple[str, str, Any]], place: int) -> Write:
    where = _environment(place)
    run = RunRecord(
        *(run_id(n), f"p{n % 3}", "local", state, 1000.5 + n, 1001.0, None),
        host="elsewhere",
        kind=kind,
        environment=where.digest if where else "",
    )
    rows = [
        ParamRecord(run.id, step, name, json.dumps(encode(value)), "f" * 64 if value == "0.5" else "")
        for step, name, value in params
    ]
    unique = list({(row.step, row.name): row for row in rows}.values())
    code = CodeRecord(f"{place:064x}", json.dumps(_capsule(place).to_json()))
    steps = [
        StepRecord(run.id, "fit", 0, StepState.PENDING, "f", code.digest, notes=("größer",)),
        StepRecord(run.id, "évaluer", 1, StepState.SKIPPED, capsule="nowhere"),
    ]
    return lambda store: store.create_run(run, steps=steps, params=unique, code=[code], environment=where)


def _capsule(place: int) -> Capsule:
    return Capsule("__main__:fit", (Module("__main__", (Piece(f"def fit():\n    return '{place} größer'"),)),))


def _environment(place: int) -> EnvironmentRecord | None:
    """With and without git, or not recorded at all."""
    git = {"commit": f"c{place}", "branch": "main'", "dirty": place % 2 == 0} if place else None
    body = {"python": f"3.{place}", "packages": {}, "git": git}
    return EnvironmentRecord(f"e{place}".ljust(64, "0"), json.dumps(body)) if place < 3 else None


def _measure(n: int, values: Sequence[tuple[str, str, int, float, float]]) -> Write:
    rows = [MetricRecord(run_id(n), step, name, m, value, at) for step, name, m, value, at in values]
    return lambda store: store.write(Batch(metrics=list({(row.step, row.name, row.n): row for row in rows}.values())))


def _finish(n: int, state: RunState, text: str) -> Write:
    run, digest = run_id(n), "a" * 64
    batch = Batch(
        runs=[RunUpdate(run, state, 1001.0, 1003.5, text)],
        steps=[StepRecord(run, "fit", 0, StepState.SUCCEEDED, started_at=1.0, ended_at=3.0, why=text)],
        artifacts=[ArtifactRecord(digest, "json", "aa/a", 7, 1.0)],
        outputs=[
            OutputRecord(run, "fit", name, digest, "json", member=text, type="int", preview="{}")
            for name in ("model", *sorted(HIDDEN)[: len(text)])
        ],
        inputs=[
            InputRecord(run, "fit", "x", "", "x", digest, "json"),
            InputRecord(run, "évaluer", "größe", "fit", "model", digest, "json"),
        ],
        logs=[LogRecord(run, "fit", 0, 2.0, "stdout", text)],
    )
    return lambda store: store.write(batch)


def _mark(n: int, kind: str, name: str, text: str, put: bool) -> Write:
    mark = MarkRecord(run_id(n), kind, name if kind == "tag" else "", 1.0, text if kind == "note" else "")
    return lambda store: (store.put_marks if put else store.drop_marks)([mark])


def _delete(runs: Sequence[int]) -> Write:
    return lambda store: store.delete_runs([run_id(n) for n in runs])


numbers = st.integers(0, 7)
states = st.sampled_from([*RunState])
names = st.sampled_from(NAMES)
steps = st.sampled_from(STEPS)
writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(
        _create,
        numbers,
        st.sampled_from(["pipeline", "pipeline", "cell"]),
        states,
        st.lists(st.tuples(st.sampled_from(["", "", *STEPS]), names, st.sampled_from(VALUES)), max_size=5),
        st.integers(0, 3),
    ),
    st.builds(
        _measure,
        numbers,
        st.lists(
            st.tuples(
                *(steps, names, st.integers(0, 2), st.sampled_from([0.5, 0.9, -1.0, math.nan, math.inf, 1e300])),
                st.sampled_from([1.0, 2.0, 3.5]),
            ),
            min_size=1,
            max_size=5,
        ),
    ),
    st.builds(_finish, numbers, states, st.sampled_from(["", "größer\n'x'", "ok"])),
    st.builds(
        _mark, numbers, st.sampled_from(["tag", "note", "star"]), names.filter(bool), st.just("text"), st.booleans()
    ),
    st.builds(_delete, st.lists(numbers, max_size=2)),
)


class Look:
    """Asks the mirror something in between."""


class Restart:
    """Another process, which finds the file that there is."""


@dataclass(frozen=True)
class Die:
    """The mirror's process dies while it copies."""

    after: int  # questions to the store


@dataclass(frozen=True)
class Damage:
    """Somebody writes into the file."""

    whole: bool


events = st.one_of(
    writes,
    writes,
    writes,
    st.just(Look()),
    st.just(Look()),
    st.just(Restart()),
    st.builds(Die, st.integers(0, 12)),
    st.builds(Damage, st.booleans()),
)
histories = st.lists(events, min_size=1, max_size=25)


# --- what plain Python finds ------------------------------------------------------------------------------------------


def expected_runs(store: MetadataStore) -> dict[str, dict[str, Any]]:
    """Each run's own facts, parameters and metrics by the names that they have in the store."""
    expected = {}
    for run in store.runs(RunQuery(limit=None)):
        params = {
            row.name: json.loads(row.value) for row in store.params([run.id]) if not row.step or run.kind != "pipeline"
        }
        marks = store.marks([run.id])
        expected[run.id] = {
            "pipeline": run.pipeline,
            "kind": run.kind,
            "state": run.state.value,
            "error": run.error,
            "seconds": None if run.ended_at is None else run.ended_at - (run.started_at or 0.0),
            "starred": any(row.kind == "star" for row in marks),
            "tags": sorted(row.name for row in marks if row.kind == "tag"),
            "note": "".join(row.text for row in marks if row.kind == "note"),
            **_surroundings(store, run.environment),
            "params": params,
            "metrics": {row.name: row.value for row in store.metrics([run.id])},
        }
    return expected


def _surroundings(store: MetadataStore, digest: str) -> dict[str, Any]:
    record = store.environment(digest) if digest else None
    body = json.loads(record.description) if record else {}
    git = body.get("git") or {}
    return {"python": body.get("python")} | {f"git_{name}": git.get(name) for name in ("commit", "branch", "dirty")}


def expected_rows(store: MetadataStore, runs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of all other views; times in seconds since 1970."""
    steps = store.steps(runs)
    return {
        "steps": [
            {"run": row.run, "step": row.name, "position": row.position, "state": row.state.value, "attempt": row.attempt,
             "started_at": row.started_at, "ended_at": row.ended_at, "why": row.why, "cached_from": row.cached_from,
             "seconds": None if row.ended_at is None or row.started_at is None else row.ended_at - row.started_at,
             "error": row.error, "traceback": row.traceback, "notes": [*row.notes], "fingerprint": row.fingerprint,
             "cache_key": row.cache_key}
            for row in steps
        ],
        "code": [
            {"run": row.run, "step": row.name, "digest": row.capsule,
             "source": Capsule.from_json(json.loads(code.capsule)).source}
            for row in steps if (code := store.code(row.capsule)) is not None
        ],
        "params": [
            {"run": row.run, "step": row.step, "name": row.name, "number": _as_number(json.loads(row.value)),
             "text": json.loads(row.value) if row.value.startswith('"') else row.value, "json": row.value,
             "content": row.content}
            for row in store.params(runs)
        ],
        "metrics": [
            {"run": row.run, "step": row.step, "name": row.name, "n": row.n, "index": row.index,
             "value": None if math.isnan(row.value) else row.value, "at": row.at}
            for row in store.metrics(runs)
        ],
        "artifacts": [
            {"run": row.run, "step": row.step, "output": row.name, "type": row.type, "format": row.format, "size": row.size,
             "digest": row.digest, "member": row.member, "address": row.address, "preview": row.preview, "note": row.note}
            for row in store.outputs(runs) if row.name not in HIDDEN
        ],
        "edges": [
            {"run": row.run, "step": row.step, "input": row.name, "source_step": row.source_step,
             "source_output": row.source_output, "format": row.format, "digest": row.digest}
            for row in store.inputs(runs) if row.name not in HIDDEN
        ],
        "logs": [
            {"run": row.run, "step": row.step, "n": row.n, "at": row.at, "stream": row.stream, "text": row.text}
            for run in runs for row in store.logs(run)
        ],
    }  # fmt: skip


def _as_number(value: Any) -> float | None:
    """A parameter's value as a double; texts, truth values and not-a-number have none."""
    if isinstance(value, dict) and "$float" in value:
        value = float(value["$float"])
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(value)


def as_sql(values: Sequence[Any]) -> list[Any]:
    """The values of one parameter or metric in many runs, as SQL has them: all of one type."""
    plain = [_to_sql_value(value) for value in values]
    known = [value for value in plain if value is not None]
    if all(type(value) in (int, float) for value in known):
        whole = all(type(value) is int for value in known)
        return [value if value is None or whole else float(value) for value in plain]
    if all(type(value) is bool for value in known) or all(type(value) is str for value in known):
        return plain
    return [None if value is None else _text(value) for value in plain]


def _to_sql_value(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        ((tag, body),) = value.items()
        if tag == "$float":
            value = float(body)
        elif tag == "$tuple":
            return json.dumps(body, ensure_ascii=False)
        elif tag.startswith("$"):
            return json.dumps(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return json.dumps(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Condition:
    """A condition as SQL and as a function of one run's values; its answer may be None, as SQL's NULL."""

    sql: str
    holds: Callable[[dict[str, Any]], bool | None]


def _compare(section: str, name: str, sign: str, bound: float) -> Condition:
    tests: dict[str, Callable[[Any], bool]] = {
        "<": lambda value: value < bound,
        ">=": lambda value: value >= bound,
        "=": lambda value: value == bound,
    }

    def holds(run: dict[str, Any]) -> bool | None:
        value = _to_sql_value(run[section].get(name))
        return None if value is None else tests[sign](value)

    field = name.replace('"', '""')
    return Condition(f'({section}."{field}" {sign} {bound})', holds)


def _combine(condition: Condition, other: Condition, every: bool) -> Condition:
    def holds(run: dict[str, Any]) -> bool | None:
        answers = (condition.holds(run), other.holds(run))
        decisive = not every
        if decisive in answers:
            return decisive
        return None if None in answers else every

    return Condition(f"({condition.sql} {'AND' if every else 'OR'} {other.sql})", holds)


def _negate(condition: Condition) -> Condition:
    def holds(run: dict[str, Any]) -> bool | None:
        answer = condition.holds(run)
        return None if answer is None else not answer

    return Condition(f"(NOT {condition.sql})", holds)


def conditions(names_of: dict[str, list[str]]) -> st.SearchStrategy[Condition]:
    """Conditions over names that hold numbers."""
    choices = [(section, name) for section, all_names in names_of.items() for name in all_names]
    simple = st.builds(
        lambda both, sign, bound: _compare(*both, sign, bound),
        st.sampled_from(choices),
        st.sampled_from(["<", ">=", "="]),
        st.sampled_from([0.5, 0.9, 1, -2.25, 2**40]),
    )
    return st.recursive(
        simple,
        lambda inner: st.builds(_combine, inner, inner, st.booleans()) | st.builds(_negate, inner),
        max_leaves=4,
    )


__all__ = [
    "Condition",
    "Damage",
    "Die",
    "Look",
    "Restart",
    "as_sql",
    "conditions",
    "expected_rows",
    "expected_runs",
    "histories",
]
