"""Constants of a notebook: they travel as an expression of their present value."""

from __future__ import annotations

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import PLAIN


def resolve_constant(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a constant.

    Args:
        reference: The name and the value.
        context: The capture.

    Returns:
        True: what is not a constant is refused by the rendering of its expression.
    """
    name, value = reference.name, reference.value
    item = context.items[name] = Item(name, value=value)
    context.watched.stable &= type(value) in PLAIN
    home = context.home_of(name, value)
    if home is not None:
        item.needed_before.add(home)
        expression = home
    else:
        expression = expression_of(name, value, item, reference.where, context)
    item.pieces = (Piece(f"{name} = {expression}"),)
    return True
