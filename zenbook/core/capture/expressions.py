"""Write a value as an expression of the capsule; the functions, classes and modules that it holds become items."""

from __future__ import annotations

import builtins
import functools
import sys
import types
from typing import Any

from zenbook.core.capsule import MAIN
from zenbook.core.capture.constants import NotAConstantError, Renderer
from zenbook.core.capture.context import HINT, CaptureContext, Reference
from zenbook.core.capture.executed_cells import place_of_name
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, unwrap_step
from zenbook.errors import CaptureError


def expression_of(name: str, value: Any, item: Item, where: str, context: CaptureContext) -> str:
    """Write a constant as an expression.

    Args:
        name: What the value is called in messages: a name, or words.
        value: The value.
        item: The item that the expression is a part of; what the expression refers to comes before it.
        where: The place of the code that uses it, in messages.
        context: The capture.

    Returns:
        An expression that gives an equal value.

    Raises:
        CaptureError: The value has no faithful expression.
    """
    renderer = Renderer(functools.partial(_name_for, item, context))
    try:
        text = renderer.render(value)
    except NotAConstantError as error:
        shown = f"`{name}`" if name.isidentifier() else name
        raise CaptureError(
            f"{context.step} uses {shown}{_with_binding(name, where)}, which cannot be part of its code: {error}.", HINT
        ) from error
    for alias, module in renderer.modules.items():
        if f"{alias}." not in text:
            continue
        loaded = sys.modules.get(module)
        if alias not in context.items:
            context.add_import(alias, f"import {module} as {alias}", module, loaded)
        elif context.items[alias].value is not loaded:
            raise context.two_objects(alias, where)
        item.needed_before.add(alias)
    return text


def qualified_name(value: Any, namespace: dict[str, Any], item: Item, context: CaptureContext) -> str | None:
    """Write what is a part of a class as ``Outer.inner``; the class becomes an item.

    Args:
        value: A method or an inner class.
        namespace: The globals that hold the outer class.
        item: The item that the name is a part of; the class comes before it.
        context: The capture.

    Returns:
        The dotted name; None if it is not what the name stands for.
    """
    root, *rest = value.__qualname__.split(".")
    outer = part = namespace.get(root, MISSING)
    for name in rest:
        part = getattr(part, name, MISSING)
    if part is not value or not isinstance(outer, type):
        return None
    context.resolve(Reference(root, outer, (root,), namespace))
    item.needed_before.add(root)
    return str(value.__qualname__)


def _with_binding(name: str, where: str) -> str:
    """The place of the code, and where the notebook binds the name if that is another place."""
    place = place_of_name(name) if name.isidentifier() else ""
    if not place or place in where:
        return where
    return f"{where[:-1]}; bound in {place})" if where.endswith(")") else f"{where} (bound in {place})"


def _name_for(item: Item, context: CaptureContext, value: Any) -> str | None:
    """A name for a function, class or module that a constant holds."""
    value = unwrap_step(value)
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    if getattr(builtins, name, None) is value:
        return name
    main = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
    if isinstance(value, type) and "." in value.__qualname__ and "<" not in value.__qualname__:
        return qualified_name(value, main, item, context)
    if isinstance(value, types.ModuleType):
        name = "_" + name.replace(".", "_")
    name = _free_name(name, value, main, context)
    try:
        context.resolve(Reference(name, value, (name,), main))
    except CaptureError as error:
        raise NotAConstantError(f"it holds `{name}`: {error.message}") from error
    item.needed_before.add(name)
    return name


def _free_name(name: str, value: Any, main: dict[str, Any], context: CaptureContext) -> str:
    """The notebook's own name for an object, if it has one that stands for nothing else here."""
    own = [key for key, bound in list(main.items()) if unwrap_step(bound) is value and key.isidentifier()]
    public = [key for key in own if not key.startswith("_")]
    candidates = sorted(public, key=lambda key: key != name)
    for candidate in [*candidates, *([name] if name.isidentifier() else [])]:
        item = context.items.get(candidate)
        if item is not None:
            if item.value is value:
                return candidate
        elif unwrap_step(main.get(candidate, value)) is value:
            return candidate
    stem = "_" + (name if name.isidentifier() else "lambda")
    number = 1
    while (item := context.items.get(f"{stem}_{number}")) is not None and item.value is not value:
        number += 1
    return f"{stem}_{number}"
