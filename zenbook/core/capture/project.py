"""The reached parts of a project's own modules, read from their files.

A module is cut into its top-level statements (`project_module`). A statement travels if it binds a name that is
reached, or if it has an effect (`project_effects`); order and text stay as they are. Nothing is imported or executed
here. What is reached is found by one walk, depth first: each `Need` gives the needs that follow from it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

from zenbook.core.capsule import Module
from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import Chain
from zenbook.core.capture.project_effects import ProjectFiles, acts_on_loaded, has_effect, is_main_guard, runs_pipeline
from zenbook.core.capture.project_module import Import, ProjectModule, Statement, absolute_module, cut_out
from zenbook.core.distributions import is_stdlib, version_of
from zenbook.errors import CaptureError

NO_FILE = frozenset({"__file__", "__spec__", "__loader__", "__cached__", "__path__"})  # what code in a capsule lacks


@dataclass(frozen=True, slots=True)
class ModuleNeed:
    """A module must exist: its statements with an effect travel, and those of its parents."""

    module: str


@dataclass(frozen=True, slots=True)
class NameNeed:
    """A name of a module is read; the whole module if the chain is empty."""

    module: str
    chain: Chain = ()


@dataclass(frozen=True, slots=True)
class StatementNeed:
    """A statement travels."""

    module: ProjectModule
    statement: Statement


Need = ModuleNeed | NameNeed | StatementNeed


class ProjectCode:
    """Collects what is reached in project modules, and the names of the installed modules that this imports."""

    def __init__(self) -> None:
        self.installed: set[str] = set()
        self.files = ProjectFiles()
        self._reached: set[Statement] = set()
        self._whole: set[str] = set()  # modules that are reached as a whole

    def is_project(self, module: str) -> bool:
        """Find out whether a module is the user's own.

        Args:
            module: Its dotted name.

        Returns:
            False for a module that is Python's, installed or zenbook's.
        """
        return self.files.is_project(module)

    def defines(self, module: str, name: str) -> bool:
        """Find out whether a module is the project's own and binds a name; if it is the project's, it travels.

        Args:
            module: The module's dotted name.
            name: The name.

        Returns:
            True if some statement at the module's top level binds the name.
        """
        if not self.is_project(module):
            return False
        self._satisfy(ModuleNeed(module))
        return name in self.files.loaded[module].binders

    def acts_on_reached(self, module: str) -> bool:
        """Find out whether the import of a module changes project modules that are reached.

        Args:
            module: The module's dotted name.

        Returns:
            True if it must travel for its effect.
        """
        return acts_on_loaded(module, self.files)

    def reach(self, module: str, chain: Chain = ()) -> None:
        """Reach a name of a project module. Raises `CaptureError` for a file that cannot be read or parsed.

        Args:
            module: The module's dotted name.
            chain: The name and the attributes read from it; empty for the whole module.
        """
        self._satisfy(NameNeed(module, chain))

    def use_module(self, module: str, chain: Chain) -> None:
        """Reach what is read from a module if it is the project's, require it if it is installed.

        Args:
            module: The module's dotted name.
            chain: The attributes that are read from it.
        """
        for need in self._module_needs(module, chain):
            self._satisfy(need)

    def follow_import(self, node: Import, package: str) -> None:
        """Reach all that an import statement names.

        Args:
            node: The statement.
            package: The package that a relative import starts from.
        """
        for need in self._import_needs(node, package):
            self._satisfy(need)

    def require(self, module: str) -> None:
        """Note the import of a module that does not travel.

        Args:
            module: The module's dotted name; one of Python or zenbook is ignored.
        """
        if not is_stdlib(module) and module.partition(".")[0] not in ("zenbook", "__future__"):
            self.installed.add(module)

    def texts(self) -> dict[str, str]:
        """The files that were read, and their text."""
        return {str(module.path): module.text for module in self.files.loaded.values() if module.path is not None}

    def modules(self) -> tuple[Module, ...]:
        """What travels, sorted by module name."""
        loaded = self.files.loaded
        return tuple(cut_out(loaded[name], self._reached) for name in sorted(loaded))

    # --- the walk -----------------------------------------------------------------------------------------------

    def _satisfy(self, need: Need) -> None:
        pending: list[Iterator[Need]] = [iter((need,))]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
            else:
                pending.append(self._needs_of(following))

    def _needs_of(self, need: Need) -> Iterator[Need]:
        """Note that something is needed; gives what is needed therefore."""
        match need:
            case ModuleNeed(name):
                return self._needs_of_module(name)
            case NameNeed(module, ()):
                return self._needs_of_whole(module)
            case NameNeed(module, chain):
                return self._needs_of_name(module, chain)
            case StatementNeed(project_module, statement):
                return self._needs_of_statement(project_module, statement)

    def _needs_of_module(self, name: str) -> Iterator[Need]:
        if name in self.files.loaded:
            return
        parent = name.rpartition(".")[0]
        if parent:
            yield ModuleNeed(parent)
        module = self.files.loaded[name] = self.files.read(name)
        for statement in module.statements:
            if statement.star_imports:
                yield StatementNeed(module, statement)
        for statement in module.statements:
            if has_effect(statement, module, self.files):
                yield StatementNeed(module, statement)

    def _needs_of_whole(self, name: str) -> Iterator[Need]:
        yield ModuleNeed(name)
        if name in self._whole:
            return
        self._whole.add(name)
        module = self.files.loaded[name]
        for statement in module.statements:
            if not is_main_guard(statement.node):
                yield StatementNeed(module, statement)
                for bound in statement.binds:
                    yield from self._own_import_needs(module, statement, (bound,))

    def _needs_of_name(self, name: str, chain: Chain) -> Iterator[Need]:
        yield ModuleNeed(name)
        module = self.files.loaded[name]
        if chain[0] in module.binders:
            for statement in module.binders[chain[0]]:
                yield StatementNeed(module, statement)
                yield from self._own_import_needs(module, statement, chain)
        elif self.files.is_module(f"{name}.{chain[0]}"):
            yield from self._module_needs(f"{name}.{chain[0]}", chain[1:])
        elif not hasattr(builtins, chain[0]):
            for source in self._star_sources(module):
                yield NameNeed(source, chain)
            for statement in module.binders.get("__getattr__", ()):
                yield StatementNeed(module, statement)

    def _needs_of_statement(self, module: ProjectModule, statement: Statement) -> Iterator[Need]:
        if statement in self._reached:
            return
        self._reached.add(statement)
        self._refuse_pipeline_call(module, statement)
        for node in statement.names.imports:
            if node not in statement.own_imports or (statement.is_import and not module.binds_read(statement)):
                yield from self._import_needs(node, module.package_name)
            elif not statement.is_import:
                for alias in node.names:
                    if alias.name != "*":
                        yield from self._import_needs(node, module.package_name, (bound_by_import(alias, node),))
        for chain in statement.uses:
            if chain[0] in NO_FILE and chain[0] not in module.binders:
                raise CaptureError(
                    f"{module.path}, line {statement.node.lineno} uses `{chain[0]}`, which is not available inside a "
                    "step: its code has no file there.",
                    "Pass the path as a parameter.",
                )
            if chain[0] in module.binders or self._star_sources(module):
                yield NameNeed(module.name, chain)

    def _own_import_needs(self, module: ProjectModule, statement: Statement, chain: Chain) -> Iterator[Need]:
        """What a name needs that a statement may bind by an import."""
        for node in statement.own_imports:
            yield from self._import_needs(node, module.package_name, chain)

    # --- imports ------------------------------------------------------------------------------------------------

    def _import_needs(self, node: Import, package: str, chain: Chain = ()) -> Iterator[Need]:
        """What an import needs of which ``chain`` is read; of which all that it names is used if that is empty."""
        for alias in node.names:
            if chain and bound_by_import(alias, node) != chain[0]:
                continue
            if isinstance(node, ast.Import):
                yield from self._plain_import_needs(alias, chain)
                continue
            source = absolute_module(node, package)
            if alias.name == "*":
                yield from self._module_needs(source, ())
            elif self.is_project(source):
                yield NameNeed(source, (alias.name, *chain[1:]))
            else:
                self.require(source)

    def _plain_import_needs(self, alias: ast.alias, chain: Chain) -> Iterator[Need]:
        if alias.asname or not chain or "." not in alias.name:
            yield from self._module_needs(alias.name, chain[1:])
            return
        parts = alias.name.split(".")  # `import a.b.c` binds `a`, and makes a.b.c importable
        for depth in range(1, len(parts) + 1):
            prefix = ".".join(parts[:depth])
            if self.is_project(prefix):
                yield ModuleNeed(prefix)
        if not self.is_project(parts[0]):
            self.require(alias.name)
        elif chain[1:]:
            yield from self._module_needs(parts[0], chain[1:])

    def _module_needs(self, module: str, chain: Chain) -> Iterator[Need]:
        module, chain = self.files.innermost(module, chain)
        if self.is_project(module):
            yield NameNeed(module, chain)
        else:
            self.require(module)

    def _star_sources(self, module: ProjectModule) -> list[str]:
        """The project modules of which a module imports all names."""
        return [source for source in module.stars if self.is_project(source)]

    def _refuse_pipeline_call(self, module: ProjectModule, statement: Statement) -> None:
        """A step that needs the module would run the whole pipeline again, as a plain function."""
        name = runs_pipeline(statement, module, self.files)
        if name is not None:
            raise CaptureError(
                f"{module.path}, line {statement.node.lineno} runs the pipeline {name!r} whenever the module is "
                "imported, so each of its steps would run it again.",
                "Put that under `if __name__ == '__main__':`, or into a cell.",
            )


def requirements_of(installed: set[str]) -> tuple[tuple[str, str], ...]:
    """Find the distributions that installed modules come from.

    Args:
        installed: Names of modules.

    Returns:
        (distribution, version), sorted; the version is "" for a module that is not installed.
    """
    versions = {version_of(name) or (name.partition(".")[0], "") for name in installed}
    return tuple(sorted(version for version in versions if version[0] != "zenbook"))
