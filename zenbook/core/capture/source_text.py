"""Cutting and mending Python source by its syntax tree."""

from __future__ import annotations

import ast

from zenbook.core.parsing import parse

Written = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them; `str.splitlines` also cuts at form feeds and the like."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def text_of(node: Written, text: str, drop: tuple[ast.expr, ...] = ()) -> str:
    """A definition's lines at the left margin, without the decorators in ``drop``.

    Lines within multi-line strings stay as they are.
    """
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment(text, node) or ""
    lines = lines_of(text)
    dropped = {line for one in drop for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    first, last = first_line(node), node.end_lineno or node.lineno
    inside = _within_strings(node)
    out = []
    for number in range(first, last + 1):
        if number in dropped:
            continue
        line = lines[number - 1]
        indent = 0 if number in inside else node.col_offset
        out.append(line[indent:] if not line[:indent].strip() else line)
    return "\n".join(out)


def indented(text: str) -> str:
    """A piece of source as the body of a block; lines within multi-line strings stay as they are."""
    inside = _within_strings(parse(text))
    return "\n".join(
        line if number in inside or not line else "    " + line for number, line in enumerate(lines_of(text), 1)
    )


def replaced(text: str, changes: list[tuple[ast.expr, str]]) -> str:
    """A text with expressions of its own tree written otherwise."""
    data = text.encode()
    offsets = [0]
    for line in lines_of(text):
        offsets.append(offsets[-1] + len(line.encode()) + 1)
    for node, new in sorted(changes, key=lambda one: (one[0].lineno, one[0].col_offset), reverse=True):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        data = data[:start] + new.encode() + data[end:]
    return data.decode()


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """The line at which a definition begins, decorators included."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _within_strings(node: ast.AST) -> set[int]:
    """The lines that begin inside of a string."""
    return {
        line
        for one in ast.walk(node)
        if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes))
        for line in range(one.lineno + 1, (one.end_lineno or one.lineno) + 1)
    }
