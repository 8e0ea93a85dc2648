"""The reached parts of a project's own modules, read from their files.

A module is cut into its top-level statements. A statement travels if it binds a name that is reached, or if it has a
side effect (a call, a loop, a registration); order and text stay as they are. Nothing is imported or executed here.
"""

from __future__ import annotations

import ast
import builtins
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zenbook.core.bindings import bound_by_import
from zenbook.core.capsule import Module, Piece
from zenbook.core.distributions import find_module, is_installed, is_stdlib, version_of
from zenbook.core.scope import Chain, Names, names_of
from zenbook.core.text import lines_of
from zenbook.errors import CaptureError

NO_FILE = frozenset({"__file__", "__spec__", "__loader__", "__cached__", "__path__"})  # what code in a capsule lacks


@dataclass(slots=True)
class _Statement:
    node: ast.stmt
    names: Names
    reached: bool = False


@dataclass(slots=True)
class _ProjectModule:
    name: str
    path: Path | None  # None for a namespace package
    package: bool
    text: str
    statements: list[_Statement]
    binders: dict[str, list[_Statement]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)  # project modules of which all names are imported
    future: tuple[str, ...] = ()
    read_anywhere: frozenset[str] = frozenset()
    dropped: tuple[int, ...] = ()  # lines of @step decorators, which do not travel


