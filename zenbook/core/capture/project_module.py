"""One module of the project: its file, cut into top-level statements."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zenbook.core.capsule import Module, Piece
from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import Chain, Names, names_of
from zenbook.core.capture.source_text import lines_of
from zenbook.core.distributions import find_module, project_file
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError


@dataclass(slots=True)
class Statement:
    """One statement at a module's top level."""

    node: ast.stmt
    names: Names
    reached: bool = False


@dataclass(slots=True)
class ProjectModule:
    """A module's file, cut into its statements."""

    name: str
    path: Path | None  # None for a namespace package
    package: bool
    text: str
    statements: list[Statement]
    binders: dict[str, list[Statement]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)  # project modules of which all names are imported
    future: tuple[str, ...] = ()
    read_anywhere: frozenset[str] = frozenset()
    dropped: tuple[int, ...] = ()  # lines of @step decorators, which do not travel
    pipelines: frozenset[str] = frozenset()  # the functions with @pipeline


def _source_lines(
    text: str, node: ast.stmt, neighbours: tuple[ast.stmt | None, ast.stmt | None], dropped: tuple[int, ...] = ()
) -> tuple[str, int]:
    """The text of a statement with its decorators and the number of its first line, 1-based.

    Whole lines are taken, comments at their ends included, unless a neighbour shares them.
    """
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    last = node.end_lineno or node.lineno
    before, after = neighbours
    shared = (before is not None and before.end_lineno == first) or (after is not None and after.lineno == last)
    if shared:
        return ast.get_source_segment(text, node) or "", first
    lines = lines_of(text)
    kept = [number for number in range(first, last + 1) if number not in dropped]
    return "\n".join(lines[number - 1] for number in kept), kept[0]


def read_module(name: str) -> ProjectModule:
    """Read a module of the project. Raises `CaptureError` for a file that can't be read or parsed."""
    origin = project_file(name)
    spec = find_module(name)
    package = spec is not None and spec.submodule_search_locations is not None
    if origin is None or not origin.endswith(".py"):
        return ProjectModule(name, None, True, "", [])
    path = Path(origin)
    try:
        with tokenize.open(path) as file:
            text = file.read()
        tree = parse(text, filename=origin)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise CaptureError(
            f"The module {name!r} ({path}) can't be read: {error}.", "Mend the file and run again."
        ) from error
    future = tuple(
        one.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for one in node.names
    )
    body = [node for node in tree.body if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")]
    ours = _zenbook_names(body)
    pipelines = _pipelines(body, ours)
    dropped = tuple(line for node in body for line in _drop_decorators(node, ours))
    statements = [Statement(node, names_of([node], future_annotations="annotations" in future)) for node in body]
    read = {chain[0] for one in statements for chain in one.names.reads | one.names.reads_in_annotations}
    return ProjectModule(
        name,
        path,
        package,
        text,
        statements,
        future=future,
        read_anywhere=frozenset(read) | ours.keys(),
        dropped=dropped,
        pipelines=pipelines,
    )


def _zenbook_names(body: list[ast.stmt]) -> dict[str, str]:
    """The names that a module imports from zenbook, and what each is called there."""
    names: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zenbook":
            names |= {bound_by_import(one, node): one.name for one in node.names}
        elif isinstance(node, ast.Import):
            own = [one for one in node.names if one.name.partition(".")[0] == "zenbook"]
            names |= {bound_by_import(one, node): one.name for one in own}
    return names


def _pipelines(body: list[ast.stmt], ours: Mapping[str, str]) -> frozenset[str]:
    """The functions that zenbook's decorator makes pipelines."""
    return frozenset(
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef)
        for chain in [dotted(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list]
        if chain and chain[0] in ours and [ours[chain[0]], *chain[1:]][-1] == "pipeline"
    )


def called_at_top(node: ast.stmt) -> Iterator[str]:
    """The names whose values a statement calls, or whose methods, while its module is imported."""
    waiting: list[ast.AST] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(one, ast.Call) and isinstance(root := root_of(one), ast.Name):
            yield root.id
        waiting += ast.iter_child_nodes(one)


def root_of(node: ast.expr) -> ast.expr:
    """What a chain of calls, attributes and items begins with: ``a`` of ``a.b(c)[d]``."""
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _drop_decorators(node: ast.stmt, ours: Mapping[str, str]) -> list[int]:
    """Take zenbook's decorators off a function: they say how it is run here, not what it does. Gives their lines."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    lines: list[int] = []
    for decorator in list(node.decorator_list):
        root = root_of(decorator)
        if isinstance(root, ast.Name) and root.id in ours:
            node.decorator_list.remove(decorator)
            lines += range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    return lines


def cut_out(mod: ProjectModule) -> Module:
    """The statements that are reached, as they travel."""
    pieces = []
    if mod.future and any(one.reached for one in mod.statements):
        pieces.append(Piece(f"from __future__ import {', '.join(mod.future)}", "", 0))
    nodes = [one.node for one in mod.statements]
    for place, statement in enumerate(mod.statements):
        if statement.reached:
            around = (nodes[place - 1] if place else None, nodes[place + 1] if place + 1 < len(nodes) else None)
            text, line = _source_lines(mod.text, statement.node, around, mod.dropped)
            pieces.append(Piece(text, str(mod.path), line))
    return Module(mod.name, tuple(pieces), mod.package)


def package_of(mod: ProjectModule) -> str:
    """The package that relative imports of a module start from."""
    return mod.name if mod.package else mod.name.rpartition(".")[0]


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that a from-import names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def top_level_imports(node: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a statement that bind names of the module (not those within functions or classes)."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from top_level_imports(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from top_level_imports(inner)


def dotted(node: ast.expr) -> Chain:
    """``a.b.c`` as a chain; empty for anything else."""
    parts: list[str] = []
    node = node.value if isinstance(node, ast.Subscript) else node
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def binds_read(statement: Statement, mod: ProjectModule) -> bool:
    """Whether a statement binds a name that its module reads anywhere."""
    return not statement.names.binds or any(name in mod.read_anywhere for name in statement.names.binds)


def is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement only runs in a module that is executed as a script."""
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def acts(node: ast.stmt) -> bool:
    """Whether a statement does more than bind names: it calls something for its effect, or changes an object."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(one, ast.Attribute | ast.Subscript) for one in targets)
    if isinstance(node, ast.Delete | ast.Assert | ast.Raise):
        return True
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    return any(acts(child) for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)
