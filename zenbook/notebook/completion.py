"""Tab in a notebook: verbs, options and names in ``%zen``, ``%%zen``, ``!zen`` and ``%%step``."""

from __future__ import annotations

import re
import shlex
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.getipython import get_ipython

_LINE = re.compile(r"^\s*(?:[\w., ]+=\s*)?(%%?zen|!zen|%%step)\s(.*)$", re.DOTALL)
IDENTIFIER = "zenbook"


@context_matcher(identifier=IDENTIFIER, priority=200)  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """What may follow on the cursor's line."""
    line = context.text_until_cursor.rpartition("\n")[2]
    found = _LINE.match(line)
    shell = get_ipython()
    if found is None or shell is None:
        return {"completions": []}
    words, part = _words(found[2])
    items = _items(shell, found[1], words, part)
    return {
        "completions": [SimpleCompletion(text=item.value, type="zen") for item in items],
        "matched_fragment": part,
        "suppress": bool(items),
        "ordered": True,
    }


def register(shell: Any) -> None:
    """Let Tab complete zenbook's lines; once, however often it is called."""
    if complete not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(complete)


def unregister(shell: Any) -> None:
    """Leave Tab as it was."""
    if complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)


def _items(shell: Any, magic: str, words: list[str], part: str) -> list[Any]:
    from zenbook.cli import zen
    from zenbook.cli.completion import completions
    from zenbook.notebook.magics import steps_of
    from zenbook.notebook.place import KernelNotebook
    from zenbook.notebook.step_options import COMMAND

    notebook = KernelNotebook(shell, steps_of(shell))
    found = completions(COMMAND if magic == "%%step" else zen, words, part, notebook, magic)
    return [item for item in found if item.type != "file"]  # IPython completes files by itself


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
