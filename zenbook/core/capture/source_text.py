"""Cut Python source by its syntax tree, and write parts of it in another way."""

from __future__ import annotations

import ast

from zenbook.core.parsing import parse

Written = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def lines_of(text: str) -> list[str]:
    """Split a text into lines as Python counts them; `str.splitlines` also cuts at form feeds and the like.

    Args:
        text: The source.

    Returns:
        The lines without their ends.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def text_of(node: Written, text: str, drop: tuple[ast.expr, ...] = ()) -> str:
    """Cut a definition out of its file, at the left margin; lines within multi-line strings stay as they are.

    Args:
        node: The function, class or lambda.
        text: The whole file.
        drop: The decorators that are left out.

    Returns:
        The definition's lines.
    """
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment(text, node) or ""
    lines = lines_of(text)
    dropped = {line for part in drop for line in range(part.lineno, (part.end_lineno or part.lineno) + 1)}
    in_strings = _lines_in_strings(node)
    out = []
    for number in range(first_line(node), (node.end_lineno or node.lineno) + 1):
        if number in dropped:
            continue
        line = lines[number - 1]
        indent = 0 if number in in_strings else node.col_offset
        out.append(line[indent:] if not line[:indent].strip() else line)
    return "\n".join(out)


def indented(text: str) -> str:
    """Indent a piece of source as the body of a block; lines within multi-line strings stay as they are.

    Args:
        text: The source of some statements.

    Returns:
        The source, four columns to the right.
    """
    in_strings = _lines_in_strings(parse(text))
    return "\n".join(
        line if number in in_strings or not line else "    " + line for number, line in enumerate(lines_of(text), 1)
    )


def replaced(text: str, changes: list[tuple[ast.expr, str]]) -> str:
    """Write some expressions of a text in another way.

    Args:
        text: The source.
        changes: Expressions of the text's own syntax tree, and what is to stand in their place.

    Returns:
        The changed source.
    """
    data = text.encode()
    offsets = [0]
    for line in lines_of(text):
        offsets.append(offsets[-1] + len(line.encode()) + 1)
    for node, new in sorted(changes, key=lambda change: (change[0].lineno, change[0].col_offset), reverse=True):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        data = data[:start] + new.encode() + data[end:]
    return data.decode()


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Find the line at which a definition begins, decorators included.

    Args:
        node: The definition.

    Returns:
        The number of the line in its file, 1-based.
    """
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def root_name(expression: ast.expr) -> ast.Name | None:
    """Find the name that a chain of calls, attributes and items begins with.

    Args:
        expression: ``a.b(c)[d]``.

    Returns:
        The node of ``a``; None if the chain begins with something else than a name.
    """
    while isinstance(expression, ast.Call | ast.Attribute | ast.Subscript):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression if isinstance(expression, ast.Name) else None


def dotted_chain(expression: ast.expr) -> tuple[str, ...]:
    """Read a dotted name.

    Args:
        expression: ``a.b.c``, or ``a.b.c[d]``.

    Returns:
        ``("a", "b", "c")``; empty for anything else.
    """
    parts: list[str] = []
    node = expression.value if isinstance(expression, ast.Subscript) else expression
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def _lines_in_strings(tree: ast.AST) -> set[int]:
    """The lines that begin inside of a string."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    }
