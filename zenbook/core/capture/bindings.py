"""Which names a function, or another piece of code, binds in its own scope."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def bound_by_import(alias: ast.alias, node: ast.Import | ast.ImportFrom) -> str:
    """Find the name that one part of an import statement binds.

    Args:
        alias: The part.
        node: The whole statement.

    Returns:
        The name: ``c`` of ``a.b as c``, ``a`` of ``import a.b``, ``b`` of ``from a import b``.
    """
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name


@dataclass(slots=True)
class Scope:
    """A scope below the module's."""

    kind: str  # "function", "class" or "comprehension"; the module has no scope object
    bound: set[str]
    globals: set[str] = field(default_factory=set)


def function_scope(function: Function) -> Scope:
    """Make the scope of a function.

    Args:
        function: The definition or lambda.

    Returns:
        A scope with all names that the function's parameters and body bind.
    """
    visitor = _BindingVisitor()
    for node in [function.body] if isinstance(function, ast.Lambda) else function.body:
        visitor.visit(node)
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    visitor.bound.update(argument.arg for argument in every if argument is not None)
    return Scope("function", visitor.bound - visitor.globals - visitor.nonlocals, visitor.globals)


def bound_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Collect the names that some nodes bind in the scope that they belong to.

    Args:
        nodes: Statements, expressions or targets of one scope.

    Returns:
        The names; what is bound in a nested function, class or comprehension is not among them.
    """
    visitor = _BindingVisitor()
    for node in nodes:
        visitor.visit(node)
    return visitor.bound


class _BindingVisitor(ast.NodeVisitor):
    """Collects what is bound in one scope; nested scopes are not entered."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals.update(node.names)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """A definition binds its name; its decorators may bind more."""
        self.bound.add(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A lambda's names are its own."""

    def visit_ListComp(self, node: Comprehension) -> None:
        """Only a walrus binds outside of its comprehension."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.visit(inner.target)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound.update(bound_by_import(alias, node) for alias in node.names)

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.bound.add(node.rest)
        self.generic_visit(node)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        self.visit(node.name)  # type: ignore[attr-defined]  # Python 3.12
