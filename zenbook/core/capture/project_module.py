"""One module of the project: its file, cut into top-level statements that say what they bind and use.

This is what a module says by itself; which of its statements travel is decided in `project`.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from zenbook.core.capsule import Module, Piece
from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import Chain, Names, names_of
from zenbook.core.capture.source_text import dotted_chain, lines_of, root_name
from zenbook.core.distributions import find_module, project_file
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement at a module's top level, a node of the module's dependency graph."""

    node: ast.stmt
    names: Names
    own_imports: tuple[Import, ...]  # imports that bind names of the module, not those within functions or classes

    @property
    def binds(self) -> Mapping[str, ast.AST]:
        """The module's names that it binds."""
        return self.names.binds

    @property
    def uses(self) -> list[Chain]:
        """What it, or a function or class that it defines, reads from the module, sorted."""
        return sorted(self.names.reads | self.names.reads_in_annotations)

    @property
    def star_imports(self) -> list[ast.ImportFrom]:
        """The ``from … import *`` in it."""
        imports = (node for node in self.names.imports if isinstance(node, ast.ImportFrom))
        return [node for node in imports if any(alias.name == "*" for alias in node.names)]

    @property
    def is_import(self) -> bool:
        """Whether it is an import itself, and not a block that holds one."""
        return isinstance(self.node, Import)


