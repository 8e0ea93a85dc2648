"""What may follow a query's text: views, columns, parameters, metrics, and the arguments of ``artifact(…)``."""

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
from zenbook.history.sql.query_text import in_code, still_open
from zenbook.history.step_runs import Steps, steps_of
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import open_stack

PATIENCE = 3.0  # seconds for the mirror to catch up: Tab never waits long
_RECENT = 50  # runs that are offered
_SECTIONS = ("params", "metrics")
_WORDS = (
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
_CALLED = rf"(?:{'|'.join(FUNCTIONS)})\s*\([^()]*\)"
_SOURCE = re.compile(rf"\b(?:from|join)\s+({_CALLED}|\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_AT_SOURCE = re.compile(r"\b(?:from|join)\s+\w*$", re.IGNORECASE)
_CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\s*$", re.IGNORECASE)
_LITERAL = re.compile(r"\s*'((?:[^']|'')*)'\s*")
_NAME = r'\w+|"(?:[^"]|"")*"'
_PATH = re.compile(rf'((?:(?:{_NAME})\s*\.\s*)*)("(?:[^"]|"")*|\w*)$')
_NEAR = 1000  # characters before the cursor in which its name is looked for


@dataclass(frozen=True, slots=True)
class Completed:
    """The part of the text that would be replaced, and what by."""

    part: str
    values: tuple[str, ...] = ()


def completions(before: str, after: str = "", *, stack: str | None = None) -> Completed:
    """What may follow the text of a query up to the cursor; ``after`` is the rest, which may name the views.

    What can't be looked up right now completes to nothing.
    """
    kind, at = still_open(before)
    found = _PATH.search(before[-_NEAR:])
    try:
        if kind == "'":
            return _beginning(before[at + 1 :], _arguments(before[:at], stack))
        if found is None or kind not in ("", '"') or (not kind and found[2].startswith('"')):
            return Completed("")
        sources = dict(_sources(before + " " + after))
        if path := [_plain(one) for one in re.findall(_NAME, found[1])]:
            return _beginning(found[2], _after_dot(path, sources, stack))
        return _beginning(found[2], _names(before, sources, stack))
    except ZenbookError:
        return Completed("")


def _beginning(part: str, names: Iterable[str]) -> Completed:
    bare = part.removeprefix('"').lower()
    fits = (one for one in names if one.lower().startswith(part.lower()) or one.lower().startswith(f'"{bare}'))
    return Completed(part, tuple(dict.fromkeys(fits)))


def _names(before: str, sources: dict[str, str], stack: str | None) -> Iterator[str]:
    """What may stand alone: after FROM a view or a function, elsewhere a column of what the query names."""
    views = [*(view.name for view in VIEWS), *(f"{one}(" for one in FUNCTIONS)]
    if _AT_SOURCE.search(before):
        yield from sorted(views)
        return
    columns = {one for source in sources.values() for one in _columns(source, stack)}
    if not columns:
        columns = {column.name for view in VIEWS for column in view.columns} | {*_SECTIONS}
    yield from sorted({*columns, *views})
    yield from (name for name in sources if name.isidentifier() and name not in {*columns, *views})
    yield from _WORDS


def _after_dot(path: list[str], sources: dict[str, str], stack: str | None) -> list[str]:
    """Fields of ``params`` and ``metrics``, or the columns of a view, an alias or a stored frame."""
    last = path[-1].lower()
    if last in _SECTIONS and sources.get(last, "runs") == "runs":
        return _fields(last, stack)
    return _columns(sources.get(last, last), stack)


def _sources(query: str) -> Iterator[tuple[str, str]]:
    """What the query reads: a name by which it is known there, and the view or the call."""
    for source, alias in _SOURCE.findall(query):
        yield source.lower(), source
        if alias and alias.lower() not in _NO_ALIAS:
            yield alias.lower(), source


def _columns(source: str, stack: str | None) -> list[str]:
    for view in VIEWS:
        if view.name == source.lower():
            return [column.name for column in view.columns] + ([*_SECTIONS] if view.name == "runs" else [])
    function, _, inner = source.partition("(")
    given = [_LITERAL.fullmatch(one) for one in inner.removesuffix(")").split(",")]
    if len(given) != 3 or None in given:
        return []
    which, step, output = (one[1] for one in given if one is not None)
    stored = _steps(function, which, stack)[step].outputs[output]
    named = [_quoted(str(one[0])) for one in stored.preview.get("columns", ())]
    return [*named, "run"] if function.strip().lower() == "artifacts_of" else named


def _fields(section: str, stack: str | None) -> list[str]:
    """The parameters or metrics that any run has; nothing while the mirror is still being made."""
    mirror = mirror_of(open_stack(stack))
    asking = threading.Thread(target=_catch_up, args=(mirror,), daemon=True, name="zenbook-completion")
    asking.start()
    asking.join(PATIENCE)
    return sorted(_quoted(one) for one in mirror.fields(section))


def _catch_up(mirror: Mirror) -> None:
    with suppress(ZenbookError):
        mirror.cursor().close()


# --- the arguments of artifact(…) -------------------------------------------------------------------------------------


def _arguments(before: str, stack: str | None) -> list[str]:
    """What may be the text that begins after ``before``, if it is an argument of one of our functions."""
    opening = _opening(before)
    call = _CALL.search(before[:opening]) if opening >= 0 else None
    if call is None:
        return []
    function, given = call[1].lower(), before[opening + 1 :].split(",")[:-1]
    if not given:
        return _pipelines(stack) if function == "artifacts_of" else ["latest", *_pipelines(stack), *_runs(stack)]
    known = [_LITERAL.fullmatch(one) for one in given]
    # A run that is an expression or a parameter is taken for the newest one: steps seldom differ.
    steps = _steps(function, known[0][1] if known[0] else "latest", stack)
    if len(given) == 1:
        return [name for name, step in steps.items() if len(step.outputs)]
    return [*steps[known[1][1]].outputs] if len(given) == 2 and known[1] else []


def _opening(text: str) -> int:
    """The parenthesis that is still open at the end of a text; -1 if none is."""
    opened: list[int] = []
    for at in in_code(text):
        if text[at] == "(":
            opened.append(at)
        elif text[at] == ")" and opened:
            opened.pop()
    return opened[-1] if opened else -1


def _steps(function: str, reference: str, stack: str | None) -> Steps:
    """The steps of the run that a call of a function reads, of several the newest."""
    opened = open_stack(stack)
    metadata, runs = opened.metadata, list[RunRecord]()
    if function.strip().lower() == "artifacts_of":
        runs = metadata.runs(RunQuery(reference, (RunState.SUCCEEDED,), limit=1, kind="pipeline"))
    run = runs[0] if runs else metadata.run(run_id_of(metadata, reference))
    return steps_of(opened, run) if run is not None else Steps({})


def _recent(stack: str | None) -> list[RunRecord]:
    return open_stack(stack).metadata.runs(RunQuery(limit=_RECENT, kind="pipeline"))


def _pipelines(stack: str | None) -> list[str]:
    return list(dict.fromkeys(one.pipeline for one in _recent(stack)))


def _runs(stack: str | None) -> list[str]:
    return [one.id for one in _recent(stack)]


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else quoted(name)


__all__ = ["Completed", "completions"]
