"""A canonical form of Python source: blind to comments, blank lines and layout, equal on every Python version.

The form is a walk over the syntax tree that leaves out what versions disagree about: empty fields, contexts, positions,
string prefixes and how an f-string is cut into constants.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from zenbook.core.parsing import parse

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


T = TypeVar("T")


@lru_cache(maxsize=4096)
def canonical_source(source: str) -> str:
    """Compute the canonical form of a module's source. Raises `SyntaxError`.

    Args:
        source: The source text.

    Returns:
        A text that is equal for sources of the same meaning.
    """
    return canonical(parse(source))


def canonical(node: ast.AST) -> str:
    """Compute the canonical form of a syntax tree.

    Args:
        node: The tree.

    Returns:
        A text that is equal for trees of the same meaning.
    """

    def walk() -> str:
        parts: list[str] = []
        _walk(node, parts.append)
        return "".join(parts)

    return deeply(walk)


def deeply(walk: Callable[[], T]) -> T:
    """Walk a syntax tree that may be deeper than Python's limit for recursion (a sum of 1,000 terms is).

    The limit is raised only for such a tree, and ``walk`` is called again then: the limit is shared by all threads, and
    a thread that is parsing while it changes fails with `SystemError`.

    Args:
        walk: Walks the tree; called once or twice.

    Returns:
        What it returned.
    """
    try:
        return walk()
    except RecursionError:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 50_000))
        try:
            return walk()
        finally:
            sys.setrecursionlimit(limit)


def _walk(value: object, emit: Callable[[str], None]) -> None:
    if isinstance(value, ast.Constant):
        emit(_constant(value.value))
    elif isinstance(value, ast.AST):
        emit(type(value).__name__ + "(")
        fields = _joined(value) if isinstance(value, ast.JoinedStr) else ast.iter_fields(value)
        for name, child in fields:
            if name in _SKIPPED or child is None or child == []:
                continue
            if name == "format_spec" and not _pieces(child):
                continue
            emit(name + "=")
            _walk(child, emit)
            emit(",")
        emit(")")
    elif isinstance(value, list):
        emit("[")
        for child in value:
            _walk(child, emit)
            emit(",")
        emit("]")
    else:
        emit(repr(value))


def _constant(value: object) -> str:
    if type(value) is int:  # the decimal form of a huge number is refused by newer Pythons
        return f"int:{value:#x}"
    if isinstance(value, str):  # what repr() escapes depends on the Unicode tables of the version
        return f"str:{value!a}"
    return f"{type(value).__name__}:{value!r}"


def _joined(node: ast.JoinedStr) -> list[tuple[str, object]]:
    return [("values", _pieces(node))]


def _pieces(node: object) -> list[object]:
    """The parts of an f-string with neighbouring constants joined and empty ones dropped."""
    if not isinstance(node, ast.JoinedStr):
        return [node]
    merged: list[object] = []
    for part in node.values:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            last = merged[-1] if merged else None
            if isinstance(last, ast.Constant):
                merged[-1] = ast.Constant(str(last.value) + part.value)
            elif part.value:
                merged.append(part)
        else:
            merged.append(part)
    return merged
