"""Which names a piece of code binds and reads, by Python's own scoping rules.

`symtable` can't serve: it differs between Python versions (comprehensions) and forgets order, and the order decides
whether ``X = X + 1`` reads an `X` from outside.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from zenbook.core.canonical import deeply
from zenbook.core.capture.bindings import Bindings, Comprehension, Scope, bound_by_import, function_scope
from zenbook.core.parsing import parse

__all__ = ["Chain", "Names", "bound_by_import", "names_of"]

Chain = tuple[str, ...]  # ("np", "random", "seed") for np.random.seed


@dataclass(slots=True)
class Names:
    """The names that a piece of module-level code binds and reads from its module."""

    binds: dict[str, ast.AST] = field(default_factory=dict)  # name -> the node that binds it last
    reads_on_definition: set[Chain] = field(default_factory=set)  # while the code itself is executed
    reads_in_bodies: set[Chain] = field(default_factory=set)  # within function bodies: when the function is called
    reads_in_annotations: set[Chain] = field(default_factory=set)  # in annotations that Python does not evaluate
    unbound_reads: set[str] = field(default_factory=set)  # read (annotations aside) before they are certainly bound
    always_bound: set[str] = field(default_factory=set)  # bound at the end on every path
    deleted: set[str] = field(default_factory=set)
    mutated_globals: dict[str, ast.AST] = field(default_factory=dict)  # a function changes the object: `x[0] = 1`
    rebound_globals: dict[str, ast.AST] = field(default_factory=dict)  # a function assigns the name: `global x`
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)

    @property
    def reads(self) -> set[Chain]:
        """All that is read from the module, annotations that are not evaluated aside."""
        return self.reads_on_definition | self.reads_in_bodies


def names_of(code: Iterable[ast.stmt], *, future_annotations: bool = False) -> Names:
    """Find the names of statements that stand at the top level of a module, in their order."""
    statements = list(code)

    def walk() -> _Walker:
        walker = _Walker(future_annotations)
        walker.statements(statements)
        return walker

    walker = deeply(walk)
    walker.names.always_bound = walker.certain
    late_only = {chain[0] for chain in walker.names.reads_in_bodies}
    walker.names.unbound_reads |= {name for name in late_only if name not in walker.names.binds}
    return walker.names


class _Walker(ast.NodeVisitor):
    def __init__(self, future_annotations: bool) -> None:
        self.names = Names()
        self.scopes: list[Scope] = []
        self.certain: set[str] = set()  # bound at module level by now, on every path
        self.future = future_annotations
        self.soft = 0

    # --- reads and bindings -------------------------------------------------------------------------------------

    def read(self, chain: Chain) -> None:
        name = chain[0]
        for depth, scope in enumerate(reversed(self.scopes)):
            if name in scope.globals:
                break
            if scope.kind == "class" and depth:
                continue
            if name in scope.bound:
                return
        if self.soft:
            self.names.reads_in_annotations.add(chain)
        elif self.in_function:
            self.names.reads_in_bodies.add(chain)
        else:
            self.names.reads_on_definition.add(chain)
            if name not in self.certain:
                self.names.unbound_reads.add(name)

    @property
    def in_function(self) -> bool:
        return any(scope.kind == "function" for scope in self.scopes)

    def bind(self, name: str, node: ast.AST) -> None:
        scope = next((one for one in reversed(self.scopes) if one.kind != "comprehension"), None)
        if scope is None:
            self.names.binds[name] = node
            self.certain.add(name)
        elif name in scope.globals:
            self.names.rebound_globals.setdefault(name, node)
        elif scope.kind == "class":
            scope.bound.add(name)

    def is_global(self, name: str) -> bool:
        for depth, scope in enumerate(reversed(self.scopes)):
            if name in scope.globals:
                return True
            if not (scope.kind == "class" and depth) and name in scope.bound:
                return False
        return True

    def change(self, target: ast.expr) -> None:
        """Note that the object at the root of ``x.a[0]`` is changed in place."""
        root: ast.expr = target
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Starred):
            root = root.value
        if isinstance(root, ast.Name) and self.in_function and self.is_global(root.id):
            self.names.mutated_globals.setdefault(root.id, target)

    # --- expressions --------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read((node.id,))
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id, node)
        else:
            self.delete(node)

    def delete(self, node: ast.Name) -> None:
        if not self.scopes:
            if node.id not in self.certain:
                self.names.unbound_reads.add(node.id)
            self.certain.discard(node.id)
            self.names.binds.pop(node.id, None)
            self.names.deleted.add(node.id)
        elif node.id in self.scopes[-1].globals:
            self.names.rebound_globals.setdefault(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            parts.append(root.attr)
            root = root.value
        if not isinstance(node.ctx, ast.Load):
            self.change(node)
            parts = parts[1:]
        if isinstance(root, ast.Name):
            self.read((root.id, *reversed(parts)))
        else:
            self.visit(root)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.change(node)
        self.visit(node.value)
        self.visit(node.slice)

    def visit_Call(self, node: ast.Call) -> None:
        method = node.func
        if isinstance(method, ast.Attribute) and method.attr in _MUTATORS:
            self.change(method)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.defaults(node.args)
        with self.scope(function_scope(node)):
            self.visit(node.body)

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        targets = Bindings()
        for generator in node.generators:
            targets.visit(generator.target)
        with self.scope(Scope("comprehension", targets.bound)):
            for place, generator in enumerate(node.generators):
                if place:
                    self.visit(generator.iter)
                self.target_reads(generator.target)
                for one in generator.ifs:
                    self.visit(one)
            if isinstance(node, ast.DictComp):
                self.visit(node.key)
                self.visit(node.value)
            else:
                self.visit(node.elt)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def target_reads(self, target: ast.expr) -> None:
        for one in ast.walk(target):
            if isinstance(one, ast.Subscript | ast.Attribute):
                self.visit(one)

    # --- definitions --------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for one in node.decorator_list:
            self.visit(one)
        self.defaults(node.args)
        with self.type_parameters(node):
            self.signature_annotations(node)
            with self.scope(function_scope(node)):
                for statement in node.body:
                    self.visit(statement)
        self.bind(node.name, node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for one in node.decorator_list:
            self.visit(one)
        with self.type_parameters(node):
            for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
                self.visit(base)
            with self.scope(Scope("class", set())):
                for statement in node.body:
                    self.visit(statement)
        self.bind(node.name, node)

    def defaults(self, arguments: ast.arguments) -> None:
        for one in (*arguments.defaults, *arguments.kw_defaults):
            if one is not None:
                self.visit(one)

    def signature_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        for one in every:
            if one is not None and one.annotation is not None:
                self.annotation(one.annotation)
        if node.returns is not None:
            self.annotation(node.returns)

    def annotation(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = parse(node.value, mode="eval").body
            except SyntaxError:
                return
            self.softly(node)
        elif self.future:
            self.softly(node)
        else:
            self.visit(node)

    def softly(self, node: ast.expr) -> None:
        self.soft += 1
        self.visit(node)
        self.soft -= 1

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        if not (self.scopes and self.scopes[-1].kind == "function"):
            self.annotation(node.annotation)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        with self.type_parameters(node), self.scope(Scope("function", set())):
            self.visit(node.value)  # type: ignore[attr-defined]  # Python 3.12
        self.visit(node.name)  # type: ignore[attr-defined]

    # --- statements ---------------------------------------------------------------------------------------------

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for one in body:
            self.visit(one)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.read((node.target.id,))
        self.visit(node.value)
        self.visit(node.target)

    def visit_Global(self, node: ast.Global) -> None:
        """Known from the scope."""

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.names.imports.append(node)
        for one in node.names:
            if one.name != "*":
                self.bind(bound_by_import(one, node), node)

    visit_ImportFrom = visit_Import

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.branches([lambda: self.statements(node.body), lambda: self.statements(node.orelse)])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self.branches([lambda: self.visit(node.body), lambda: self.visit(node.orelse)])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        for one in node.values[1:]:
            self.perhaps(lambda one=one: self.visit(one))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)

        def body() -> None:
            self.visit(node.target)
            self.statements(node.body)

        self.perhaps(body)
        self.perhaps(lambda: self.statements(node.orelse))

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.perhaps(lambda: self.statements(node.body))
        self.perhaps(lambda: self.statements(node.orelse))

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.certain)
        self.statements(node.body)
        self.statements(node.orelse)
        ends = [set(self.certain)]
        for one in node.handlers:
            self.certain = set(before)
            self.handler(one)
            if not _leaves(one.body):
                ends.append(set(self.certain))
        self.certain = set.intersection(*ends)
        self.statements(node.finalbody)

    visit_TryStar = visit_Try

    def handler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name is None:
            self.statements(node.body)
            return
        known = node.name in self.names.binds
        self.bind(node.name, node)
        self.statements(node.body)
        if not self.scopes:  # Python deletes the name at the handler's end
            self.certain.discard(node.name)
            if not known:
                self.names.binds.pop(node.name, None)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:

            def one(case: ast.match_case = case) -> None:
                self.visit(case.pattern)
                if case.guard is not None:
                    self.visit(case.guard)
                self.statements(case.body)

            self.perhaps(one)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self.bind(node.name, node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest, node)

    def branches(self, each: Sequence[object]) -> None:
        before, ends = set(self.certain), []
        for one in each:
            self.certain = set(before)
            one()  # type: ignore[operator]
            ends.append(self.certain)
        self.certain = set.intersection(*ends)

    def perhaps(self, visit: object) -> None:
        """Visit code that may not be executed: what it binds is not certain afterwards."""
        before = set(self.certain)
        visit()  # type: ignore[operator]
        self.certain &= before

    # --- scopes -------------------------------------------------------------------------------------------------

    @contextmanager
    def scope(self, scope: Scope) -> Iterator[None]:
        self.scopes.append(scope)
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def type_parameters(self, node: ast.AST) -> Iterator[None]:
        parameters = getattr(node, "type_params", [])
        if not parameters:
            yield
            return
        with self.scope(Scope("comprehension", {one.name for one in parameters})):
            for one in parameters:
                if getattr(one, "bound", None) is not None:
                    self.visit(one.bound)
            yield


_MUTATORS = frozenset(
    "append extend insert remove pop clear sort reverse update setdefault popitem add discard appendleft popleft "
    "extendleft rotate".split()
)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether control can't reach the code behind these statements."""
    return bool(body) and isinstance(body[-1], ast.Raise | ast.Return | ast.Continue | ast.Break)
