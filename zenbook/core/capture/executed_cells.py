"""The notebook's cells that were executed: their text, what they import and bind, and what people call them.

Cells are found in `linecache`, where IPython and ipykernel keep every cell that was executed, under a name that changes
with the text; so what is found there is what was executed, whatever the notebook shows now.
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

from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import names_of
from zenbook.core.capture.source_text import lines_of
from zenbook.core.parsing import parse

_CELL = re.compile(r"^<ipython-input-|[/\\]ipykernel_\d+[/\\]|^<zenbook-cell-")
_labels: list[Callable[[str], str | None]] = []
_remembered = 0  # how many cells `remember_cell` was called for

ImportPart = tuple[ast.Import | ast.ImportFrom, ast.alias]  # a statement, and one of the names that it imports


# --- places ---------------------------------------------------------------------------------------------------------


def register_labels(label: Callable[[str], str | None]) -> None:
    """Let a notebook say which cell a file name stands for.

    Args:
        label: Gives "cell 3" for a file name that it knows, else None.
    """
    if label not in _labels:
        _labels.append(label)


def forget_labels(label: Callable[[str], str | None]) -> None:
    """Stop asking a notebook.

    Args:
        label: What `register_labels` was called with.
    """
    if label in _labels:
        _labels.remove(label)


def place_of(file: str, line: int) -> str:
    """Describe a place for people.

    Args:
        file: The file name of a cell or module.
        line: The line in it, 1-based.

    Returns:
        'cell 3' or 'helpers.py, line 12'.
    """
    for label in _labels:
        place = label(file)
        if place:
            return place
    if _CELL.search(file):
        return "a cell"
    return f"{file.replace(chr(92), '/').rpartition('/')[2]}, line {line}"


def place_of_name(name: str) -> str:
    """Find where a name of the notebook was last bound.

    Args:
        name: The name.

    Returns:
        The place for people; empty if it is not known.
    """
    for file in cells():
        tree = tree_of(text_of_file(file))
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                return place_of(file, node.lineno)
    return ""


# --- what the cells say ---------------------------------------------------------------------------------------------


def cells() -> list[str]:
    """The file names of the notebook's cells (or the main script), the one that was executed last first."""
    return _executed().files


def remember_cell(file: str, text: str) -> None:
    """Keep the source of compiled code, for tracebacks and for later captures.

    Args:
        file: The file name that the code was compiled with.
        text: The source.
    """
    global _remembered  # noqa: PLW0603
    _remembered += 1
    linecache.cache.pop(file, None)  # so that the newest stands last
    linecache.cache[file] = (len(text), None, [line + "\n" for line in lines_of(text)], file)


def import_of(name: str) -> Iterator[ImportPart]:
    """Find the imports of executed cells that bind a name at the top level.

    Args:
        name: The name.

    Yields:
        The statements and their parts, newest first. They end where a cell binds the name in another way: what was
        imported before that is another object.
    """
    for imports in _executed().binders.get(name, ()):
        if not imports:
            return
        yield from imports


def star_imports() -> list[ast.ImportFrom]:
    """The ``from … import *`` of executed cells, newest first."""
    return _executed().stars


def imported_modules() -> list[str]:
    """The modules that executed cells import, or import from."""
    return [name for name in _executed().modules if name in sys.modules]


def unread_imports() -> list[ImportPart]:
    """Imports of executed cells whose name no cell ever reads: they may be there for their side effect."""
    executed = _executed()
    return [
        part
        for name, binders in executed.binders.items()
        if name not in executed.read
        for imports in binders
        for part in imports
    ]


# --- files and trees ------------------------------------------------------------------------------------------------


def text_of_file(file: str) -> str:
    """Read a file or cell.

    Args:
        file: Its name.

    Returns:
        Its text, "" if the file does not exist.
    """
    if not _CELL.search(file):
        linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=1024)
def tree_of(text: str) -> ast.Module | None:
    """Parse a text, once.

    Args:
        text: The source.

    Returns:
        The syntax tree, None if the text is not Python. The tree is shared: do not change it.
    """
    try:
        return parse(text)
    except SyntaxError:
        return None


# --- the memory of what was executed --------------------------------------------------------------------------------


@dataclass(slots=True)
class _CellFacts:
    """What one cell's top level says; lists have an entry for each statement, the last statement first."""

    imports: list[dict[str, list[ImportPart]]] = field(default_factory=list)
    binds: list[frozenset[str]] = field(default_factory=list)
    stars: list[ast.ImportFrom] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    read: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Executed:
    """All cells that were executed, newest first, and what they say together."""

    files: list[str]
    binders: dict[str, list[list[ImportPart]]] = field(default_factory=dict)  # empty where it was not an import
    stars: list[ast.ImportFrom] = field(default_factory=list)
    modules: dict[str, None] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    def add(self, facts: _CellFacts) -> None:
        """Add what an older cell says."""
        for imports, binds in zip(facts.imports, facts.binds, strict=True):
            for name, parts in imports.items():
                self.binders.setdefault(name, []).append(parts)
            for name in binds - imports.keys():
                self.binders.setdefault(name, []).append([])
        self.stars += facts.stars
        self.modules |= dict.fromkeys(facts.modules)
        self.read |= facts.read


_last: tuple[object, _Executed] | None = None


def _executed() -> _Executed:
    """The executed cells; put together again only when another one was executed."""
    global _last  # noqa: PLW0603  # the last answer
    main = sys.modules.get("__main__")
    history = getattr(main, "In", None)
    file = getattr(main, "__file__", None)
    inputs = history if type(history) is list else []
    stamp = (len(linecache.cache), _remembered, main, len(inputs), file, _state_of(file))
    if _last is None or _last[0] != stamp:
        executed = _Executed([*_newest_first(inputs), *([file] if file else [])])
        for name in executed.files:
            executed.add(_facts(text_of_file(name)))
        _last = stamp, executed
    return _last[1]


def _newest_first(history: list[object]) -> list[str]:
    """`linecache` keeps a cell that is executed again at its old place; IPython's inputs tell when that was."""
    last = {text.strip(): number for number, text in enumerate(history) if isinstance(text, str)}
    ranks: dict[str, int] = {}
    newest = -1
    for name in list(linecache.cache):
        if _CELL.search(name):
            rank = last.get(text_of_file(name).strip(), newest)
            newest = max(newest, rank)
            ranks[name] = rank
    return sorted(ranks, key=lambda name: ranks[name])[::-1]


@lru_cache(maxsize=4096)
def _facts(text: str) -> _CellFacts:
    facts = _CellFacts()
    tree = tree_of(text)
    if tree is None:
        return facts
    for statement in reversed(tree.body):
        imports: dict[str, list[ImportPart]] = {}
        for node in _imports_in(statement):
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
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    facts.read = frozenset(node.id for node in names)
    return facts


def _imports_in(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports at the top level, those within ``if``, ``try`` and ``with`` included."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield statement
    elif isinstance(statement, ast.If | ast.Try | ast.With):
        yield from (node for node in ast.walk(statement) if isinstance(node, ast.Import | ast.ImportFrom))


def _state_of(file: str | None) -> tuple[int, int]:
    """(modification time in ns, size in bytes) of a file; zeros if there is none."""
    try:
        status = os.stat(file) if file else None  # noqa: PTH116
    except OSError:
        status = None
    return (status.st_mtime_ns, status.st_size) if status is not None else (0, 0)
