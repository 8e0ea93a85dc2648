"""The text of a query: where its strings and comments are, and expressions in it that become parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.errors import QueryError

_DOLLAR = re.compile(r"\$[A-Za-z_]*\$")
_OPENING, _CLOSING = "{{", "}}"
BOUND = "value_"  # {{…}} becomes $value_1, $value_2, …


def in_code(text: str) -> Iterator[int]:
    """The positions of the characters that are in no string, quoted name or comment."""
    at, size = 0, len(text)
    while at < size:
        two = text[at : at + 2]
        if text[at] in "'\"":
            at = _after_quoted(text, at)
        elif two == "--":
            end = text.find("\n", at)
            at = size if end < 0 else end
        elif two == "/*":
            end = text.find("*/", at + 2)
            at = size if end < 0 else end + 2
        elif text[at] == "$" and (found := _DOLLAR.match(text, at)):
            end = text.find(found[0], found.end())
            at = size if end < 0 else end + len(found[0])
        else:
            yield at
            at += 1


def still_open(text: str) -> tuple[str, int]:
    """What is open at the end of a text, and where it begins: ``'``, ``"``, ``comment``, ``expression``, or nothing."""
    code = [*in_code(f"{text}.")]
    if code[-1:] == [len(text)]:
        opened = text.rfind(_OPENING)
        inside = opened >= 0 and opened in code and text.rfind(_CLOSING) < opened
        return ("expression", opened) if inside else ("", len(text))
    start = code[-1] + 1 if code else 0
    return (text[start] if text[start] in "'\"" else "comment"), start


def closing_parenthesis(text: str, start: int) -> int:
    """Where the parenthesis ends that opens first after a position; -1 if it doesn't."""
    depth = 0
    for at in in_code(text[start:]):
        character = text[start + at]
        depth += (character == "(") - (character == ")")
        if character == ")" and not depth:
            return start + at
    return -1


def bind_expressions(text: str, namespace: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A query with each ``{{expression}}`` made a parameter, and the parameters' values.

    Expressions are Python, evaluated in the namespace; their values never become part of the SQL text. Raises
    `QueryError` for one that is no expression, that fails, or that stands within quotes, where it would be text.
    """
    parts: list[str] = []
    values: dict[str, Any] = {}
    done = 0
    for at in in_code(text):
        if at < done or not text.startswith(_OPENING, at):
            continue
        end, value = _evaluated(text, at, namespace)
        name = f"{BOUND}{len(values) + 1}"
        parts += [text[done:at], f"${name}"]
        values[name] = value
        done = end
    parts.append(text[done:])
    bound = "".join(parts)
    if quoted := re.search(r"'[^'\n]*\{\{[^'\n]*\}\}[^'\n]*'", bound):
        raise QueryError(
            f"An expression within quotes is only text: {quoted[0]}.", "Take the quotes away: where id = {{run.id}}."
        )
    return bound, values


def _evaluated(text: str, at: int, namespace: Mapping[str, Any]) -> tuple[int, Any]:
    """The end and the value of the expression that begins at a position; the first ``}}`` that ends one counts."""
    end = text.find(_CLOSING, at)
    while end >= 0:
        source = text[at + 2 : end].strip()
        try:
            code = compile(source, "<expression in SQL>", "eval")
        except SyntaxError:
            end = text.find(_CLOSING, end + 1)
            continue
        try:
            return end + 2, _plain(eval(code, dict(namespace)))  # noqa: S307  # the user's own, as any cell's
        except Exception as error:
            raise QueryError(
                f"The expression {{{{{source}}}}} fails: {type(error).__name__}: {error}.",
                "Run it in a cell of its own.",
            ) from error
    raise QueryError(
        f"There is no expression in {text[at : at + 40].splitlines()[0]!r}.", "Write one Python expression: {{name}}."
    )


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's values; an id for a run."""
    if hasattr(value, "tolist") and type(value).__module__.partition(".")[0] in ("numpy", "pandas"):
        return value.tolist()
    return getattr(value, "id", value) if type(value).__name__ == "Run" else value


def _after_quoted(text: str, at: int) -> int:
    quote, at = text[at], at + 1
    while at < len(text):
        if text[at] == quote:
            if text[at + 1 : at + 2] != quote:
                return at + 1
            at += 1
        at += 1
    return at
