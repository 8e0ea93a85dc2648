"""Find the names that a piece of code binds and reads, by Python's own scoping rules.

`symtable` cannot serve: it differs between Python versions (comprehensions) and forgets order, and the order decides
whether ``X = X + 1`` reads an `X` from outside.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from zenbook.core.canonical import deeply
from zenbook.core.capture.bindings import Comprehension, Scope, bound_by_import, bound_names, function_scope
from zenbook.core.capture.name_recorder import Chain, NameRecorder, Names
from zenbook.core.parsing import parse

__all__ = ["Chain", "Names", "names_of"]


def names_of(code: Iterable[ast.stmt], *, future_annotations: bool = False) -> Names:
    """Find the names of statements that stand at the top level of a module.

    Args:
        code: The statements, in their order.
        future_annotations: Whether ``from __future__ import annotations`` holds, so that annotations are not evaluated.

    Returns:
        What the statements bind and what they read from their module.
    """
    statements = list(code)

    def walk() -> NameRecorder:
        visitor = _NameVisitor(future_annotations=future_annotations)
        visitor.statements(statements)
        return visitor.recorder

    recorder = deeply(walk)
    names = recorder.names
    names.always_bound = recorder.certain
    names.unbound_reads |= {chain[0] for chain in names.reads_in_bodies} - names.binds.keys()
    return names


class _NameVisitor(ast.NodeVisitor):
    """Walks through code in the order of its execution and notes reads and bindings in a recorder."""

    def __init__(self, *, future_annotations: bool) -> None:
        self.recorder = NameRecorder()
        self.future_annotations = future_annotations

    # --- expressions --------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.recorder.read((node.id,))
        elif isinstance(node.ctx, ast.Store):
            self.recorder.bind(node.id, node)
        else:
            self.recorder.delete(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            parts.append(root.attr)
            root = root.value
        if not isinstance(node.ctx, ast.Load):
            self.recorder.mutate(node)
            parts = parts[1:]
        if isinstance(root, ast.Name):
            self.recorder.read((root.id, *reversed(parts)))
        else:
            self.visit(root)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.recorder.mutate(node)
        self.visit(node.value)
        self.visit(node.slice)

    def visit_Call(self, node: ast.Call) -> None:
        method = node.func
        if isinstance(method, ast.Attribute) and method.attr in _MUTATING_METHODS:
            self.recorder.mutate(method)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.defaults(node.args)
        with self.recorder.scope(function_scope(node)):
            self.visit(node.body)

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        targets = bound_names(generator.target for generator in node.generators)
        with self.recorder.scope(Scope("comprehension", targets)):
            for number, generator in enumerate(node.generators):
                if number:
                    self.visit(generator.iter)
                self.target_reads(generator.target)
                for condition in generator.ifs:
                    self.visit(condition)
            if isinstance(node, ast.DictComp):
                self.visit(node.key)
                self.visit(node.value)
            else:
                self.visit(node.elt)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def target_reads(self, target: ast.expr) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Subscript | ast.Attribute):
                self.visit(node)

    # --- definitions --------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.defaults(node.args)
        with self.type_parameters(node):
            self.signature_annotations(node)
            with self.recorder.scope(function_scope(node)):
                self.statements(node.body)
        self.recorder.bind(node.name, node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        with self.type_parameters(node):
            for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
                self.visit(base)
            with self.recorder.scope(Scope("class", set())):
                self.statements(node.body)
        self.recorder.bind(node.name, node)

    def defaults(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)

    def signature_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        for argument in every:
            if argument is not None and argument.annotation is not None:
                self.annotation(argument.annotation)
        if node.returns is not None:
            self.annotation(node.returns)

    def annotation(self, node: ast.expr) -> None:
        evaluated = not self.future_annotations
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            evaluated = False
            try:
                node = parse(node.value, mode="eval").body
            except SyntaxError:
                return
        if evaluated:
            self.visit(node)
        else:
            with self.recorder.annotation():
                self.visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        scopes = self.recorder.scopes
        if not (scopes and scopes[-1].kind == "function"):
            self.annotation(node.annotation)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        with self.type_parameters(node), self.recorder.scope(Scope("function", set())):
            self.visit(node.value)  # type: ignore[attr-defined]  # Python 3.12
        self.visit(node.name)  # type: ignore[attr-defined]

    @contextmanager
    def type_parameters(self, node: ast.AST) -> Iterator[None]:
        parameters = getattr(node, "type_params", [])
        if not parameters:
            yield
            return
        with self.recorder.scope(Scope("comprehension", {parameter.name for parameter in parameters})):
            for parameter in parameters:
                if getattr(parameter, "bound", None) is not None:
                    self.visit(parameter.bound)
            yield

    # --- statements ---------------------------------------------------------------------------------------------

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.recorder.read((node.target.id,))
        self.visit(node.value)
        self.visit(node.target)

    def visit_Global(self, node: ast.Global) -> None:
        """The scope knows these names."""

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.recorder.names.imports.append(node)
        for alias in node.names:
            if alias.name != "*":
                self.recorder.bind(bound_by_import(alias, node), node)

    visit_ImportFrom = visit_Import

    # --- control flow: what is certainly bound afterwards ---------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.recorder.branches([lambda: self.statements(node.body), lambda: self.statements(node.orelse)])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self.recorder.branches([lambda: self.visit(node.body), lambda: self.visit(node.orelse)])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        for value in node.values[1:]:
            self.recorder.optional(lambda value=value: self.visit(value))  # type: ignore[misc]

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)

        def body() -> None:
            self.visit(node.target)
            self.statements(node.body)

        self.recorder.optional(body)
        self.recorder.optional(lambda: self.statements(node.orelse))

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.recorder.optional(lambda: self.statements(node.body))
        self.recorder.optional(lambda: self.statements(node.orelse))

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.recorder.certain)
        self.statements(node.body)
        self.statements(node.orelse)
        ends = [set(self.recorder.certain)]
        for handler in node.handlers:
            self.recorder.certain = set(before)
            self.handler(handler)
            if not _leaves(handler.body):
                ends.append(set(self.recorder.certain))
        self.recorder.certain = set.intersection(*ends)
        self.statements(node.finalbody)

    visit_TryStar = visit_Try

    def handler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name is None:
            self.statements(node.body)
            return
        was_bound = node.name in self.recorder.names.binds
        self.recorder.bind(node.name, node)
        self.statements(node.body)
        if self.recorder.at_module_level:  # Python deletes the name at the handler's end
            self.recorder.certain.discard(node.name)
            if not was_bound:
                self.recorder.names.binds.pop(node.name, None)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            self.recorder.optional(lambda case=case: self.case(case))  # type: ignore[misc]

    def case(self, case: ast.match_case) -> None:
        self.visit(case.pattern)
        if case.guard is not None:
            self.visit(case.guard)
        self.statements(case.body)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self.recorder.bind(node.name, node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.recorder.bind(node.rest, node)


_MUTATING_METHODS = frozenset(
    "append extend insert remove pop clear sort reverse update setdefault popitem add discard appendleft popleft "
    "extendleft rotate".split()
)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether control cannot reach the code behind these statements."""
    return bool(body) and isinstance(body[-1], ast.Raise | ast.Return | ast.Continue | ast.Break)
