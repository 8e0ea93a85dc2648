"""Where a live function, class or import comes from: its syntax tree and its lines.

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

from zenbook.core.canonical import canonical
from zenbook.core.scope import bound_by_import
from zenbook.errors import CaptureError

_CELL = re.compile(r"^<ipython-input-|[/\\]ipykernel_\d+[/\\]|^<zenbook-cell-")
_labels: list[Callable[[str], str | None]] = []


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
    linecache.cache[file] = (len(text), None, [line + "\n" for line in text.splitlines()], file)


def function_definition(function: FunctionType) -> Definition:
    """Find where a function was written. Raises `CaptureError` when its source is not known."""
    code = function.__code__
    text = _text(code.co_filename)
    tree = _tree(text) if text else None
    if tree is not None:
        for node in ast.walk(tree):
            if code.co_name == "<lambda>":
                if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno and _compiles_to(node, code):
                    return Definition(node, code.co_filename, text)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                if first == code.co_firstlineno:
                    return Definition(node, code.co_filename, text)
    raise CaptureError(
        f"The source of {function.__qualname__!r} is not known.",
        "Define it in a cell or in a module's file (not by exec or in a Python prompt).",
    )


def class_definition(cls: type) -> Definition:
    """Find where a class was written. Raises `CaptureError` when its source is not known."""
    name = cls.__qualname__
    for file in _files_of_class(cls):
        text = _text(file)
        tree = _tree(text) if text else None
        for node in tree.body if tree is not None else ():
            if isinstance(node, ast.ClassDef) and node.name == name:
                return Definition(node, file, text)
    hint = "Define it in a cell or in a module's file"
    if "<locals>" in name:
        hint += ", at the top level and not within a function"
    raise CaptureError(f"The source of the class {name!r} is not known.", hint + ".")


def import_of(name: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """The import statements of executed cells that bind a name at the top level, newest first."""
    for file in cells():
        tree = _tree(_text(file))
        for node in reversed(list(_imports(tree)) if tree is not None else []):
            for alias in node.names:
                if alias.name != "*" and bound_by_import(alias, node) == name:
                    yield node, alias


def unread_imports() -> list[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Imports of executed cells whose name no cell ever reads: they are there for their side effect."""
    read: set[str] = set()
    found: list[tuple[ast.Import | ast.ImportFrom, ast.alias]] = []
    for file in cells():
        tree = _tree(_text(file))
        if tree is not None:
            read |= _names_read(_text(file))
            found += [(node, alias) for node in _imports(tree) for alias in node.names if alias.name != "*"]
    return [(node, alias) for node, alias in found if bound_by_import(alias, node) not in read]


def place_of_name(name: str) -> str:
    """Where a name of the notebook was last bound, for people; empty if that is not known."""
    for file in cells():
        tree = _tree(_text(file))
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                return place_of(file, node.lineno)
    return ""


def cells() -> list[str]:
    """The file names of the notebook's cells (or the main script), newest first."""
    found = [name for name in linecache.cache if _CELL.search(name)]
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return [*reversed(found), *([main] if main else [])]


def text_of(definition: Definition, drop: tuple[ast.expr, ...] = ()) -> str:
    """A definition's lines at the left margin, without the decorators in ``drop``.

    Lines within multi-line strings stay as they are.
    """
    node = definition.node
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment(definition.text, node) or ""
    lines = definition.text.splitlines()
    dropped = {line for one in drop for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    kept = _outside_strings(node, range(first, (node.end_lineno or node.lineno) + 1))
    out = []
    for number in range(first, (node.end_lineno or node.lineno) + 1):
        if number in dropped:
            continue
        line = lines[number - 1]
        indent = node.col_offset if number in kept else 0
        out.append(line[indent:] if not line[:indent].strip() else line)
    return "\n".join(out)


def _outside_strings(node: ast.AST, numbers: range) -> set[int]:
    kept = set(numbers)
    for one in ast.walk(node):
        if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes)):
            kept -= set(range(one.lineno + 1, (one.end_lineno or one.lineno) + 1))
    return kept


def _files_of_class(cls: type) -> Iterator[str]:
    for member in vars(cls).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        code = getattr(inner, "__code__", None)
        if isinstance(code, CodeType) and inner.__qualname__.startswith(f"{cls.__qualname__}."):
            if code.co_filename != "<string>":
                yield code.co_filename
    yield from cells()


def _text(file: str) -> str:
    if not _CELL.search(file):
        linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=1024)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


@lru_cache(maxsize=1024)
def _names_read(text: str) -> frozenset[str]:
    tree = _tree(text)
    nodes = ast.walk(tree) if tree is not None else iter(())
    return frozenset(one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load))


def _imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from (one for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom))


def _compiles_to(node: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda is the one that was compiled to ``code``: the column of its first instruction says so."""
    columns = [
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and (line, column) > (node.lineno, node.col_offset)
    ]
    inside = [one for one in columns if one <= (node.end_lineno or 0, node.end_col_offset or 0)]
    return bool(inside) and len(inside) == len(columns) and _same_arguments(node, code)


def _same_arguments(node: ast.Lambda, code: CodeType) -> bool:
    arguments = node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return list(code.co_varnames[: len(names)]) == names


def same_source(one: ast.AST, other: ast.AST) -> bool:
    """Whether two definitions say the same."""
    return canonical(one) == canonical(other)
