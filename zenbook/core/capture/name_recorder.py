"""Record which names a piece of code reads and binds, while a visitor walks through it.

The recorder knows the scopes around the current node, and which names are certainly bound by now. The visitor that
calls it is in `names`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from zenbook.core.capture.bindings import Scope

Chain = tuple[str, ...]  # a name and the attributes read from it: ("np", "random", "seed") for np.random.seed


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
        """All that is read from the module, except in annotations that are not evaluated."""
        return self.reads_on_definition | self.reads_in_bodies


class NameRecorder:
    """Collects `Names` in the order in which Python would execute the code."""

    def __init__(self) -> None:
        self.names = Names()
        self.scopes: list[Scope] = []
        self.certain: set[str] = set()  # bound at module level by now, on every path
        self._annotation_depth = 0

    @property
    def at_module_level(self) -> bool:
        """Whether the current node belongs to the module itself."""
        return not self.scopes

    @property
    def in_function(self) -> bool:
        """Whether the current node is executed only when some function is called."""
        return any(scope.kind == "function" for scope in self.scopes)

    def read(self, chain: Chain) -> None:
        """Note that a name is read.

        Args:
            chain: The name and the attributes that are read from it.
        """
        name = chain[0]
        if not self._is_global(name):
            return
        if self._annotation_depth:
            self.names.reads_in_annotations.add(chain)
        elif self.in_function:
            self.names.reads_in_bodies.add(chain)
        else:
            self.names.reads_on_definition.add(chain)
            if name not in self.certain:
                self.names.unbound_reads.add(name)

    def bind(self, name: str, node: ast.AST) -> None:
        """Note that a name is bound.

        Args:
            name: The name.
            node: What binds it.
        """
        scope = next((scope for scope in reversed(self.scopes) if scope.kind != "comprehension"), None)
        if scope is None:
            self.names.binds[name] = node
            self.certain.add(name)
        elif name in scope.globals:
            self.names.rebound_globals.setdefault(name, node)
        elif scope.kind == "class":
            scope.bound.add(name)

    def delete(self, node: ast.Name) -> None:
        """Note that a name is deleted.

        Args:
            node: The name in the ``del`` statement.
        """
        if self.at_module_level:
            if node.id not in self.certain:
                self.names.unbound_reads.add(node.id)
            self.certain.discard(node.id)
            self.names.binds.pop(node.id, None)
            self.names.deleted.add(node.id)
        elif node.id in self.scopes[-1].globals:
            self.names.rebound_globals.setdefault(node.id, node)

    def mutate(self, target: ast.expr) -> None:
        """Note that the object at the root of an expression is changed in place.

        Args:
            target: The expression that is assigned, deleted or called: ``x.a[0]``, ``x.append``.
        """
        root: ast.expr = target
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Starred):
            root = root.value
        if isinstance(root, ast.Name) and self.in_function and self._is_global(root.id):
            self.names.mutated_globals.setdefault(root.id, target)

    def _is_global(self, name: str) -> bool:
        """Whether a name means the module's, by the scopes around the current node."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if name in scope.globals:
                return True
            if not (scope.kind == "class" and depth) and name in scope.bound:
                return False
        return True

    @contextmanager
    def scope(self, scope: Scope) -> Iterator[None]:
        """Be in a scope for the time of a ``with`` block.

        Args:
            scope: The inner scope.

        Yields:
            Nothing.
        """
        self.scopes.append(scope)
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def annotation(self) -> Iterator[None]:
        """Be in an annotation that Python does not evaluate for the time of a ``with`` block.

        Yields:
            Nothing.
        """
        self._annotation_depth += 1
        yield
        self._annotation_depth -= 1

    def branches(self, visits: Sequence[Callable[[], object]]) -> None:
        """Visit alternatives, of which exactly one is executed: certain is then what all of them bind.

        Args:
            visits: One function for each alternative.
        """
        before, ends = set(self.certain), []
        for visit in visits:
            self.certain = set(before)
            visit()
            ends.append(self.certain)
        self.certain = set.intersection(*ends)

    def optional(self, visit: Callable[[], object]) -> None:
        """Visit code that may not be executed: what it binds is not certain afterwards.

        Args:
            visit: Visits the code.
        """
        before = set(self.certain)
        visit()
        self.certain &= before
