"""Tab in a notebook: verbs, options and names in ``%zen``, ``%%zen``, ``!zen`` and ``%%step``; names in SQL."""

from __future__ import annotations

import re
import shlex
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.getipython import get_ipython

_LINE = re.compile(r"^\s*(?:[\w., ]+=\s*)?(%%?zen|!zen|%%step)\s(.*)$", re.DOTALL)
_CELL = re.compile(r"^%%zen\s+sql\b[^\n]*\n")
_QUERY = re.compile(r"""^\s*(?:[\w., ]+=\s*)?[%!]zen\s+sql\s+(?:-\S+\s+)*(["'])((?:(?!\1).)*)$""")
IDENTIFIER = "zenbook"


@context_matcher(identifier=IDENTIFIER, priority=200)  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Complete the cursor's line.

    Args:
        context: The text and the cursor's place.

    Returns:
        What may follow.
    """
    if (query := _query(context)) is not None:
        return _in_sql(*query)
    line = context.text_until_cursor.rpartition("\n")[2]
    match = _LINE.match(line)
    shell = get_ipython()
    if match is None or shell is None:
        return {"completions": []}
    words, part = _words(match[2])
    items = _items(shell, match[1], words, part)
    return {
        "completions": [SimpleCompletion(text=item.value, type="zen") for item in items],
        "matched_fragment": part,
        "suppress": bool(items),
        "ordered": True,
    }


def register(shell: Any) -> None:
    """Let Tab complete zenbook's lines; a second call changes nothing.

    Args:
        shell: The IPython shell.
    """
    if complete not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(complete)


def unregister(shell: Any) -> None:
    """Stop completing zenbook's lines.

    Args:
        shell: The IPython shell.
    """
    if complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)


def _query(context: CompletionContext) -> tuple[str, str] | None:
    """The SQL before and after the cursor, where the cursor is in SQL."""
    lines = context.full_text.split("\n")
    at = sum(len(above) + 1 for above in lines[: context.cursor_line]) + context.cursor_position
    head = _CELL.match(context.full_text)
    if head is not None:
        return (context.full_text[head.end() : at], context.full_text[at:]) if at >= head.end() else None
    query = _QUERY.match(context.text_until_cursor)
    return (query[2], context.line_with_cursor[context.cursor_position :]) if query else None


def _in_sql(before: str, after: str) -> SimpleMatcherResult:
    from zenbook.history.sql.sql_completion import completions

    offer = completions(before, after)
    return {
        "completions": [SimpleCompletion(text=value, type="zen") for value in offer.values],
        "matched_fragment": offer.part,
        "suppress": bool(offer.values),
        "ordered": True,
    }


def _items(shell: Any, magic: str, words: list[str], part: str) -> list[Any]:
    from zenbook.cli import zen
    from zenbook.cli.completion import completions
    from zenbook.notebook.current_notebook import KernelNotebook
    from zenbook.notebook.magics import steps_of
    from zenbook.notebook.step_options import COMMAND

    notebook = KernelNotebook(shell, steps_of(shell))
    items = completions(COMMAND if magic == "%%step" else zen, words, part, notebook, magic)
    return [item for item in items if item.type != "file"]  # IPython completes files by itself


def _words(text: str) -> tuple[list[str], str]:
    """The complete words, and the part of the one at the cursor."""
    text = text.lstrip()
    if not text or text[-1].isspace():
        return _split(text), ""
    *words, part = _split(text)
    return words, part


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # within a quotation
        return text.split()
