"""Turn DuckDB's error about a query into a plain sentence with the line of the query and names that are similar."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenbook.errors import QueryError, did_you_mean
from zenbook.history.sql.mirror.views import FUNCTIONS, VIEWS

if TYPE_CHECKING:
    import duckdb

_ERROR_CLASS = re.compile(r"^(?:\w+ )*Error: ")
_LITERAL_TYPE = re.compile(r"_LITERAL$")  # the type of a number that stands in the query
_CAST_HINT = "A parameter that is a text in some run is a text in all runs: write try_cast(params.name as double)."
_MAX_HINT = 300  # characters: DuckDB may list every function
_COLUMNS = sorted({column.name for view in VIEWS for column in view.columns} | {"params", "metrics"})


@dataclass(frozen=True, slots=True)
class _Report:
    """What DuckDB says about a query."""

    text: str
    query: str
    fields: Mapping[str, Sequence[str]]  # of params and metrics

    @property
    def head(self) -> str:
        """The text without the line of the query."""
        return self.text.partition("\n\nLINE ")[0]

    @property
    def place(self) -> str:
        """The line of the query, with a mark below it; empty if DuckDB gives none."""
        return self.text.partition("\n\nLINE ")[2]

    @property
    def sentence(self) -> str:
        """The first line, without the class of the error."""
        return " ".join(_ERROR_CLASS.sub("", self.head.split("\n")[0]).split()).rstrip(".!")

    @property
    def hint(self) -> str:
        """The other lines."""
        return " ".join(line.strip() for line in self.head.split("\n")[1:] if line.strip())


_Explained = tuple[str, str]  # a sentence without its full stop, and a hint


def to_query_error(error: duckdb.Error, query: str, fields: Mapping[str, Sequence[str]]) -> QueryError:
    """Explain an error of DuckDB.

    Args:
        error: What DuckDB raised.
        query: The query's text.
        fields: The names in ``params`` and ``metrics`` of the view ``runs``.

    Returns:
        An error with one sentence, the line of the query where it is known, and similar names as the hint.
    """
    report = _Report(str(error), query, fields)
    sentence, hint = report.sentence, report.hint
    names: list[str] | None = None
    for pattern, explain in _RULES:
        if match := pattern.search(report.text):
            sentence, hint = explain(match, report)
            names = [*match.groups()[:1]]
            break
    if names is None:
        names = re.findall(r"""['"]([^'"]+)['"]""", sentence)
    place = report.place or _line_of(query, names)
    message = f"{sentence}." + (f"\n\nLINE {place}" if place else "")
    return QueryError(message, hint if len(hint) <= _MAX_HINT else "")


def _unknown_field(match: re.Match[str], report: _Report) -> _Explained:
    name = match[1]
    qualified = re.search(rf"(params|metrics)\s*\.\s*\"?{re.escape(name)}", report.query, re.IGNORECASE)
    sections = [qualified[1].lower()] if qualified else ["params", "metrics"]
    known = [f"{section}.{field}" for section in sections for field in report.fields.get(section, ())]
    full_name = f"{sections[0]}.{name}" if qualified else name
    return f"No run has a parameter or metric {name!r}", did_you_mean(full_name, known, noun="name")


def _unknown_column(match: re.Match[str], report: _Report) -> _Explained:
    _, _, candidates = report.head.partition("andidate bindings:")  # those that DuckDB found similar
    similar = [name.rpartition(".")[2] for name in re.findall(r'"([^"]+)"', candidates)]
    return f"Unknown column {match[1]!r}", did_you_mean(match[1], [*_COLUMNS, *similar], noun="column")


def _unknown_view(match: re.Match[str], _report: _Report) -> _Explained:
    return f"Unknown view {match[1]!r}", did_you_mean(match[1], [view.name for view in VIEWS], noun="view")


def _unknown_function(match: re.Match[str], report: _Report) -> _Explained:
    return f"Unknown function {match[1]!r}", report.hint or did_you_mean(match[1], FUNCTIONS)


def _wrong_types(match: re.Match[str], _report: _Report) -> _Explained:
    types = " and ".join(_LITERAL_TYPE.sub("", name) for name in match[2].split(", "))
    return f"{match[1]} cannot be applied to {types}", _CAST_HINT if "VARCHAR" in match[2] else ""


def _fixed(sentence: str, hint: str) -> Callable[[re.Match[str], _Report], _Explained]:
    return lambda _match, _report: (sentence, hint)


# The first pattern that is found explains the error. A pattern's first group is a name that stands in the query.
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Report], _Explained]], ...] = (
    (re.compile(r'Could not find key "(.+?)" in struct'), _unknown_field),
    (re.compile(r'Referenced column "(.+?)" (?:was )?not found'), _unknown_column),
    (re.compile(r'Table with name "?(.+?)"? does not exist'), _unknown_view),
    (re.compile(r'(?:Table )?Function with name "?(.+?)"? does not exist'), _unknown_function),
    (re.compile(r"No function matches the given name and argument types '(.+?)\((.*?)\)'"), _wrong_types),
    (
        re.compile("disabled by configuration|Permission Error"),
        _fixed("A query may not read files", "Use artifact(run, step, output), or add --allow-files."),
    ),
    (
        re.compile("Out of Memory"),
        _fixed("The query needs more memory than it may use", "Name the columns that you need instead of *."),
    ),
    (re.compile("read-only mode"), _fixed("A query can only read", "Start with SELECT, FROM or WITH.")),
)


def _line_of(query: str, names: Sequence[str]) -> str:
    """The line of the query that has the first of some names, with a mark below it, as DuckDB shows it."""
    for name in names:
        for number, line in enumerate(query.splitlines(), start=1):
            column = line.lower().find(name.lower())
            if column >= 0:
                head = f"{number}: "
                return f"{head}{line}\n{' ' * (len('LINE ') + len(head) + column)}^"
    return ""
