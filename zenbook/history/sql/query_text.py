"""The text of a query: where its strings and comments are, and the Python expressions in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.errors import QueryError

_DOLLAR_QUOTE = re.compile(r"\$[A-Za-z_]*\$")
_OPENING, _CLOSING = "{{", "}}"
BOUND = "value_"  # {{…}} becomes $value_1, $value_2, …


def code_positions(text: str) -> Iterator[int]:
    """Find the characters of SQL code.

    Args:
        text: The text of a query.

    Yields:
        The positions of the characters that are not in a string, a quoted name or a comment.
    """
    at, size = 0, len(text)
    while at < size:
        two = text[at : at + 2]
        if text[at] in "'\"":
            at = _end_of_quoted(text, at)
        elif two == "--":
            end = text.find("\n", at)
            at = size if end < 0 else end
        elif two == "/*":
            end = text.find("*/", at + 2)
            at = size if end < 0 else end + 2
        elif text[at] == "$" and (quote := _DOLLAR_QUOTE.match(text, at)):
            end = text.find(quote[0], quote.end())
            at = size if end < 0 else end + len(quote[0])
        else:
            yield at
            at += 1


def find_open_part(text: str) -> tuple[str, int]:
    """Find what is still open at the end of a text.

    Args:
        text: The beginning of a query.

    Returns:
        The kind (``'``, ``"``, ``comment``, ``expression``, or empty for plain code), and the position where it starts.
    """
    code = [*code_positions(f"{text}.")]
    if code[-1:] == [len(text)]:
        start = text.rfind(_OPENING)
        is_open = start >= 0 and start in code and text.rfind(_CLOSING) < start
        return ("expression", start) if is_open else ("", len(text))
    start = code[-1] + 1 if code else 0
    return (text[start] if text[start] in "'\"" else "comment"), start


def find_closing_parenthesis(text: str, start: int) -> int:
    """Find the end of a pair of parentheses.

    Args:
        text: The text of a query.
        start: A position before the opening parenthesis.

    Returns:
        The position of the closing parenthesis; -1 if there is none.
    """
    depth = 0
    for at in code_positions(text[start:]):
        character = text[start + at]
        depth += (character == "(") - (character == ")")
        if character == ")" and not depth:
            return start + at
    return -1


def is_single_expression(text: str) -> bool:
    """Check that a text stays one expression when it is put within a query.

    Args:
        text: A condition, or an expression to sort by.

    Returns:
        Whether its parentheses are balanced, and it has no comment, no ``;`` and no open string.
    """
    depth = 0
    for at in list(code_positions(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth < 0 or text[at] == ";":
            return False
    return not depth and "--" not in text and "/*" not in text


def bind_expressions(text: str, namespace: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Replace each ``{{expression}}`` of a query by a parameter. Values never become part of the SQL text.

    An expression that is invalid or fails raises `QueryError` too.

    Args:
        text: The query.
        namespace: The names that the Python expressions may use.

    Returns:
        The query with parameters, and their values.

    Raises:
        QueryError: If an expression stands within quotes, where it would be text.
    """
    parts: list[str] = []
    values: dict[str, Any] = {}
    done = 0
    for at in code_positions(text):
        if at < done or not text.startswith(_OPENING, at):
            continue
        end, value = _evaluate(text, at, namespace)
        name = f"{BOUND}{len(values) + 1}"
        parts += [text[done:at], f"${name}"]
        values[name] = value
        done = end
    parts.append(text[done:])
    bound = "".join(parts)
    if quoted := re.search(r"'[^'\n]*\{\{[^'\n]*\}\}[^'\n]*'", bound):
        raise QueryError(
            f"An expression within quotes is only text: {quoted[0]}.", "Remove the quotes: where id = {{run.id}}."
        )
    return bound, values


def _evaluate(text: str, at: int, namespace: Mapping[str, Any]) -> tuple[int, Any]:
    """The end and the value of the expression at a position; it ends at the first ``}}`` where it is complete."""
    end = text.find(_CLOSING, at)
    while end >= 0:
        source = text[at + 2 : end].strip()
        try:
            code = compile(source, "<expression in SQL>", "eval")
        except SyntaxError:
            end = text.find(_CLOSING, end + 1)
            continue
        try:
            return end + 2, _to_python(eval(code, dict(namespace)))  # noqa: S307  # the user's own code, like any cell
        except Exception as error:
            raise QueryError(
                f"The expression {{{{{source}}}}} failed: {type(error).__name__}: {error}.",
                "Run it in its own cell.",
            ) from error
    raise QueryError(
        f"Invalid Python expression in {text[at : at + 40].splitlines()[0]!r}.", "Write one expression: {{name}}."
    )


def _to_python(value: Any) -> Any:
    """Python's value for a scalar or array of NumPy; the id of a run."""
    if hasattr(value, "tolist") and type(value).__module__.partition(".")[0] in ("numpy", "pandas"):
        return value.tolist()
    return getattr(value, "id", value) if type(value).__name__ == "Run" else value


def _end_of_quoted(text: str, at: int) -> int:
    quote, at = text[at], at + 1
    while at < len(text):
        if text[at] == quote:
            if text[at + 1 : at + 2] != quote:
                return at + 1
            at += 1
        at += 1
    return at
