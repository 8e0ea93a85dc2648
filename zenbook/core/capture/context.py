"""Reading names of a notebook: what every part of `live.NotebookCapture` builds on."""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.constants import NotAConstantError, Renderer
from zenbook.core.capture.definitions import place_of_name
from zenbook.core.capture.items import Item
from zenbook.core.capture.names import Chain, Names
from zenbook.core.capture.project import NO_FILE, ProjectCode
from zenbook.core.capture.skipped_value import SkippedValue
from zenbook.errors import CaptureError

MISSING = object()
HINT = "Pass it to the step as an input, make it a parameter, or create it inside the step."


def _nothing(_: str) -> bool:
    return False


class CaptureContext(ABC):
    """The items that were reached so far, and the ways to reach more.

    ``provided`` says which names the step gets as inputs; ``owner`` names the step in messages.
    """

    def __init__(self, owner: str, project: ProjectCode, provided: Callable[[str], bool] = _nothing) -> None:
        self.step = f"Step {owner!r}"
        self.project = project
        self.provided = provided
        self.used: set[str] = set()  # of the provided names
        self.absent: Callable[[str], bool] = lambda _: False  # names of the notebook that count as not there yet
        self.own_imports: set[tuple[str, str]] = set()  # (module, name) that a cell imports itself
        self.items: dict[str, Item] = {}
        self.future_annotations = False
        self.watched: list[tuple[dict[str, Any], str, Any]] = []  # (namespace, name, value) of all that was read
        self.functions: list[types.FunctionType] = []
        self.steady = True  # whether nothing was reached that can change while its name stays bound to it

    @abstractmethod
    def reach(self, name: str, value: Any, chain: Chain, namespace: dict[str, Any], where: str) -> None:
        """Make the item for a name that stands for ``value``; ``chain`` is the name and the attributes read from it."""

    # --- names --------------------------------------------------------------------------------------------------

    def read_all(self, names: Names, namespace: dict[str, Any], item: Item, *, skip: set[str], where: str) -> None:
        """Reach all names that a piece of code reads from its module's namespace."""
        for node in names.imports:
            self.project.follow_import(node, namespace.get("__package__") or "")
        kinds = (
            (names.reads_on_definition, item.needed_before, False),
            (names.reads_in_bodies, item.needed_when_called, False),
            (names.reads_in_annotations, item.preferred_before, True),
        )
        for chains, needs, soft in kinds:
            for chain in sorted(chains):
                if chain[0] not in skip and self._read(chain, namespace, where, soft=soft):
                    needs.add(chain[0])
        for needs in (item.needed_before, item.preferred_before):  # code can't need what it is about to bind
            needs.discard(item.name)

    def _read(self, chain: Chain, namespace: dict[str, Any], where: str, *, soft: bool) -> bool:
        name = chain[0]
        main = is_main(namespace)
        if main and self.provided(name):
            self.used.add(name)
            return False
        if name == "get_ipython":
            raise CaptureError(
                f"{self.step} uses IPython itself (`get_ipython`, a `%magic` or a `!shell` line){where}.",
                "Move that line to a cell that is no step.",
            )
        if name == "__name__" and main:
            return False  # the same in a capsule
        value = MISSING if main and self.absent(name) else namespace.get(name, MISSING)
        self.watched.append((namespace, name, value))
        if value is MISSING or _stands_in(name, value):
            return self._read_builtin(name, where)
        if isinstance(value, SkippedValue):
            raise CaptureError(f"{self.step} reads `{name}`{where}, and {value.why}.", value.way_out)
        if name in NO_FILE:
            raise CaptureError(
                f"{self.step} reads `{name}`{where}, and its code has no file where it runs.",
                "Make the path a parameter of the step.",
            )
        if not soft:
            self.reach(name, value, chain, namespace, where)
            return True
        before = dict(self.items)
        try:
            self.reach(name, value, chain, namespace, where)
        except CaptureError:  # an annotation that is not evaluated: it may name what can't travel
            self.items = before
            return False
        return True

    def _read_builtin(self, name: str, where: str) -> bool:
        value: Any = getattr(builtins, name, MISSING)
        module = getattr(value, "__module__", None) or ""
        if value is not MISSING and module.startswith("IPython"):
            self.add_import(name, f"from {module} import {value.__name__}", module, value)
            return True
        return False  # a name that is not there yet is Python's to complain about, when it is reached

    # --- items --------------------------------------------------------------------------------------------------

    def add_import(self, name: str, text: str, module: str, value: Any) -> None:
        """Bind a name by an import statement."""
        self.items[name] = Item(name, (Piece(text),), value=value, rank=0)
        if not self.project.is_project(module):
            self.project.require(module)

    def expression(self, name: str, value: Any, item: Item, where: str) -> str:
        """An expression that gives a constant; what it refers to becomes items that come before ``item``."""
        renderer = Renderer(functools.partial(self._refer, item))
        try:
            text = renderer.render(value)
        except NotAConstantError as error:
            place = place_of_name(name) if name.isidentifier() else ""
            if place and place not in where:
                where = f"{where[:-1]}; bound in {place})" if where.endswith(")") else f"{where} (bound in {place})"
            shown = f"`{name}`" if name.isidentifier() else name
            raise CaptureError(f"{self.step} reads {shown}{where}, which can't travel: {error}.", HINT) from error
        for alias, module in renderer.modules.items():
            if f"{alias}." not in text:
                continue
            known = self.items.get(alias)
            if known is None:
                self.add_import(alias, f"import {module} as {alias}", module, sys.modules.get(module))
            elif known.value is not sys.modules.get(module):
                raise self.two_objects(alias, where)
            item.needed_before.add(alias)
        return text

    def _refer(self, item: Item, value: Any) -> str | None:
        """A name for a function, class or module that a constant holds."""
        value = unstepped(value)
        name = getattr(value, "__name__", None)
        if not isinstance(name, str):
            return None
        if getattr(builtins, name, None) is value:
            return name
        main = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
        if isinstance(value, type) and "." in value.__qualname__ and "<" not in value.__qualname__:
            return self.dotted(item, value, main)
        if isinstance(value, types.ModuleType):
            name = "_" + name.replace(".", "_")
        name = self._free_name(name, value, main)
        try:
            self.reach(name, value, (name,), main, "")
        except CaptureError as error:
            raise NotAConstantError(f"it holds `{name}`: {error.message}") from error
        item.needed_before.add(name)
        return name

    def dotted(self, item: Item, value: Any, namespace: dict[str, Any]) -> str | None:
        """``Outer.inner`` for what is found below a class of the namespace."""
        root, *rest = value.__qualname__.split(".")
        outer = here = namespace.get(root, MISSING)
        for part in rest:
            here = getattr(here, part, MISSING)
        if here is not value or not isinstance(outer, type):
            return None
        self.reach(root, outer, (root,), namespace, "")
        item.needed_before.add(root)
        return str(value.__qualname__)

    def _free_name(self, name: str, value: Any, main: dict[str, Any]) -> str:
        """The notebook's own name for an object, if it has one that stands for nothing else here."""
        own = [key for key, one in list(main.items()) if unstepped(one) is value and key.isidentifier()]
        named = sorted(own, key=lambda key: (key != name, key.startswith("_")))
        for candidate in [*(one for one in named if not one.startswith("_")), *([name] if name.isidentifier() else [])]:
            known, bound = self.items.get(candidate), main.get(candidate, value)
            if known.value is value if known is not None else unstepped(bound) is value:
                return candidate
        stem = "_" + (name if name.isidentifier() else "lambda")
        number = 1
        while (known := self.items.get(f"{stem}_{number}")) is not None and known.value is not value:
            number += 1
        return f"{stem}_{number}"

    def two_objects(self, name: str, where: str) -> CaptureError:
        """The error for a name that would have to stand for two things in one capsule."""
        return CaptureError(
            f"{self.step} reaches two different objects by the name `{name}`{where}.", "Give one of them another name."
        )