@dataclass(frozen=True, slots=True)
class ProjectModule:
    """A module's file, cut into its statements."""

    name: str
    path: Path | None  # None for a namespace package
    package: bool
    text: str
    statements: tuple[Statement, ...]
    binders: Mapping[str, list[Statement]] = field(default_factory=dict)  # name -> the statements that bind it
    stars: tuple[str, ...] = ()  # the modules of which all names are imported
    future: tuple[str, ...] = ()
    read_anywhere: frozenset[str] = frozenset()
    dropped_lines: frozenset[int] = frozenset()  # of @step decorators, which do not travel
    pipelines: frozenset[str] = frozenset()  # the functions with @pipeline

    @property
    def package_name(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.package else self.name.rpartition(".")[0]

    def source_of(self, node: ast.ImportFrom) -> str:
        """Find the module that one of its from-imports names.

        Args:
            node: The import.

        Returns:
            The module's dotted name, a relative one made absolute.
        """
        return absolute_module(node, self.package_name)

    def binds_read(self, statement: Statement) -> bool:
        """Find out whether a statement binds a name that the module reads anywhere.

        Args:
            statement: One of its statements.

        Returns:
            True also for a statement that binds nothing.
        """
        return not statement.binds or any(name in self.read_anywhere for name in statement.binds)


def read_module(name: str) -> ProjectModule:
    """Read a module of the project from its file.

    Args:
        name: The module's dotted name.

    Returns:
        The module; without statements if it has no file (a namespace package). Raises `CaptureError` if the file
        cannot be read or parsed.
    """
    origin = project_file(name)
    spec = find_module(name)
    package = spec is not None and spec.submodule_search_locations is not None
    if origin is None or not origin.endswith(".py"):
        return ProjectModule(name, None, True, "", ())
    text, tree = _parsed_file(name, origin)
    future = tuple(alias.name for node in tree.body if _is_future(node) for alias in node.names)
    body = [node for node in tree.body if not _is_future(node)]
    zenbook_names = _zenbook_names(body)
    pipelines = _pipelines(body, zenbook_names)
    dropped_lines = frozenset(line for node in body for line in _drop_decorators(node, zenbook_names))
    statements = _statements(body, future_annotations="annotations" in future)
    read = {chain[0] for statement in statements for chain in statement.uses}
    package_name = name if package else name.rpartition(".")[0]
    return ProjectModule(
        name,
        Path(origin),
        package,
        text,
        statements,
        binders=_binders(statements),
        stars=tuple(absolute_module(node, package_name) for statement in statements for node in statement.star_imports),
        future=future,
        read_anywhere=frozenset(read) | zenbook_names.keys(),
        dropped_lines=dropped_lines,
        pipelines=pipelines,
    )


def cut_out(module: ProjectModule, reached: Set[Statement]) -> Module:
    """Put together what travels of a module.

    Args:
        module: The module.
        reached: The statements that travel, among them those of other modules.

    Returns:
        The part of a capsule: the reached statements in their order and with their text.
    """
    pieces = []
    if module.future and any(statement in reached for statement in module.statements):
        pieces.append(Piece(f"from __future__ import {', '.join(module.future)}", "", 0))
    for number, statement in enumerate(module.statements):
        if statement in reached:
            text, line = _source_lines(module, number)
            pieces.append(Piece(text, str(module.path), line))
    return Module(module.name, tuple(pieces), module.package)


def absolute_module(node: ast.ImportFrom, package: str) -> str:
    """Find the module that a from-import names.

    Args:
        node: The import.
        package: The package that a relative import starts from; "" outside of packages.

    Returns:
        The module's dotted name.
    """
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


# --- cutting a module into statements -------------------------------------------------------------------------------


def _parsed_file(module: str, file: str) -> tuple[str, ast.Module]:
    """The text of a module's file and its syntax tree."""
    try:
        with tokenize.open(file) as opened:
            text = opened.read()
        return text, parse(text, filename=file)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise CaptureError(
            f"Could not read the module {module!r} ({file}): {error}.", "Fix the file and run again."
        ) from error


def _binders(statements: Sequence[Statement]) -> dict[str, list[Statement]]:
    binders: dict[str, list[Statement]] = {}
    for statement in statements:
        for name in statement.binds:
            binders.setdefault(name, []).append(statement)
    return binders


def _statements(body: Sequence[ast.stmt], *, future_annotations: bool) -> tuple[Statement, ...]:
    return tuple(
        Statement(node, names_of([node], future_annotations=future_annotations), tuple(_own_imports(node)))
        for node in body
    )


def _own_imports(node: ast.stmt) -> Iterator[Import]:
    """The imports of a statement that bind names of the module."""
    if isinstance(node, Import):
        yield node
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _own_imports(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _own_imports(inner)


def _is_future(node: ast.stmt) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _source_lines(module: ProjectModule, number: int) -> tuple[str, int]:
    """The text of a statement with its decorators, and the number of its first line, 1-based."""
    nodes = [statement.node for statement in module.statements]
    node = nodes[number]
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    last = node.end_lineno or node.lineno
    shares_first = number > 0 and nodes[number - 1].end_lineno == first
    shares_last = number + 1 < len(nodes) and nodes[number + 1].lineno == last
    if shares_first or shares_last:
        return ast.get_source_segment(module.text, node) or "", first
    lines = lines_of(module.text)  # whole lines, with the comments at their ends
    numbers = [line for line in range(first, last + 1) if line not in module.dropped_lines]
    return "\n".join(lines[line - 1] for line in numbers), numbers[0]


# --- zenbook's own decorators ---------------------------------------------------------------------------------------


def _zenbook_names(body: Sequence[ast.stmt]) -> dict[str, str]:
    """The names that a module imports from zenbook, and what each is called there."""
    names: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zenbook":
            names |= {bound_by_import(alias, node): alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            own = [alias for alias in node.names if alias.name.partition(".")[0] == "zenbook"]
            names |= {bound_by_import(alias, node): alias.name for alias in own}
    return names


def _pipelines(body: Sequence[ast.stmt], zenbook_names: Mapping[str, str]) -> frozenset[str]:
    """The functions that zenbook's decorator makes pipelines."""
    return frozenset(
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        for chain in [dotted_chain(decorator.func if isinstance(decorator, ast.Call) else decorator)]
        if chain and chain[0] in zenbook_names and [zenbook_names[chain[0]], *chain[1:]][-1] == "pipeline"
    )


def _drop_decorators(node: ast.stmt, zenbook_names: Mapping[str, str]) -> list[int]:
    """Take zenbook's decorators off a function: they say how it is run here, not what it does. Gives their lines."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    lines: list[int] = []
    for decorator in list(node.decorator_list):
        root = root_name(decorator)
        if root is not None and root.id in zenbook_names:
            node.decorator_list.remove(decorator)
            lines += range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    return lines
