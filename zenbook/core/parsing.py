"""Parse Python, one thread at a time: CPython (3.11 at least) counts the depth of a tree for all threads together.

Two threads that parse at once then get ``SystemError: AST constructor recursion depth mismatch``
(https://github.com/python/cpython/issues/106905).
"""

from __future__ import annotations

import ast
import threading
from typing import Literal, overload

_parser_lock = threading.RLock()


@overload
def parse(source: str, filename: str = "<unknown>", mode: Literal["exec"] = "exec") -> ast.Module: ...
@overload
def parse(source: str, filename: str = "<unknown>", *, mode: Literal["eval"]) -> ast.Expression: ...
def parse(source: str, filename: str = "<unknown>", mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """Parse a source text. Raises `SyntaxError`, and `ValueError` for a text with null bytes.

    Args:
        source: The source text.
        filename: Its file, for error messages.
        mode: "exec" for a module, "eval" for an expression.

    Returns:
        The syntax tree.
    """
    with _parser_lock:
        return ast.parse(source, filename, mode)
