"""What a step reaches in the notebook, found on the live objects, as pieces of source.

Functions and classes travel by their source (`live_functions`, `live_classes`), constants by their value, modules and
what was imported from them by import. Each name becomes an item (`items`).
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import types
from typing import Any

from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.classes import LiveClasses
from zenbook.core.capture.constants import NotAConstantError, Renderer, is_class
from zenbook.core.capture.context import HINT, MISSING, PLAIN, is_main, plain_function, unstepped
from zenbook.core.capture.definitions import import_of, imported_modules, star_imports, unread_imports
from zenbook.core.capture.items import Item, in_order
from zenbook.core.capture.names import Chain, Names
from zenbook.core.distributions import find_module, is_stdlib
from zenbook.errors import CaptureError

__all__ = ["MAIN", "MISSING", "NotebookCapture"]


class NotebookCapture(LiveClasses):
    """Collects what is reached from live objects. Raises `CaptureError` for what can't travel."""

    def add_function(self, function: Any, name: str) -> None:
        """Capture a function, or another callable object, under a name of the main module."""
        space = getattr(function, "__globals__", None) or vars(sys.modules.get(MAIN, types.ModuleType(MAIN)))
        self.reach(name, function, (name,), space, "")
        if name not in self.items:  # a builtin function
            self.items[name] = Item(name, (Piece(f"{name} = {name}"),), value=function)

    def add_reads(self, names: Names, namespace: dict[str, Any], *, own: set[str]) -> None:
        """Capture what a cell's code reads from ``namespace``; ``own`` are names that the cell binds itself."""
        self.read_all(names, namespace, Item(""), skip=own, where="")

    def pieces(self) -> tuple[Piece, ...]:
        """The main module's pieces in an order that can be executed."""
        self._side_effect_imports()
        made = in_order(self.items, self.step)
        if self.future_annotations and made:
            made = (Piece("from __future__ import annotations"), *made)
        return made

    def reach(self, name: str, value: Any, chain: Chain, namespace: dict[str, Any], where: str) -> None:
        """Make the item for a name that stands for ``value``; ``chain`` is the name and the attributes read from it."""
        value = plain_function(value)
        known = self.items.get(name)
        if known is not None:
            if known.value is value:
                if isinstance(value, types.ModuleType):
                    self._module_item(name, value, chain, where)
            elif not known.pieces or not _equal_constant(known.value, value):
                raise self.two_objects(name, where)
        elif isinstance(value, types.ModuleType):
            self._module_item(name, value, chain, where)
        elif self._imported(name, value, namespace):
            return
        elif isinstance(value, types.FunctionType):
            self.add_function_item(name, value, where)
        elif is_class(value):
            self.add_class_item(name, value)
        elif callable(value) and _wraps_function(value):
            self.add_wrapper_item(name, value, where)
        elif not callable(value) or not self.add_object_item(name, value, where):
            self._constant_item(name, value, where)

    # --- constants ----------------------------------------------------------------------------------------------

    def _constant_item(self, name: str, value: Any, where: str) -> None:
        item = self.items[name] = Item(name, value=value)
        self.steady &= type(value) in PLAIN
        home = self.constant_home(name, value)
        if home is not None:
            item.needed_before.add(home)
            item.pieces = (Piece(f"{name} = {home}"),)
        else:
            item.pieces = (Piece(f"{name} = {self.expression(name, value, item, where)}"),)

    # --- modules ------------------------------------------------------------------------------------------------

    def _module_item(self, name: str, module: types.ModuleType, chain: Chain, where: str) -> None:
        dotted = module.__name__
        if dotted == MAIN:
            raise CaptureError(f"{self.step} reads the notebook's own module as `{name}`{where}.", HINT)
        if find_module(dotted) is None and not is_stdlib(dotted):
            raise CaptureError(
                f"{self.step} reads the module `{name}`{where}, which was made by hand and can't be imported.",
                "Write it to a file of your project.",
            )
        item = self.items.setdefault(name, Item(name, value=module, rank=0))
        item.pieces = tuple(dict.fromkeys((*item.pieces, Piece(_import_text(dotted, name)))))
        if dotted.partition(".")[0] == "zenbook":
            return
        self._refuse_patched(name, module, chain, where)
        deepest = _deepest(module, chain[1:])
        if deepest != dotted:
            bound = f" as _{deepest.replace('.', '_')}" if name != dotted.partition(".")[0] else ""
            item.pieces = tuple(dict.fromkeys((*item.pieces, Piece(f"import {deepest}{bound}"))))
        self.project.use_module(dotted, chain[1:])
        if not self.project.is_project(dotted):
            self.project.require(deepest)

    def _refuse_patched(self, name: str, module: types.ModuleType, chain: Chain, where: str) -> None:
        """Refuse an attribute that the notebook gave to a module: the module elsewhere does not have it."""
        here: Any = module
        for part in chain[1:]:
            here = unstepped(vars(here).get(part, MISSING)) if isinstance(here, types.ModuleType) else MISSING
        home = getattr(here, "__module__", None) if isinstance(here, types.FunctionType | type) else None
        if home == MAIN and module.__name__ != MAIN:
            raise CaptureError(
                f"{self.step} reads `{'.'.join((name, *chain[1:]))}`{where}, which the notebook put into that module; "
                "elsewhere the module is as it was installed or written.",
                "Call the notebook's own function or class by its own name.",
            )

    # --- what was imported --------------------------------------------------------------------------------------

    def _imported(self, name: str, value: Any, namespace: dict[str, Any]) -> bool:
        """Whether the name was bound by an import, which then travels as it was written."""
        main = is_main(namespace)
        if type(value) in PLAIN and not main:
            return False
        if main and self._imported_as_written(name, value):
            return True
        module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        qualname = qualname or getattr(value, "__name__", "")
        if (
            not isinstance(module, str)
            or module == MAIN
            or not isinstance(qualname, str)
            or not qualname.isidentifier()
        ):
            return False
        if module == "builtins":
            return getattr(builtins, qualname, None) is value and self._builtin(name, qualname)
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            public = ".".join(parts[:depth])
            if self._gives(public, qualname, value):
                self._import_from(name, public, qualname, value)
                return True
        if _is_of_module(value, module) and self.project.defines(module, qualname):
            self._import_from(name, module, qualname, value)  # imported before its module was loaded again
            return True
        return False

    def _imported_as_written(self, name: str, value: Any) -> bool:
        for node, alias in import_of(name):
            home = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
            if home and self._gives(home, alias.name, value):
                self._import_from(name, home, alias.name, value)
                return True
        if type(value) in PLAIN or isinstance(value, types.ModuleType):
            return False  # nothing says that it is the imported one
        for node in star_imports():
            if not node.level and node.module and self._gives(node.module, name, value):
                self._import_from(name, node.module, name, value)
                return True
        return False

    def _builtin(self, name: str, qualname: str) -> bool:
        if name != qualname:
            self.items[name] = Item(name, (Piece(f"{name} = {qualname}"),), value=getattr(builtins, qualname))
        return True

    def _gives(self, module: str, name: str, value: Any) -> bool:
        loaded = sys.modules.get(module)
        if loaded is None or module == MAIN:
            return False
        found = vars(loaded).get(name, MISSING)
        if found is MISSING and not self.project.is_project(module):
            found = getattr(loaded, name, MISSING)
        found = unstepped(found)
        return found is value or (found is not MISSING and _equal_constant(found, value))

    def _import_from(self, name: str, module: str, original: str, value: Any) -> None:
        text = f"from {module} import {original}" + (f" as {name}" if name != original else "")
        self.add_import(name, text, module, value)
        if self.project.is_project(module):
            self.project.reach(module, (original,))

    def _side_effect_imports(self) -> None:
        """Let imports travel that are there for their effect (``sklearn.experimental``'s), if their package does."""
        for name in imported_modules():
            if self.project.acts_on_reached(name):  # it registers something with a module that travels
                bound = "_" + name.replace(".", "_")
                self.items[bound] = Item(bound, (Piece(f"import {name} as {bound}"),), rank=-1)
                self.project.reach(name)
        reached = {one.partition(".")[0] for one in self.project.installed}
        for node, alias in unread_imports():
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module or alias.name in self.items:
                continue
            if (node.module, alias.name) in self.own_imports or self.absent(alias.asname or alias.name):
                continue
            module = sys.modules.get(f"{node.module}.{alias.name}")
            if node.module.partition(".")[0] in reached and module is not None and not _defines_anything(module):
                text = f"from {node.module} import {alias.name}"
                self.items[alias.name] = Item(alias.name, (Piece(text),), rank=-1)