def _stands_in(name: str, value: Any) -> bool:
    """Whether a function only guards the builtin of its name, as IPython's `open` does in a notebook."""
    return name in vars(builtins) and getattr(value, "__wrapped__", None) is vars(builtins)[name]


def is_main(namespace: dict[str, Any]) -> bool:
    """Whether a namespace is the notebook's."""
    return namespace.get("__name__") == MAIN


def unstepped(value: Any) -> Any:
    """The function behind a step; anything else as it is."""
    kind = type(value)
    return value.function if kind.__name__ == "Step" and kind.__module__.startswith("zenbook.") else value


def plain_function(value: Any) -> Any:
    """The function behind a step; anything else as it is. Raises `CaptureError` for a pipeline."""
    kind = type(value)
    if kind.__name__ == "Pipeline" and kind.__module__.startswith("zenbook."):
        raise CaptureError(
            f"A step reaches the pipeline {value.name!r}, and a step can't start a pipeline.",
            "Call the pipeline's steps from the pipeline function.",
        )
    return unstepped(value)


def root_name(expression: ast.expr) -> ast.Name | None:
    """The name at the root of ``a.b(c).d``."""
    while isinstance(expression, ast.Call | ast.Attribute | ast.Subscript):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression if isinstance(expression, ast.Name) else None


UNKNOWN = object()
_PURE = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple,
    ast.List, ast.Set, ast.Dict, ast.Subscript, ast.Slice, ast.expr_context,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def value_now(expression: ast.expr, namespace: dict[str, Any], own: dict[str, Any] | None = None) -> Any:
    """What an expression without calls gives now; `UNKNOWN` for any other."""
    if not all(isinstance(one, _PURE) for one in ast.walk(expression)):
        return UNKNOWN
    code = compile(ast.Expression(expression), "<expression>", "eval", dont_inherit=True)
    try:
        return eval(code, dict(namespace), own or {})  # noqa: S307
    except Exception:  # noqa: BLE001  # a name that is gone, an operation that fails now: nothing is known
        return UNKNOWN


def same(one: Any, other: Any) -> bool:
    """Whether two values are one object, or equal values of plain types (containers of them included)."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) in PLAIN:
        return repr(one) == repr(other)
    if type(one) in (tuple, list):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return list(map(repr, one)) == list(map(repr, other)) and all(map(same, one.values(), other.values()))
    if type(one) in (set, frozenset):
        return bool(one == other) and {type(each) for each in one} == {type(each) for each in other}
    return False
