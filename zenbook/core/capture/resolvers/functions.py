"""Functions and lambdas: they travel with their source."""

from __future__ import annotations

import types

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.decorators import DecoratorPlan
from zenbook.core.capture.expressions import qualified_name
from zenbook.core.capture.items import Item
from zenbook.core.capture.resolvers.function_source import add_decorated, add_function, find_definition
from zenbook.errors import CaptureError


def resolve_function(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a function.

    Args:
        reference: The name and the function.
        context: The capture.

    Returns:
        Whether the value is a function.

    Raises:
        CaptureError: The function cannot travel.
    """
    name, function, where = reference.name, reference.value, reference.where
    if not isinstance(function, types.FunctionType):
        return False
    if hasattr(function, "dispatch") and hasattr(function, "registry"):
        raise CaptureError(
            f"{context.step} uses `{name}`, a singledispatch function{where}; zenbook has no source for its registry.",
            "Put it into a module of your project and import it.",
        )
    if "__wrapped__" in vars(function) and add_decorated(reference, context):
        return True
    if "." in function.__qualname__ and "<" not in function.__qualname__:
        item = Item(name, value=function)
        dotted = qualified_name(function, function.__globals__, item, context)
        if dotted is not None:
            context.items[name] = item
            item.pieces = (Piece(f"{name} = {dotted}"),)
            return True
    definition = find_definition(reference, function, context)
    add_function(name, function, definition, DecoratorPlan.of_function(definition.node, function), context)
    return True