def _nameless(value: object) -> None:
    """Constants alone are compared: what needs a name has no expression."""


def _equal_constant(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or callable(one) or isinstance(one, types.ModuleType):
        return False
    try:
        return Renderer(_nameless).render(one) == Renderer(_nameless).render(other)
    except NotAConstantError:
        return False


def _import_text(dotted: str, name: str) -> str:
    if name == dotted.partition(".")[0]:
        return f"import {dotted.partition('.')[0]}"
    return f"import {dotted} as {name}"


def _deepest(module: types.ModuleType, rest: Chain) -> str:
    """The name of the innermost module that an attribute chain passes."""
    here, dotted = module, module.__name__
    for part in rest:
        inner = vars(here).get(part)
        if not isinstance(inner, types.ModuleType) or sys.modules.get(f"{dotted}.{part}") is not inner:
            break
        here, dotted = inner, f"{dotted}.{part}"
    return dotted


def _wraps_function(value: Any) -> bool:
    return "__wrapped__" in getattr(value, "__dict__", {}) and isinstance(inspect.unwrap(value), types.FunctionType)


def _is_of_module(value: Any, module: str) -> bool:
    """Whether a function or class was made by a module's own code, and not only named as if it were."""
    if isinstance(value, types.FunctionType):
        return value.__globals__.get("__name__") == module and value.__code__.co_name == value.__qualname__
    return isinstance(value, type)


def _defines_anything(module: types.ModuleType) -> bool:
    """Whether a module offers a function or class of its package: its import may be for more than its effect."""
    package = module.__name__.rpartition(".")[0] or module.__name__
    return any(
        f"{getattr(one, '__module__', '')}.".startswith(f"{package}.")
        for one in vars(module).values()
        if isinstance(one, types.FunctionType | type)
    )
