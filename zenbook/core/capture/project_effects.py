"""Which statements of a project module do more than bind names, so that they travel with any part of the module.

Effects are a call, a loop, a change of an object, a decorator of the project, and a class whose base of the project
notes its subclasses. Files are read to find out, but nothing is reached.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.names import Chain
from zenbook.core.capture.project_module import ProjectModule, Statement, read_module
from zenbook.core.capture.source_text import dotted_chain, root_name
from zenbook.core.distributions import find_module, is_stdlib, project_file


class ProjectFiles:
    """The project's modules as they stand in their files; each is read once. ``loaded`` are those that travel."""

    def __init__(self) -> None:
        self.loaded: dict[str, ProjectModule] = {}
        self._read: dict[str, ProjectModule] = {}

    def is_project(self, module: str) -> bool:
        """Find out whether a module is the user's own.

        Args:
            module: Its dotted name.

        Returns:
            False for a module that is Python's, installed or zenbook's.
        """
        return module in self.loaded or project_file(module) is not None

    def is_module(self, name: str) -> bool:
        """Find out whether a dotted name is that of a module, without importing anything.

        Args:
            name: The name, ``package.part``.

        Returns:
            True if it can be imported; for a part of an installed package, if it was.
        """
        if name in self.loaded:
            return True
        parent = name.rpartition(".")[0]
        if parent and not self.is_project(parent):
            return name in sys.modules
        return find_module(name) is not None

    def innermost(self, module: str, chain: Chain) -> tuple[str, Chain]:
        """Follow attributes that are modules themselves.

        Args:
            module: The module that a chain of attributes starts from.
            chain: The attributes.

        Returns:
            The innermost module, and the attributes that are left.
        """
        while chain and self.is_module(f"{module}.{chain[0]}"):
            module, chain = f"{module}.{chain[0]}", chain[1:]
        return module, chain

    def read(self, module: str) -> ProjectModule:
        """Read a module's file, once.

        Args:
            module: The module's dotted name.

        Returns:
            Its statements. Raises what `read_module` raises.
        """
        if module not in self._read:
            self._read[module] = read_module(module)
        return self._read[module]


def has_effect(statement: Statement, module: ProjectModule, files: ProjectFiles) -> bool:
    """Find out whether a statement must travel whatever is reached of its module.

    Args:
        statement: The statement.
        module: Its module.
        files: The project's other modules.

    Returns:
        True for a statement that does more than bind names.
    """
    node = statement.node
    if is_main_guard(node):
        return False
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if isinstance(node, ast.ClassDef) and _is_registered(node, module, files, set()):
            return True
        return any(_is_of_project(decorator, module, files) for decorator in node.decorator_list)
    if isinstance(node, ast.Import | ast.ImportFrom):
        sources = [getattr(node, "module", None) or alias.name for alias in node.names]
        return not module.binds_read(statement) and not module.package and not all(map(is_stdlib, sources))
    return _acts(node)


def acts_on_loaded(name: str, files: ProjectFiles) -> bool:
    """Find out whether the import of a project module changes modules that travel.

    Args:
        name: The module's dotted name; it does not travel itself so far.
        files: The project's modules.

    Returns:
        True if the module imports one that travels, and has a statement with an effect.
    """
    if not files.loaded or name in files.loaded or not files.is_project(name):
        return False
    module = files.read(name)
    if not set(_imported_modules(module)) & files.loaded.keys():
        return False
    return any(has_effect(statement, module, files) for statement in module.statements if not statement.is_import)


def runs_pipeline(statement: Statement, module: ProjectModule, files: ProjectFiles) -> str | None:
    """Find a pipeline that a statement calls while its module is imported.

    Args:
        statement: The statement.
        module: Its module.
        files: The project's other modules.

    Returns:
        The pipeline's name in the module, or None.
    """
    calls = _called_at_import(statement.node)
    return next((name for name in calls if _is_pipeline(name, module, files)), None)


def is_main_guard(node: ast.stmt) -> bool:
    """Find out whether a statement runs only in a module that is executed as a script.

    Args:
        node: The statement.

    Returns:
        True for ``if __name__ == "__main__":``.
    """
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _acts(node: ast.stmt) -> bool:
    """Whether a statement calls something for its effect, or changes an object, seen by itself."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
    if isinstance(node, ast.Delete | ast.Assert | ast.Raise):
        return True
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    return any(_acts(child) for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)


def _is_of_project(decorator: ast.expr, module: ProjectModule, files: ProjectFiles) -> bool:
    """Whether a decorator is defined in the module, or imported from the project."""
    root = root_name(decorator)
    if root is None:
        return False
    for statement in module.binders.get(root.id, ()):
        node = statement.node
        if isinstance(node, ast.ImportFrom):
            if files.is_project(module.source_of(node)):
                return True
        elif isinstance(node, ast.Import):
            if any(bound_by_import(alias, node) == root.id and files.is_project(alias.name) for alias in node.names):
                return True
        else:
            return True
    return False


def _is_registered(node: ast.ClassDef, module: ProjectModule, files: ProjectFiles, seen: set[tuple[str, str]]) -> bool:
    """Whether a class statement runs project code: the ``__init_subclass__`` or the metaclass of a base."""
    metaclasses = [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]
    for base in (*node.bases, *metaclasses):
        for home, definition in _class_definitions(dotted_chain(base), module, files, seen):
            methods = {part.name for part in definition.body if isinstance(part, ast.FunctionDef)}
            if base not in node.bases or "__init_subclass__" in methods:
                return True
            if _is_registered(definition, home, files, seen):
                return True
    return False


def _class_definitions(
    chain: Chain, module: ProjectModule, files: ProjectFiles, seen: set[tuple[str, str]]
) -> Iterator[tuple[ProjectModule, ast.ClassDef]]:
    """The class statements of the project that a name of a module stands for."""
    if not chain or (module.name, ".".join(chain)) in seen:
        return
    seen.add((module.name, ".".join(chain)))
    for statement in module.binders.get(chain[0], ()):
        if isinstance(statement.node, ast.ClassDef):
            yield module, statement.node
        for node in statement.own_imports:
            for alias in node.names:
                if bound_by_import(alias, node) != chain[0]:
                    continue
                if isinstance(node, ast.Import):
                    source, rest = files.innermost(alias.name, chain[1:])
                else:
                    source, rest = files.innermost(module.source_of(node), (alias.name, *chain[1:]))
                if files.is_project(source):
                    yield from _class_definitions(rest, files.read(source), files, seen)


def _imported_modules(module: ProjectModule) -> Iterator[str]:
    """The modules that a module may import at its top level."""
    for statement in module.statements:
        for node in statement.own_imports:
            for alias in node.names:
                if isinstance(node, ast.Import):
                    yield alias.name
                else:
                    yield module.source_of(node)
                    yield f"{module.source_of(node)}.{alias.name}"


def _called_at_import(node: ast.stmt) -> Iterator[str]:
    """The names whose values a statement calls, or whose methods, while its module is imported."""
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(part, ast.Call) and (root := root_name(part)) is not None:
            yield root.id
        waiting += ast.iter_child_nodes(part)


def _is_pipeline(name: str, module: ProjectModule, files: ProjectFiles) -> bool:
    if name in module.pipelines:
        return True
    for statement in module.binders.get(name, ()):
        node = statement.node
        if isinstance(node, ast.ImportFrom) and files.is_project(source := module.source_of(node)):
            originals = [alias.name for alias in node.names if bound_by_import(alias, node) == name]
            if any(original in files.read(source).pipelines for original in originals):
                return True
    return False
