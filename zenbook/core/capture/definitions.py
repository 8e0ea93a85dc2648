"""Where a live function or lambda comes from: its syntax tree and its lines.

Notebook cells are found in `linecache`, where IPython and ipykernel keep every cell that was executed, under a name
that changes with the text; so what is found there is what was executed, whatever the notebook shows now.
"""

from __future__ import annotations

import ast
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FunctionType

from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import names_of
from zenbook.core.capture.source_text import Written, first_line, lines_of
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

_CELL = re.compile(r"^<ipython-input-|[/\\]ipykernel_\d+[/\\]|^<zenbook-cell-")
_remembered = 0  # how many cells were
_labels: list[Callable[[str], str | None]] = []

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


def register_labels(label: Callable[[str], str | None]) -> None:
    """Let a notebook say which cell a file name stands for."""
    if label not in _labels:
        _labels.append(label)


def forget_labels(label: Callable[[str], str | None]) -> None:
    """Ask the notebook no longer."""
    if label in _labels:
        _labels.remove(label)


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
    global _remembered  # noqa: PLW0603
    _remembered += 1
    linecache.cache.pop(file, None)  # so that the newest stands last
    linecache.cache[file] = (len(text), None, [line + "\n" for line in lines_of(text)], file)


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
    for found in _executed().binders.get(name, ()):
        if not found:
            return
        yield from found


def star_imports() -> list[ast.ImportFrom]:
    """The ``from … import *`` of executed cells, newest first."""
    return _executed().stars


def imported_modules() -> list[str]:
    """The modules that executed cells import, or import from."""
    return [name for name in _executed().modules if name in sys.modules]


def unread_imports() -> list[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Imports of executed cells whose name no cell ever reads: they may be there for their side effect."""
    executed = _executed()
    found = [(name, one) for name, binders in executed.binders.items() for each in binders for one in each]
    return [one for name, one in found if name not in executed.read]


def place_of_name(name: str) -> str:
    """Where a name of the notebook was last bound, for people; empty if that is not known."""
    for file in cells():
        tree = tree_of(text_of_file(file))
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                return place_of(file, node.lineno)
    return ""


def cells() -> list[str]:
    """The file names of the notebook's cells (or the main script), the one that was executed last first."""
    return _executed().files


# --- what was executed ----------------------------------------------------------------------------------------------

_Imported = list[tuple[ast.Import | ast.ImportFrom, ast.alias]]


@dataclass(slots=True)
class _Facts:
    """What one cell's top level says: its statements' bindings (imports by name, and other names), and its reads."""

    imports: list[dict[str, _Imported]] = field(default_factory=list)  # of each statement, last first
    binds: list[frozenset[str]] = field(default_factory=list)
    stars: list[ast.ImportFrom] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    read: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Executed:
    """All cells that were executed, newest first, and what they say together."""

    files: list[str]
    binders: dict[str, list[_Imported]] = field(default_factory=dict)  # of a name; empty where it was no import
    stars: list[ast.ImportFrom] = field(default_factory=list)
    modules: dict[str, None] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)


_known: tuple[object, _Executed] | None = None


def _executed() -> _Executed:
    """The executed cells; put together again only when another one was executed."""
    global _known  # noqa: PLW0603  # a memory of one
    main = sys.modules.get("__main__")
    history = getattr(main, "In", None)
    file = getattr(main, "__file__", None)
    inputs = history if type(history) is list else []
    stamp = (len(linecache.cache), _remembered, main, len(inputs), file, _state_of(file))
    if _known is None or _known[0] != stamp:
        made = _Executed([*_in_order(inputs), *([file] if file else [])])
        for one in made.files:
            _add(made, _facts(text_of_file(one)))
        _known = stamp, made
    return _known[1]


def _in_order(history: list[object]) -> list[str]:
    """`linecache` keeps a cell that is executed again at its old place; IPython's inputs tell when that was."""
    last = {text.strip(): at for at, text in enumerate(history) if isinstance(text, str)}
    ranks: dict[str, int] = {}
    newest = -1
    for name in list(linecache.cache):
        if _CELL.search(name):
            rank = last.get(text_of_file(name).strip(), newest)
            newest = max(newest, rank)
            ranks[name] = rank
    return sorted(ranks, key=lambda one: ranks[one])[::-1]


def _add(made: _Executed, facts: _Facts) -> None:
    for imports, binds in zip(facts.imports, facts.binds, strict=True):
        for name, found in imports.items():
            made.binders.setdefault(name, []).append(found)
        for name in binds - imports.keys():
            made.binders.setdefault(name, []).append([])
    made.stars += facts.stars
    made.modules |= dict.fromkeys(facts.modules)
    made.read |= facts.read


@lru_cache(maxsize=4096)
def _facts(text: str) -> _Facts:
    facts = _Facts()
    tree = tree_of(text)
    if tree is None:
        return facts
    for statement in reversed(tree.body):
        imports: dict[str, _Imported] = {}
        for node in imports_in(statement):
            for alias in node.names:
                if alias.name != "*":
                    imports.setdefault(bound_by_import(alias, node), []).append((node, alias))
                elif isinstance(node, ast.ImportFrom):
                    facts.stars.append(node)
            if isinstance(node, ast.Import):
                facts.modules += [alias.name for alias in node.names]
            elif node.module and not node.level:
                facts.modules.append(node.module)
        facts.imports.append(imports)
        facts.binds.append(frozenset(names_of([statement]).binds))
    names = (one for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load))
    facts.read = frozenset(one.id for one in names)
    return facts


def _state_of(file: str | None) -> tuple[int, int]:
    try:
        found = os.stat(file) if file else None  # noqa: PTH116
    except OSError:
        found = None
    return (found.st_mtime_ns, found.st_size) if found is not None else (0, 0)


# --- files and trees ------------------------------------------------------------------------------------------------


def text_of_file(file: str) -> str:
    """The text of a file or cell, "" where there is none."""
    if not _CELL.search(file):
        linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=1024)
def tree_of(text: str) -> ast.Module | None:
    """The syntax tree of a text, None where it has none. It is shared: don't change it."""
    try:
        return parse(text)
    except SyntaxError:
        return None


def imports_in(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports at the top level, those within ``if``, ``try`` and ``with`` included."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield statement
    elif isinstance(statement, ast.If | ast.Try | ast.With):
        yield from (one for one in ast.walk(statement) if isinstance(one, ast.Import | ast.ImportFrom))