class ProjectCode:
    """Collects what is reached in project modules, and the names of the installed modules that this imports."""

    def __init__(self) -> None:
        self.installed: set[str] = set()
        self._modules: dict[str, _ProjectModule] = {}
        self._whole: set[str] = set()

    def is_project(self, name: str) -> bool:
        """Whether a module is the user's own: neither Python's, nor installed, nor zenbook."""
        return name in self._modules or project_file(name) is not None

    def defines(self, module: str, name: str) -> bool:
        """Whether a module's file is the project's own and binds a name."""
        return self.is_project(module) and name in self._load(module).binders

    def reach(self, module: str, chain: Chain = ()) -> None:
        """Reach a name of a project module, ``chain`` being it and the attributes read from it; all of it if empty.

        Raises `CaptureError` for a file that can't be read or parsed.
        """
        mod = self._load(module)
        if not chain:
            self._reach_all(mod)
            return
        name, rest = chain[0], chain[1:]
        if name in mod.binders:
            for statement in mod.binders[name]:
                self._reach_statement(mod, statement)
                self._follow(mod, statement, name, rest)
        elif self._is_module(f"{module}.{name}"):
            self.use_module(f"{module}.{name}", rest)
        elif not hasattr(builtins, name):
            for star in mod.stars:
                self.reach(star, chain)
            for statement in mod.binders.get("__getattr__", ()):
                self._reach_statement(mod, statement)

    def use_module(self, module: str, rest: Chain) -> None:
        """Note that ``module`` is read with these attributes: reached if it is the project's, required if installed."""
        while rest and self._is_module(f"{module}.{rest[0]}"):
            module, rest = f"{module}.{rest[0]}", rest[1:]
        if self.is_project(module):
            self.reach(module, rest)
        else:
            self.require(module)

    def require(self, module: str) -> None:
        """Note the import of a module that does not travel."""
        if not is_stdlib(module) and module.partition(".")[0] not in ("zenbook", "__future__"):
            self.installed.add(module)

    def follow_import(self, node: ast.Import | ast.ImportFrom, package: str, *, read: Chain | None = None) -> None:
        """Follow an import statement that travels; ``read`` is the chain that is read from the name it binds.

        Without ``read`` (an import in a function) all that the statement names is reached.
        """
        for alias in node.names:
            bound = bound_by_import(alias, node)
            if read is not None and bound != read[0]:
                continue
            rest = read[1:] if read is not None else ()
            if isinstance(node, ast.Import):
                self._follow_plain_import(alias, rest, whole=read is None)
            else:
                source = _absolute(node, package)
                if alias.name == "*":
                    self.use_module(source, ())
                elif self.is_project(source):
                    self.reach(source, (alias.name, *rest))
                else:
                    self.require(source)

    def _follow_plain_import(self, alias: ast.alias, rest: Chain, *, whole: bool) -> None:
        if alias.asname or whole or "." not in alias.name:
            self.use_module(alias.name, rest)
            return
        parts = tuple(alias.name.split("."))  # `import a.b.c` binds `a`, and makes a.b.c importable
        for depth in range(1, len(parts) + 1):
            prefix = ".".join(parts[:depth])
            if self.is_project(prefix):
                self._load(prefix)
        if not self.is_project(parts[0]):
            self.require(alias.name)
        elif rest:
            self.use_module(parts[0], rest)

    def texts(self) -> dict[str, str]:
        """The files that were read, and their text."""
        return {str(one.path): one.text for one in self._modules.values() if one.path is not None}

    def modules(self) -> tuple[Module, ...]:
        """What travels, by module name."""
        return tuple(_cut(self._modules[name]) for name in sorted(self._modules))

    # --- one module ---------------------------------------------------------------------------------------------

    def _load(self, name: str) -> _ProjectModule:
        if name in self._modules:
            return self._modules[name]
        parent = name.rpartition(".")[0]
        if parent:
            self._load(parent)
        mod = _read(name)
        self._modules[name] = mod
        for statement in mod.statements:
            for bound in statement.names.binds:
                mod.binders.setdefault(bound, []).append(statement)
            for node in statement.names.imports:
                if isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names):
                    source = _absolute(node, _package(mod))
                    if self.is_project(source):
                        mod.stars.append(source)
                    self._reach_statement(mod, statement)
        for statement in mod.statements:
            if self._has_effect(mod, statement):
                self._reach_statement(mod, statement)
        return mod

    def _reach_all(self, mod: _ProjectModule) -> None:
        if mod.name in self._whole:
            return
        self._whole.add(mod.name)
        for statement in mod.statements:
            if not _is_main_guard(statement.node):
                self._reach_statement(mod, statement)
                for name in statement.names.binds:
                    self._follow(mod, statement, name, ())

    def _reach_statement(self, mod: _ProjectModule, statement: _Statement) -> None:
        if statement.reached:
            return
        statement.reached = True
        at_top = set(map(id, _top_level_imports(statement.node)))
        for node in statement.names.imports:
            if id(node) not in at_top:
                self.follow_import(node, _package(mod))
            elif isinstance(statement.node, ast.Import | ast.ImportFrom) and not _binds_read(statement, mod):
                self.follow_import(node, _package(mod))
            elif not isinstance(statement.node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if alias.name != "*":
                        self.follow_import(node, _package(mod), read=(bound_by_import(alias, node),))
        for chain in sorted(statement.names.reads | statement.names.soft):
            if chain[0] in NO_FILE and chain[0] not in mod.binders:
                raise CaptureError(
                    f"{mod.path}, line {statement.node.lineno} reads `{chain[0]}`, and code that travels has no file "
                    "where it runs.",
                    "Make the path a parameter of the step.",
                )
            self._read_in(mod, chain)

    def _read_in(self, mod: _ProjectModule, chain: Chain) -> None:
        if chain[0] in mod.binders or mod.stars:
            self.reach(mod.name, chain)

    def _follow(self, mod: _ProjectModule, statement: _Statement, name: str, rest: Chain) -> None:
        for node in _top_level_imports(statement.node):
            if any(bound_by_import(alias, node) == name for alias in node.names):
                self.follow_import(node, _package(mod), read=(name, *rest))

    def _has_effect(self, mod: _ProjectModule, statement: _Statement) -> bool:
        node = statement.node
        if _is_main_guard(node):
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if isinstance(node, ast.ClassDef) and self._is_registered(mod, node, set()):
                return True
            return any(self._is_own_decorator(mod, one) for one in node.decorator_list)
        if isinstance(node, ast.Import | ast.ImportFrom):
            own = [getattr(node, "module", None) or one.name for one in node.names]
            return not _binds_read(statement, mod) and not mod.package and not all(map(is_stdlib, own))
        return _acts(node)

    def _is_registered(self, mod: _ProjectModule, node: ast.ClassDef, seen: set[tuple[str, str]]) -> bool:
        """Whether a class statement runs project code: the ``__init_subclass__`` or the metaclass of a base."""
        for base in (*node.bases, *(one.value for one in node.keywords if one.arg == "metaclass")):
            for home, statement in self._definitions(mod, _dotted(base), seen):
                own = {one.name for one in statement.body if isinstance(one, ast.FunctionDef)}
                if base not in node.bases or "__init_subclass__" in own or self._is_registered(home, statement, seen):
                    return True
        return False

    def _definitions(
        self, mod: _ProjectModule, chain: Chain, seen: set[tuple[str, str]]
    ) -> Iterator[tuple[_ProjectModule, ast.ClassDef]]:
        """The class statements of the project that a name of a module stands for; nothing is reached by asking."""
        if not chain or (mod.name, ".".join(chain)) in seen:
            return
        seen.add((mod.name, ".".join(chain)))
        for statement in [one for one in mod.statements if chain[0] in one.names.binds]:
            if isinstance(statement.node, ast.ClassDef):
                yield mod, statement.node
            for node in _top_level_imports(statement.node):
                for alias in [one for one in node.names if bound_by_import(one, node) == chain[0]]:
                    source = alias.name if isinstance(node, ast.Import) else _absolute(node, _package(mod))
                    rest = chain[1:] if isinstance(node, ast.Import) else (alias.name, *chain[1:])
                    while rest and self._is_module(f"{source}.{rest[0]}"):
                        source, rest = f"{source}.{rest[0]}", rest[1:]
                    if self.is_project(source):
                        yield from self._definitions(self._modules.get(source) or _read(source), rest, seen)

    def acts_on(self, module: str) -> bool:
        """Whether a project module has an effect when it is imported, on modules that are reached."""
        if not self._modules or module in self._modules or not self.is_project(module):
            return False
        mod = _read(module)
        imported = {
            name
            for statement in mod.statements
            for node in _top_level_imports(statement.node)
            for alias in node.names
            for name in (
                (alias.name,)
                if isinstance(node, ast.Import)
                else (_absolute(node, _package(mod)), f"{_absolute(node, _package(mod))}.{alias.name}")
            )
        }
        if not imported & self._modules.keys():
            return False
        for statement in mod.statements:
            for bound in statement.names.binds:
                mod.binders.setdefault(bound, []).append(statement)
        return any(
            self._has_effect(mod, one)
            for one in mod.statements
            if not isinstance(one.node, ast.Import | ast.ImportFrom)
        )

    def _is_own_decorator(self, mod: _ProjectModule, decorator: ast.expr) -> bool:
        root = decorator
        while isinstance(root, ast.Call | ast.Attribute | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        if not isinstance(root, ast.Name):
            return False
        for statement in mod.binders.get(root.id, ()):
            node = statement.node
            if isinstance(node, ast.ImportFrom):
                if self.is_project(_absolute(node, _package(mod))):
                    return True
            elif isinstance(node, ast.Import):
                if any(bound_by_import(one, node) == root.id and self.is_project(one.name) for one in node.names):
                    return True
            else:
                return True
        return False

    def _is_module(self, name: str) -> bool:
        if name in self._modules:
            return True
        parent = name.rpartition(".")[0]
        if parent and not self.is_project(parent):
            return name in sys.modules
        return find_module(name) is not None


def project_file(name: str) -> str | None:
    """The source file (or folder, for a namespace package) of a module if it is the user's own."""
    top = name.partition(".")[0]
    if is_stdlib(name) or top in ("zenbook", "__main__"):
        return None
    spec = find_module(name)
    if spec is None:
        return None
    origin = spec.origin
    if origin is None:
        folders = list(spec.submodule_search_locations or ())
        return folders[0] if folders and not is_installed(folders[0] + "/") else None
    if not origin.endswith(".py") or is_installed(origin):
        return None
    return origin


def requirements_of(installed: set[str]) -> tuple[tuple[str, str], ...]:
    """(distribution, version) of installed modules, sorted; a module that isn't installed counts with version ""."""
    found = {version_of(name) or (name.partition(".")[0], "") for name in installed}
    return tuple(sorted(one for one in found if one[0] != "zenbook"))


def source_lines(
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


def _read(name: str) -> _ProjectModule:
    origin = project_file(name)
    spec = find_module(name)
    package = spec is not None and spec.submodule_search_locations is not None
    if origin is None or not origin.endswith(".py"):
        return _ProjectModule(name, None, True, "", [])
    path = Path(origin)
    try:
        with tokenize.open(path) as file:
            text = file.read()
        tree = ast.parse(text, filename=origin)
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
    dropped = tuple(line for node in body for line in _drop_decorators(node, ours))
    statements = [_Statement(node, names_of([node], future_annotations="annotations" in future)) for node in body]
    read = {chain[0] for one in statements for chain in one.names.reads | one.names.soft}
    return _ProjectModule(
        name, path, package, text, statements, future=future, read_anywhere=frozenset(read) | ours, dropped=dropped
    )


def _zenbook_names(body: list[ast.stmt]) -> frozenset[str]:
    """The names that a module imports from zenbook."""
    names = set()
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zenbook":
            names |= {bound_by_import(one, node) for one in node.names}
        elif isinstance(node, ast.Import):
            names |= {bound_by_import(one, node) for one in node.names if one.name.partition(".")[0] == "zenbook"}
    return frozenset(names)


def _drop_decorators(node: ast.stmt, ours: frozenset[str]) -> list[int]:
    """Take zenbook's decorators off a function: they say how it is run here, not what it does. Gives their lines."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    lines: list[int] = []
    for decorator in list(node.decorator_list):
        root = decorator
        while isinstance(root, ast.Call | ast.Attribute):
            root = root.func if isinstance(root, ast.Call) else root.value
        if isinstance(root, ast.Name) and root.id in ours:
            node.decorator_list.remove(decorator)
            lines += range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    return lines


def _cut(mod: _ProjectModule) -> Module:
    pieces = []
    if mod.future and any(one.reached for one in mod.statements):
        pieces.append(Piece(f"from __future__ import {', '.join(mod.future)}", "", 0))
    nodes = [one.node for one in mod.statements]
    for place, statement in enumerate(mod.statements):
        if statement.reached:
            around = (nodes[place - 1] if place else None, nodes[place + 1] if place + 1 < len(nodes) else None)
            text, line = source_lines(mod.text, statement.node, around, mod.dropped)
            pieces.append(Piece(text, str(mod.path), line))
    return Module(mod.name, tuple(pieces), mod.package)


def _package(mod: _ProjectModule) -> str:
    return mod.name if mod.package else mod.name.rpartition(".")[0]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _top_level_imports(node: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a statement that bind names of the module (not those within functions or classes)."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _top_level_imports(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _top_level_imports(inner)


def _dotted(node: ast.expr) -> Chain:
    """``a.b.c`` as a chain; empty for anything else."""
    parts: list[str] = []
    node = node.value if isinstance(node, ast.Subscript) else node
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def _binds_read(statement: _Statement, mod: _ProjectModule) -> bool:
    return not statement.names.binds or any(name in mod.read_anywhere for name in statement.names.binds)


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def _acts(node: ast.stmt) -> bool:
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
    return any(_acts(child) for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)
