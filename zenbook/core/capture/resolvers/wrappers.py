"""Callable objects that were made of a function, by a decorator or by `functools.lru_cache`."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.decorators import DecoratorPlan
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.resolvers.function_source import add_decorated, add_function, find_definition
from zenbook.errors import CaptureError


def resolve_wrapper(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a callable object that wraps a function, as `functools.lru_cache` does.

    Args:
        reference: The name and the object.
        context: The capture.

    Returns:
        Whether the object is such a wrapper.

    Raises:
        CaptureError: It was made by a call, so that its source does not say what it is.
    """
    name, value, where = reference.name, reference.value, reference.where
    if not callable(value) or not _wraps_function(value):
        return False
    if add_decorated(reference, context):
        return True
    get_options = getattr(value, "cache_parameters", None)
    if not isinstance(value, functools._lru_cache_wrapper) or get_options is None:
        kind = type(value).__qualname__
        raise CaptureError(
            f"{context.step} uses `{name}`{where}, a {kind} created by a function call; zenbook has no source for it.",
            "Create it with the decorator syntax, or import it from a module of your project.",
        )
    item = context.items[name] = Item(name, value=value)
    context.watched.stable = False
    inner = expression_of(f"_{name}_wrapped", value.__wrapped__, item, where, context)
    options = ", ".join(f"{key}={option!r}" for key, option in get_options().items())
    item.pieces = (Piece(f"import functools as _functools\n{name} = _functools.lru_cache({options})({inner})"),)
    return True


def resolve_decorated_object(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of an object that an installed package's decorator made of a function (`numpy.vectorize`).

    Args:
        reference: The name and the object.
        context: The capture.

    Returns:
        Whether the object is such an object.
    """
    name, value = reference.name, reference.value
    if not callable(value) or not hasattr(value, "__dict__"):
        return False
    for inner in vars(value).values():
        if not isinstance(inner, types.FunctionType) or inner.__closure__ or inner.__name__ != name:
            continue
        definition = find_definition(reference, inner, context)
        plan = DecoratorPlan.of_object(definition.node, inner.__globals__)
        if plan is not None:
            add_function(name, inner, definition, plan, context, wrapper=value)
            return True
    return False


def _wraps_function(value: Any) -> bool:
    return "__wrapped__" in getattr(value, "__dict__", {}) and isinstance(inspect.unwrap(value), types.FunctionType)
