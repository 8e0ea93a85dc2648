"""Where a live function or lambda comes from: its syntax tree and its lines.

Notebook cells are found in `linecache`, where IPython and ipykernel keep every cell that was executed, under a name
that changes with the text; so what is found there is what was executed, whatever the notebook shows now.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType

from zenbook.core.bindings import bound_by_import
from zenbook.core.scope import names_of
from zenbook.errors import CaptureError

_CELL = re.compile(r"^<ipython-input-|[/\\]ipykernel_\d+[/\\]|^<zenbook-cell-")
_labels: list[Callable[[str], str | None]] = []

FUTURE_ANNOTATIONS = 0x1000000  # the compiler flag of `from __future__ import annotations` (Include/cpython/code.h)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, class or lambda in its file."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    file: str
    text: str  # of the whole file or cell

    @property
    def place(self) -> str:
        """For people: 'cell 3' or 'helpers.py, line 12'."""
        return place_of(self.file, self.node.lineno)


def register_labels(label: Callable[[str], str | None]) -> None:
    """Let a notebook say which cell a file name stands for."""
    if label not in _labels:
        _labels.append(label)


def place_of(file: str, line: int) -> str:
    """A place for people: 'cell 3' or 'helpers.py, line 12'."""
    for label in _labels:
        found = label(file)
        if found:
            return found
    if _CELL.search(file):
        return "a cell"
    return f"{file.replace(chr(92), '/').rpartition('/')[2]}, line {line}"


def remember_cell(file: str, text: str) -> None:
    """Keep the source of code that was compiled under ``file``, for tracebacks and for later captures."""
    linecache.cache.pop(file, None)  # so that the newest stands last
    linecache.cache[file] = (len(text), None, [line + "\n" for line in lines_of(text)], file)


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them; `str.splitlines` also cuts at form feeds and the like."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def function_definition(function: FunctionType) -> Definition:
    """Find where a function was written. Raises `CaptureError` when its source is not known."""
    code = function.__code__
    text = text_of_file(code.co_filename)
    tree = tree_of(text) if text else None
    found = None
    if tree is not None:
        found = _lambda_of(tree, code) if code.co_name == "<lambda>" else _function_of(tree, code)
    if found is None:
        raise CaptureError(
            f"The source of {function.__qualname__!r} is not known.",
            "Define it in a cell or in a module's file (not by exec or in a Python prompt).",
        )
    return Definition(found, code.co_filename, text)


def _function_of(tree: ast.Module, code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    wanted = (code.co_name, code.co_firstlineno)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.name, first_line(node)) == wanted:
            return node
    return None


def _lambda_of(tree: ast.Module, code: CodeType) -> ast.Lambda | None:
    """The lambda whose instructions stand at the same lines and columns."""
    wanted = _positions(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            outer = compile(ast.Expression(node), "", "eval", dont_inherit=True)
            own = next(one for one in outer.co_consts if isinstance(one, CodeType))
            if own.co_varnames[: own.co_argcount] == code.co_varnames[: code.co_argcount] and _positions(own) == wanted:
                return node
    return None


def _positions(code: CodeType) -> set[tuple[int | None, ...]]:
    return {one for one in code.co_positions() if one[2] and one[3]}  # some belong to no column


def import_of(name: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """The import statements of executed cells that bind a name at the top level, newest first.

    They end where a cell binds the name otherwise: what was imported before that is another object.
    """
    for file in cells():
        tree = tree_of(text_of_file(file))
        for statement in reversed(tree.body if tree is not None else []):
            found = [
                (node, alias)
                for node in imports_in(statement)
                for alias in node.names
                if alias.name != "*" and bound_by_import(alias, node) == name
            ]
            yield from found
            if not found and name in _binds(statement):
                return


def star_imports() -> Iterator[ast.ImportFrom]:
    """The ``from … import *`` of executed cells, newest first."""
    for file in cells():
        tree = tree_of(text_of_file(file))
        for statement in reversed(tree.body if tree is not None else []):
            for node in imports_in(statement):
                if isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names):
                    yield node


def unread_imports() -> list[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Imports of executed cells whose name no cell ever reads: they may be there for their side effect."""
    read: set[str] = set()
    found: list[tuple[ast.Import | ast.ImportFrom, ast.alias]] = []
    for file in cells():
        text = text_of_file(file)
        tree = tree_of(text)
        if tree is not None:
            read |= _names_read(text)
            nodes = [node for statement in tree.body for node in imports_in(statement)]
            found += [(node, alias) for node in nodes for alias in node.names if alias.name != "*"]
    return [(node, alias) for node, alias in found if bound_by_import(alias, node) not in read]


def place_of_name(name: str) -> str:
    """Where a name of the notebook was last bound, for people; empty if that is not known."""
    for file in cells():
        tree = tree_of(text_of_file(file))
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                return place_of(file, node.lineno)
    return ""


def cells() -> list[str]:
    """The file names of the notebook's cells (or the main script), the one that was executed last first.

    `linecache` keeps a cell that is executed again at its old place; IPython's list of inputs tells when that was.
    """
    main = sys.modules.get("__main__")
    history = getattr(main, "In", None)
    last = (
        {text.strip(): at for at, text in enumerate(history) if isinstance(text, str)} if type(history) is list else {}
    )
    ranks: dict[str, int] = {}
    newest = -1
    for name in list(linecache.cache):
        if _CELL.search(name):
            rank = last.get(text_of_file(name).strip(), newest)
            newest = max(newest, rank)
            ranks[name] = rank
    found = sorted(ranks, key=lambda one: ranks[one])[::-1]
    file = getattr(main, "__file__", None)
    return [*found, *([file] if file else [])]


def text_of(definition: Definition, drop: tuple[ast.expr, ...] = ()) -> str:
    """A definition's lines at the left margin, without the decorators in ``drop``.

    Lines within multi-line strings stay as they are.
    """
    node = definition.node
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment(definition.text, node) or ""
    lines = lines_of(definition.text)
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
    inside = _within_strings(ast.parse(text))
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


def text_of_file(file: str) -> str:
    """The text of a file or cell, "" where there is none."""
    if not _CELL.search(file):
        linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=1024)
def tree_of(text: str) -> ast.Module | None:
    """The syntax tree of a text, None where it has none. It is shared: don't change it."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def imports_in(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports at the top level, those within ``if``, ``try`` and ``with`` included."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield statement
    elif isinstance(statement, ast.If | ast.Try | ast.With):
        yield from (one for one in ast.walk(statement) if isinstance(one, ast.Import | ast.ImportFrom))


def _within_strings(node: ast.AST) -> set[int]:
    """The lines that begin inside of a string."""
    return {
        line
        for one in ast.walk(node)
        if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes))
        for line in range(one.lineno + 1, (one.end_lineno or one.lineno) + 1)
    }


@lru_cache(maxsize=1024)
def _names_read(text: str) -> frozenset[str]:
    tree = tree_of(text)
    nodes = ast.walk(tree) if tree is not None else iter(())
    return frozenset(one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load))


@lru_cache(maxsize=4096)
def _binds(statement: ast.stmt) -> frozenset[str]:
    return frozenset(names_of([statement]).binds)
