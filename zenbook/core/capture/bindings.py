"""Which names a function binds in its own scope."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def bound_by_import(alias: ast.alias, node: ast.Import | ast.ImportFrom) -> str:
    """The name that one part of an import statement binds."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name


@dataclass(slots=True)
class Scope:
    """A scope below the module's."""

    kind: str  # "function", "class" or "comprehension"; the module has no scope object
    bound: set[str]
    globals: set[str] = field(default_factory=set)


class Bindings(ast.NodeVisitor):
    """All names that a function's body binds in the function's own scope."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        """Assigned and deleted names."""
        if not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        """Names of the module."""
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Names of the function around."""
        self.nonlocals.update(node.names)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """A definition binds its name; its decorators may bind more."""
        self.bound.add(node.name)
        for one in node.decorator_list:
            self.visit(one)

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Its names are its own."""

    def visit_ListComp(self, node: Comprehension) -> None:
        """Only a walrus binds outside of its comprehension."""
        for one in ast.walk(node):
            if isinstance(one, ast.NamedExpr):
                self.visit(one.target)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        """What an import binds."""
        self.bound.update(bound_by_import(one, node) for one in node.names)

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """The name of the exception."""
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        """A captured name."""
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """The name of what is left."""
        if node.rest:
            self.bound.add(node.rest)
        self.generic_visit(node)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        """The name of the alias."""
        self.visit(node.name)  # type: ignore[attr-defined]  # Python 3.12


def function_scope(node: Function) -> Scope:
    """The scope that a function makes."""
    found = Bindings()
    body = [ast.Expr(node.body)] if isinstance(node, ast.Lambda) else node.body
    for one in body:
        found.visit(one)
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found.bound.update(one.arg for one in every if one is not None)
    return Scope("function", found.bound - found.globals - found.nonlocals, found.globals)
