"""Find where a live function or lambda was written: its syntax tree and its lines."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import CodeType, FunctionType

from zenbook.core.capture.executed_cells import place_of, text_of_file, tree_of
from zenbook.core.capture.source_text import Written, first_line
from zenbook.errors import CaptureError

FUTURE_ANNOTATIONS = 0x1000000  # the compiler flag of `from __future__ import annotations` (Include/cpython/code.h)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, class or lambda in its file."""

    node: Written
    file: str
    text: str  # of the whole file or cell

    @property
    def place(self) -> str:
        """For people: 'cell 3' or 'helpers.py, line 12'."""
        return place_of(self.file, self.node.lineno)


def function_definition(function: FunctionType) -> Definition:
    """Find where a function was written.

    Args:
        function: The live function.

    Returns:
        Its definition, or its lambda.

    Raises:
        CaptureError: Its source is not known.
    """
    code = function.__code__
    text = text_of_file(code.co_filename)
    tree = tree_of(text) if text else None
    node: Written | None = None
    if tree is not None:
        node = _lambda_of(tree, code) if code.co_name == "<lambda>" else _function_of(tree, code)
    if node is None:
        raise CaptureError(
            f"The source of {function.__qualname__!r} is not known.",
            "Define it in a cell or in a module's file (not by exec or in a Python prompt).",
        )
    return Definition(node, code.co_filename, text)


def _function_of(tree: ast.Module, code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name == code.co_name and first_line(node) == code.co_firstlineno:
            return node
    return None


def _lambda_of(tree: ast.Module, code: CodeType) -> ast.Lambda | None:
    """The lambda whose instructions stand at the same lines and columns."""
    positions = _positions(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            outer = compile(ast.Expression(node), "", "eval", dont_inherit=True)
            inner = next(constant for constant in outer.co_consts if isinstance(constant, CodeType))
            if _parameters(inner) == _parameters(code) and _positions(inner) == positions:
                return node
    return None


def _parameters(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount]


def _positions(code: CodeType) -> set[tuple[int | None, ...]]:
    return {position for position in code.co_positions() if position[2] and position[3]}  # some belong to no column
