"""Unified diffs and sentences with names in backticks, as HTML; lines of source for a terminal."""

from __future__ import annotations

import re

from zenbook.display.markup import NOTHING, Html
from zenbook.display.table import one_line
from zenbook.display.theme import COLOURS

_MAX_UNFOLDED = 12  # lines of a diff that are shown without folding
_ADDED, _REMOVED, _CONTEXT = f"color:{COLOURS['succeeded']}", f"color:{COLOURS['failed']}", "opacity:.75"
_EMPTY_LINE = Html("&nbsp;")
_BACKTICKS = re.compile(r"`([^`]+)`")


def diff_html(diff: str) -> Html:
    """A unified diff as HTML; a long one is folded behind its number of lines.

    Args:
        diff: Lines that begin with ``+``, ``-`` or a space.

    Returns:
        A block in a fixed-width font.
    """
    lines = diff.splitlines()
    block = Html(
        '<div style="font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;line-height:1.45;'
        'white-space:pre;overflow-x:auto;margin:2px 0 8px 2px">{}</div>'
    ).format(NOTHING.join(map(_diff_line, lines)))
    if len(lines) <= _MAX_UNFOLDED:
        return block
    return Html("<details><summary>{} lines</summary>{}</details>").format(len(lines), block)


def with_code(sentence: str) -> Html:
    """A sentence in which names in backticks become code.

    Args:
        sentence: Plain text.

    Returns:
        HTML; all of the text is escaped.
    """
    return Html(_BACKTICKS.sub(r"<code>\1</code>", str(Html.escape(sentence))))


def one_line_of_code(line: str) -> str:
    """A line of source without characters that control a terminal; tabs stay wide.

    Args:
        line: One line of source.

    Returns:
        The line as it can be printed.
    """
    return one_line(line.replace("\t", "    ")) if not line.isprintable() else line


def _diff_line(line: str) -> Html:
    style = {"+": _ADDED, "-": _REMOVED}.get(line[:1], _CONTEXT)
    return Html('<div style="{}">{}</div>').format(style, line or _EMPTY_LINE)
