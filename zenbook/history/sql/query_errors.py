"""What DuckDB says of a query that it can't answer, in plain words, with the place and names that are near."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zenbook.errors import QueryError, did_you_mean
from zenbook.history.sql.mirror.views import FUNCTIONS, VIEWS

if TYPE_CHECKING:
    import duckdb

_KIND = re.compile(r"^(?:\w+ )*Error: ")
_KINDS = re.compile(r"_LITERAL$")  # the type of a number that stands in the query
_CAST = "A parameter that was a text in some run is a text in all: write try_cast(params.name as double)."
_LONGEST = 300  # characters of a hint: DuckDB may list every function
_COLUMNS = sorted({column.name for view in VIEWS for column in view.columns} | {"params", "metrics"})


def told(error: duckdb.Error, query: str, fields: Mapping[str, Sequence[str]]) -> QueryError:
    """The error in one sentence, the line of the query with the place, and near names."""
    text = str(error)
    head, _, place = text.partition("\n\nLINE ")
    sentence = " ".join(_KIND.sub("", head.split("\n")[0]).split()).rstrip(".!")
    hint, found = "", None
    if found := re.search(r'Could not find key "(.+?)" in struct', text):
        sentence, hint = f"No run has a parameter or metric {found[1]!r}", _near_field(found[1], query, fields)
    elif found := re.search(r'Referenced column "(.+?)" (?:was )?not found', text):
        sentence, hint = (
            f"There is no column {found[1]!r}",
            did_you_mean(found[1], [*_COLUMNS, *_quoted_in(head)], noun="column"),
        )
    elif found := re.search(r'Table with name "?(.+?)"? does not exist', text):
        sentence, hint = (
            f"There is no view {found[1]!r}",
            did_you_mean(found[1], [one.name for one in VIEWS], noun="view"),
        )
    elif found := re.search(r'(?:Table )?Function with name "?(.+?)"? does not exist', text):
        sentence = f"There is no function {found[1]!r}"
        hint = " ".join(line.strip() for line in head.split("\n")[1:] if line.strip()) or did_you_mean(
            found[1], FUNCTIONS
        )
    elif found := re.search(r"No function matches the given name and argument types '(.+?)\((.*?)\)'", text):
        sentence = f"{found[1]} can't be done with {' and '.join(_KINDS.sub('', one) for one in found[2].split(', '))}"
        hint = _CAST if "VARCHAR" in found[2] else ""
    elif "disabled by configuration" in text or "Permission Error" in text:
        sentence, hint = "A query may not read files", "Use artifact(run, step, output), or say --allow-files."
    elif "Out of Memory" in text:
        sentence, hint = "The query needs more memory than it may take", "Name the columns that you need instead of *."
    elif "read-only mode" in text:
        sentence, hint = "A query only reads", "Begin with SELECT, FROM or WITH."
    else:
        hint = " ".join(line.strip() for line in head.split("\n")[1:] if line.strip())
    place = place or _line_of(query, [found[1]] if found else re.findall(r"""['"]([^'"]+)['"]""", sentence))
    shown = f"{sentence}." + (f"\n\nLINE {place}" if place else "")
    return QueryError(shown, hint if len(hint) <= _LONGEST else "")


def _near_field(name: str, query: str, fields: Mapping[str, Sequence[str]]) -> str:
    named = re.search(rf"(params|metrics)\s*\.\s*\"?{re.escape(name)}", query, re.IGNORECASE)
    sections = [named[1].lower()] if named else ["params", "metrics"]
    known = [f"{section}.{one}" for section in sections for one in fields.get(section, ())]
    wanted = f"{sections[0]}.{name}" if named else name
    return did_you_mean(wanted, known, noun="name")


def _quoted_in(text: str) -> list[str]:
    """The names that DuckDB itself found near."""
    _, _, candidates = text.partition("andidate bindings:")
    return [one.rpartition(".")[2] for one in re.findall(r'"([^"]+)"', candidates)]


def _line_of(query: str, names: Sequence[str]) -> str:
    """The line of the query that has the first of some names, with a mark below it, as DuckDB shows it."""
    for name in names:
        for number, line in enumerate(query.splitlines(), start=1):
            at = line.lower().find(name.lower())
            if at >= 0:
                head = f"{number}: "
                return f"{head}{line}\n{' ' * (len('LINE ') + len(head) + at)}^"
    return ""
