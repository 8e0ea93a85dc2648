"""Complete the text of a query: views, columns, parameters, metrics, and the arguments of ``artifact(…)``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from zenbook.core.states import RunState
from zenbook.errors import ZenbookError
from zenbook.history.references import run_id_of
from zenbook.history.sql.mirror import Mirror, mirror_of
from zenbook.history.sql.mirror.mirror_schema import quoted
from zenbook.history.sql.mirror.views import FUNCTIONS, VIEWS
from zenbook.history.sql.query_text import code_positions, find_open_part
from zenbook.history.step_runs import Steps, steps_of
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import open_stack

MIRROR_TIMEOUT = 3.0  # seconds for the mirror to catch up, so that Tab never waits long
_MAX_RUNS = 50  # runs that are offered
_SECTIONS = ("params", "metrics")
_KEYWORDS = (
    *(
        "select",
        "from",
        "where",
        "join",
        "using",
        "group by",
        "order by",
        "limit",
        "having",
        "distinct",
        "with",
        "desc",
    ),
    *("and", "or", "not", "is null", "is not null", "count(*)", "avg(", "min(", "max(", "sum(", "round(", "union all"),
)
_NO_ALIAS = frozenset("where join on using group order limit having left right inner full cross union natural".split())
_CALL_TEXT = rf"(?:{'|'.join(FUNCTIONS)})\s*\([^()]*\)"
_SOURCE = re.compile(rf"\b(?:from|join)\s+({_CALL_TEXT}|\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_AT_SOURCE = re.compile(r"\b(?:from|join)\s+\w*$", re.IGNORECASE)
_CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\s*$", re.IGNORECASE)
_LITERAL = re.compile(r"\s*'((?:[^']|'')*)'\s*")
_NAME = r'\w+|"(?:[^"]|"")*"'
_DOTTED = re.compile(rf'((?:(?:{_NAME})\s*\.\s*)*)("(?:[^"]|"")*|\w*)$')
_LOOK_BACK = 1000  # characters before the cursor that are searched for the name


@dataclass(frozen=True, slots=True)
class Completion:
    """The part of the text that would be replaced, and the texts that may replace it."""

    part: str
    values: tuple[str, ...] = ()


def completions(before: str, after: str = "", *, stack: str | None = None) -> Completion:
    """Complete the text of a query at the cursor. If the stores cannot be read now, nothing is completed.

    Args:
        before: The text up to the cursor.
        after: The rest of the text, which may name the views.
        stack: The name of the stack whose runs are queried; None is the active stack.

    Returns:
        The part before the cursor that would be replaced, and the texts that may replace it.
    """
    kind, at = find_open_part(before)
    match = _DOTTED.search(before[-_LOOK_BACK:])
    try:
        if kind == "'":
            return _matching(before[at + 1 :], _arguments(before[:at], stack))
        if match is None or kind not in ("", '"') or (not kind and match[2].startswith('"')):
            return Completion("")
        sources = dict(_sources(before + " " + after))
        if path := [_unquoted(name) for name in re.findall(_NAME, match[1])]:
            return _matching(match[2], _after_dot(path, sources, stack))
        return _matching(match[2], _names(before, sources, stack))
    except ZenbookError:
        return Completion("")


def _matching(part: str, names: Iterable[str]) -> Completion:
    """The names that start with a part, quoted or not."""
    starts = (part.lower(), '"' + part.removeprefix('"').lower())
    return Completion(part, tuple(dict.fromkeys(name for name in names if name.lower().startswith(starts))))


def _names(before: str, sources: dict[str, str], stack: str | None) -> Iterator[str]:
    """Names without a dot: after FROM the views and functions, elsewhere the columns of what the query reads."""
    views = [*(view.name for view in VIEWS), *(f"{name}(" for name in FUNCTIONS)]
    if _AT_SOURCE.search(before):
        yield from sorted(views)
        return
    columns = {column for source in sources.values() for column in _columns(source, stack)}
    if not columns:
        columns = {column.name for view in VIEWS for column in view.columns} | {*_SECTIONS}
    yield from sorted({*columns, *views})
    yield from (name for name in sources if name.isidentifier() and name not in {*columns, *views})
    yield from _KEYWORDS


def _after_dot(path: list[str], sources: dict[str, str], stack: str | None) -> list[str]:
    """Fields of ``params`` and ``metrics``, or the columns of a view, an alias or a stored frame."""
    last = path[-1].lower()
    if last in _SECTIONS and sources.get(last, "runs") == "runs":
        return _fields(last, stack)
    return _columns(sources.get(last, last), stack)


def _sources(query: str) -> Iterator[tuple[str, str]]:
    """What the query reads: the name in the query, and the view or the call."""
    for source, alias in _SOURCE.findall(query):
        yield source.lower(), source
        if alias and alias.lower() not in _NO_ALIAS:
            yield alias.lower(), source


def _columns(source: str, stack: str | None) -> list[str]:
    for view in VIEWS:
        if view.name == source.lower():
            return [column.name for column in view.columns] + ([*_SECTIONS] if view.name == "runs" else [])
    function, _, inner = source.partition("(")
    literals = [_LITERAL.fullmatch(argument) for argument in inner.removesuffix(")").split(",")]
    if len(literals) != 3 or None in literals:
        return []
    reference, step, output = (literal[1] for literal in literals if literal is not None)
    stored = _steps(function, reference, stack)[step].outputs[output]
    columns = [_quoted(str(column[0])) for column in stored.preview.get("columns", ())]
    return [*columns, "run"] if function.strip().lower() == "artifacts_of" else columns


def _fields(section: str, stack: str | None) -> list[str]:
    """The parameters or metrics that any run has; none while the mirror is being built."""
    mirror = mirror_of(open_stack(stack))
    thread = threading.Thread(target=_catch_up, args=(mirror,), daemon=True, name="zenbook-completion")
    thread.start()
    thread.join(MIRROR_TIMEOUT)
    return sorted(_quoted(field) for field in mirror.fields(section))


def _catch_up(mirror: Mirror) -> None:
    with suppress(ZenbookError):
        mirror.cursor().close()


# --- the arguments of artifact(…) -------------------------------------------------------------------------------------


def _arguments(before: str, stack: str | None) -> list[str]:
    """Completions of a text that starts after ``before``, if it is an argument of one of our functions."""
    opening = _open_parenthesis(before)
    call = _CALL.search(before[:opening]) if opening >= 0 else None
    if call is None:
        return []
    function, earlier = call[1].lower(), before[opening + 1 :].split(",")[:-1]
    if not earlier:
        return _pipelines(stack) if function == "artifacts_of" else ["latest", *_pipelines(stack), *_run_ids(stack)]
    literals = [_LITERAL.fullmatch(argument) for argument in earlier]
    # If the run is an expression or a parameter, the newest run is used instead: its steps are seldom others.
    steps = _steps(function, literals[0][1] if literals[0] else "latest", stack)
    if len(earlier) == 1:
        return [name for name, step in steps.items() if len(step.outputs)]
    return [*steps[literals[1][1]].outputs] if len(earlier) == 2 and literals[1] else []


def _open_parenthesis(text: str) -> int:
    """The position of the last parenthesis that is still open at the end of a text; -1 if there is none."""
    opened: list[int] = []
    for at in code_positions(text):
        if text[at] == "(":
            opened.append(at)
        elif text[at] == ")" and opened:
            opened.pop()
    return opened[-1] if opened else -1


def _steps(function: str, reference: str, stack: str | None) -> Steps:
    """The steps of the run that a call reads; of several runs, the newest."""
    opened = open_stack(stack)
    metadata, runs = opened.metadata, list[RunRecord]()
    if function.strip().lower() == "artifacts_of":
        runs = metadata.runs(RunQuery(reference, (RunState.SUCCEEDED,), limit=1, kind="pipeline"))
    run = runs[0] if runs else metadata.run(run_id_of(metadata, reference))
    return steps_of(opened, run) if run is not None else Steps({})


def _recent_runs(stack: str | None) -> list[RunRecord]:
    return open_stack(stack).metadata.runs(RunQuery(limit=_MAX_RUNS, kind="pipeline"))


def _pipelines(stack: str | None) -> list[str]:
    return list(dict.fromkeys(run.pipeline for run in _recent_runs(stack)))


def _run_ids(stack: str | None) -> list[str]:
    return [run.id for run in _recent_runs(stack)]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else quoted(name)


__all__ = ["Completion", "completions"]
