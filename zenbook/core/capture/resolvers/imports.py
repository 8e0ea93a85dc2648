"""What was imported from a module: it travels as an import, as it was written where that is known."""

from __future__ import annotations

import ast
import builtins
import sys
import types
from typing import Any

from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.constants import equal_constants
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.executed_cells import import_of, imported_modules, star_imports, unread_imports
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, PLAIN, is_main, unwrap_step


def resolve_import(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of what was imported, or is a builtin.

    Args:
        reference: The name and what it stands for.
        context: The capture.

    Returns:
        Whether an import gives the value.
    """
    name, value = reference.name, reference.value
    main = is_main(reference.namespace)
    if type(value) in PLAIN and not main:
        return False
    if main and _imported_as_written(name, value, context):
        return True
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    qualname = qualname or getattr(value, "__name__", "")
    if not isinstance(module, str) or module == MAIN:
        return False
    if not isinstance(qualname, str) or not qualname.isidentifier():
        return False
    if module == "builtins":
        return _resolve_builtin(name, qualname, value, context)
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        public = ".".join(parts[:depth])
        if _gives(public, qualname, value, context):
            _import_from(name, public, qualname, value, context)
            return True
    if _is_of_module(value, module) and context.project.defines(module, qualname):
        _import_from(name, module, qualname, value, context)  # imported before its module was loaded again
        return True
    return False


def add_effect_imports(context: CaptureContext) -> None:
    """Add imports of the notebook that are there for their effect (``sklearn.experimental``'s).

    Args:
        context: The capture, with all that the code reads; the package of such an import must be part of it.
    """
    project = context.project
    for module in imported_modules():
        if project.acts_on_reached(module):  # it registers something with a module that travels
            alias = "_" + module.replace(".", "_")
            context.items[alias] = Item(alias, (Piece(f"import {module} as {alias}"),), rank=-1)
            project.reach(module)
    packages = {module.partition(".")[0] for module in project.installed}
    for node, alias_node in unread_imports():
        name = alias_node.name
        if not isinstance(node, ast.ImportFrom) or node.level or not node.module or name in context.items:
            continue
        if (node.module, name) in context.own_imports or (alias_node.asname or name) in context.hidden:
            continue
        loaded = sys.modules.get(f"{node.module}.{name}")
        if node.module.partition(".")[0] in packages and loaded is not None and not _defines_anything(loaded):
            context.items[name] = Item(name, (Piece(f"from {node.module} import {name}"),), rank=-1)


def _imported_as_written(name: str, value: Any, context: CaptureContext) -> bool:
    """Make the item from an import statement of a cell that gives the value."""
    for node, alias in import_of(name):
        module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
        if module and _gives(module, alias.name, value, context):
            _import_from(name, module, alias.name, value, context)
            return True
    if type(value) in PLAIN or isinstance(value, types.ModuleType):
        return False  # nothing says that it is the imported one
    for node in star_imports():
        if not node.level and node.module and _gives(node.module, name, value, context):
            _import_from(name, node.module, name, value, context)
            return True
    return False


def _resolve_builtin(name: str, builtin: str, value: Any, context: CaptureContext) -> bool:
    if getattr(builtins, builtin, None) is not value:
        return False
    if name != builtin:
        context.items[name] = Item(name, (Piece(f"{name} = {builtin}"),), value=value)
    return True


def _gives(module: str, name: str, value: Any, context: CaptureContext) -> bool:
    """Whether a loaded module has a value under a name."""
    loaded = sys.modules.get(module)
    if loaded is None or module == MAIN:
        return False
    attribute = vars(loaded).get(name, MISSING)
    if attribute is MISSING and not context.project.is_project(module):
        attribute = getattr(loaded, name, MISSING)
    attribute = unwrap_step(attribute)
    return attribute is value or (attribute is not MISSING and equal_constants(attribute, value))


def _import_from(name: str, module: str, original: str, value: Any, context: CaptureContext) -> None:
    text = f"from {module} import {original}" + (f" as {name}" if name != original else "")
    context.add_import(name, text, module, value)
    if context.project.is_project(module):
        context.project.reach(module, (original,))


def _is_of_module(value: Any, module: str) -> bool:
    """Whether a function or class comes from a module's own code, and is not only named as if it did."""
    if isinstance(value, types.FunctionType):
        return value.__globals__.get("__name__") == module and value.__code__.co_name == value.__qualname__
    return isinstance(value, type)


def _defines_anything(module: types.ModuleType) -> bool:
    """Whether a module offers a function or class of its package: its import may be for more than its effect."""
    package = module.__name__.rpartition(".")[0] or module.__name__
    return any(
        f"{getattr(value, '__module__', '')}.".startswith(f"{package}.")
        for value in vars(module).values()
        if isinstance(value, types.FunctionType | type)
    )
