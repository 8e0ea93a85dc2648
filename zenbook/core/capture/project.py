"""The reached parts of a project's own modules, read from their files.

A module is cut into its top-level statements. A statement travels if it binds a name that is reached, or if it has a
side effect (a call, a loop, a registration); order and text stay as they are. Nothing is imported or executed here.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator

from zenbook.core.capsule import Module
from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import Chain
from zenbook.core.capture.project_module import (
    ProjectModule,
    Statement,
    absolute,
    acts,
    binds_read,
    called_at_top,
    cut_out,
    dotted,
    is_main_guard,
    package_of,
    read_module,
    root_of,
    top_level_imports,
)
from zenbook.core.distributions import find_module, is_stdlib, project_file, version_of
from zenbook.errors import CaptureError

NO_FILE = frozenset({"__file__", "__spec__", "__loader__", "__cached__", "__path__"})  # what code in a capsule lacks


class ProjectCode:
    """Collects what is reached in project modules, and the names of the installed modules that this imports."""

    def __init__(self) -> None:
        self.installed: set[str] = set()
        self._modules: dict[str, ProjectModule] = {}
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
                source = absolute(node, package)
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
        return tuple(cut_out(self._modules[name]) for name in sorted(self._modules))

    # --- one module ---------------------------------------------------------------------------------------------

    def _load(self, name: str) -> ProjectModule:
        if name in self._modules:
            return self._modules[name]
        parent = name.rpartition(".")[0]
        if parent:
            self._load(parent)
        mod = read_module(name)
        self._modules[name] = mod
        for statement in mod.statements:
            for bound in statement.names.binds:
                mod.binders.setdefault(bound, []).append(statement)
            for node in statement.names.imports:
                if isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names):
                    source = absolute(node, package_of(mod))
                    if self.is_project(source):
                        mod.stars.append(source)
                    self._reach_statement(mod, statement)
        for statement in mod.statements:
            if self._has_effect(mod, statement):
                self._reach_statement(mod, statement)
        return mod

    def _reach_all(self, mod: ProjectModule) -> None:
        if mod.name in self._whole:
            return
        self._whole.add(mod.name)
        for statement in mod.statements:
            if not is_main_guard(statement.node):
                self._reach_statement(mod, statement)
                for name in statement.names.binds:
                    self._follow(mod, statement, name, ())

    def _reach_statement(self, mod: ProjectModule, statement: Statement) -> None:
        if statement.reached:
            return
        statement.reached = True
        self._refuse_a_pipelines_call(mod, statement)
        at_top = set(map(id, top_level_imports(statement.node)))
        for node in statement.names.imports:
            if id(node) not in at_top:
                self.follow_import(node, package_of(mod))
            elif isinstance(statement.node, ast.Import | ast.ImportFrom) and not binds_read(statement, mod):
                self.follow_import(node, package_of(mod))
            elif not isinstance(statement.node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if alias.name != "*":
                        self.follow_import(node, package_of(mod), read=(bound_by_import(alias, node),))
        for chain in sorted(statement.names.reads | statement.names.reads_in_annotations):
            if chain[0] in NO_FILE and chain[0] not in mod.binders:
                raise CaptureError(
                    f"{mod.path}, line {statement.node.lineno} reads `{chain[0]}`, and code that travels has no file "
                    "where it runs.",
                    "Make the path a parameter of the step.",
                )
            self._read_in(mod, chain)

    def _refuse_a_pipelines_call(self, mod: ProjectModule, statement: Statement) -> None:
        """A step that needs the module would run the whole pipeline again, as a plain function."""
        for name in called_at_top(statement.node):
            if self._is_pipeline(mod, name):
                raise CaptureError(
                    f"{mod.path}, line {statement.node.lineno} runs the pipeline {name!r} whenever the module is "
                    "imported, so each of its steps would run it again.",
                    "Put that under `if __name__ == '__main__':`, or into a cell.",
                )

    def _is_pipeline(self, mod: ProjectModule, name: str) -> bool:
        if name in mod.pipelines:
            return True
        for statement in mod.binders.get(name, ()):
            node = statement.node
            if isinstance(node, ast.ImportFrom) and self.is_project(source := absolute(node, package_of(mod))):
                names = [one.name for one in node.names if bound_by_import(one, node) == name]
                home = self._modules.get(source) or read_module(source)
                if any(one in home.pipelines for one in names):
                    return True
        return False

    def _read_in(self, mod: ProjectModule, chain: Chain) -> None:
        if chain[0] in mod.binders or mod.stars:
            self.reach(mod.name, chain)

    def _follow(self, mod: ProjectModule, statement: Statement, name: str, rest: Chain) -> None:
        for node in top_level_imports(statement.node):
            if any(bound_by_import(alias, node) == name for alias in node.names):
                self.follow_import(node, package_of(mod), read=(name, *rest))

    def _has_effect(self, mod: ProjectModule, statement: Statement) -> bool:
        node = statement.node
        if is_main_guard(node):
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if isinstance(node, ast.ClassDef) and self._is_registered(mod, node, set()):
                return True
            return any(self._is_own_decorator(mod, one) for one in node.decorator_list)
        if isinstance(node, ast.Import | ast.ImportFrom):
            own = [getattr(node, "module", None) or one.name for one in node.names]
            return not binds_read(statement, mod) and not mod.package and not all(map(is_stdlib, own))
        return acts(node)

    def _is_registered(self, mod: ProjectModule, node: ast.ClassDef, seen: set[tuple[str, str]]) -> bool:
        """Whether a class statement runs project code: the ``__init_subclass__`` or the metaclass of a base."""
        for base in (*node.bases, *(one.value for one in node.keywords if one.arg == "metaclass")):
            for home, statement in self._definitions(mod, dotted(base), seen):
                own = {one.name for one in statement.body if isinstance(one, ast.FunctionDef)}
                if base not in node.bases or "__init_subclass__" in own or self._is_registered(home, statement, seen):
                    return True
        return False

    def _definitions(
        self, mod: ProjectModule, chain: Chain, seen: set[tuple[str, str]]
    ) -> Iterator[tuple[ProjectModule, ast.ClassDef]]:
        """The class statements of the project that a name of a module stands for; nothing is reached by asking."""
        if not chain or (mod.name, ".".join(chain)) in seen:
            return
        seen.add((mod.name, ".".join(chain)))
        for statement in [one for one in mod.statements if chain[0] in one.names.binds]:
            if isinstance(statement.node, ast.ClassDef):
                yield mod, statement.node
            for node in top_level_imports(statement.node):
                for alias in [one for one in node.names if bound_by_import(one, node) == chain[0]]:
                    source = alias.name if isinstance(node, ast.Import) else absolute(node, package_of(mod))
                    rest = chain[1:] if isinstance(node, ast.Import) else (alias.name, *chain[1:])
                    while rest and self._is_module(f"{source}.{rest[0]}"):
                        source, rest = f"{source}.{rest[0]}", rest[1:]
                    if self.is_project(source):
                        yield from self._definitions(self._modules.get(source) or read_module(source), rest, seen)

    def acts_on(self, module: str) -> bool:
        """Whether a project module has an effect when it is imported, on modules that are reached."""
        if not self._modules or module in self._modules or not self.is_project(module):
            return False
        mod = read_module(module)
        imported = {
            name
            for statement in mod.statements
            for node in top_level_imports(statement.node)
            for alias in node.names
            for name in (
                (alias.name,)
                if isinstance(node, ast.Import)
                else (absolute(node, package_of(mod)), f"{absolute(node, package_of(mod))}.{alias.name}")
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

    def _is_own_decorator(self, mod: ProjectModule, decorator: ast.expr) -> bool:
        root = root_of(decorator)
        if not isinstance(root, ast.Name):
            return False
        for statement in mod.binders.get(root.id, ()):
            node = statement.node
            if isinstance(node, ast.ImportFrom):
                if self.is_project(absolute(node, package_of(mod))):
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


def requirements_of(installed: set[str]) -> tuple[tuple[str, str], ...]:
    """(distribution, version) of installed modules, sorted; a module that isn't installed counts with version ""."""
    found = {version_of(name) or (name.partition(".")[0], "") for name in installed}
    return tuple(sorted(one for one in found if one[0] != "zenbook"))
