"""Modules: they travel as an import, and what is read from a project module travels with its source."""

from __future__ import annotations

import sys
import types
from typing import Any

from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.context import HINT, CaptureContext, Reference
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, unwrap_step
from zenbook.core.capture.names import Chain
from zenbook.core.distributions import find_module, is_stdlib
from zenbook.errors import CaptureError


def resolve_module(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a module, or add the import of an inner module to it.

    Args:
        reference: The name, the module and the attributes that are read from it.
        context: The capture.

    Returns:
        Whether the value is a module.

    Raises:
        CaptureError: The module cannot be imported elsewhere.
    """
    name, module, chain, where = reference.name, reference.value, reference.chain, reference.where
    if not isinstance(module, types.ModuleType):
        return False
    dotted = module.__name__
    if dotted == MAIN:
        raise CaptureError(f"{context.step} uses the notebook's own module as `{name}`{where}.", HINT)
    if find_module(dotted) is None and not is_stdlib(dotted):
        raise CaptureError(
            f"{context.step} uses the module `{name}`{where}, which was created at run time and cannot be imported.",
            "Write it to a file of your project.",
        )
    item = context.items.setdefault(name, Item(name, value=module, rank=0))
    _add_piece(item, _import_text(dotted, name))
    if dotted.partition(".")[0] == "zenbook":
        return True
    _refuse_patched(reference, context)
    innermost = _innermost(module, chain[1:])
    if innermost != dotted:
        alias = f" as _{innermost.replace('.', '_')}" if name != dotted.partition(".")[0] else ""
        _add_piece(item, f"import {innermost}{alias}")
    context.project.use_module(dotted, chain[1:])
    if not context.project.is_project(dotted):
        context.project.require(innermost)
    return True


def _add_piece(item: Item, text: str) -> None:
    item.pieces = tuple(dict.fromkeys((*item.pieces, Piece(text))))


def _import_text(dotted: str, name: str) -> str:
    top = dotted.partition(".")[0]
    return f"import {top}" if name == top else f"import {dotted} as {name}"


def _innermost(module: types.ModuleType, chain: Chain) -> str:
    """The name of the innermost module that an attribute chain passes."""
    dotted = module.__name__
    for part in chain:
        inner = vars(module).get(part)
        if not isinstance(inner, types.ModuleType) or sys.modules.get(f"{dotted}.{part}") is not inner:
            break
        module, dotted = inner, f"{dotted}.{part}"
    return dotted


def _refuse_patched(reference: Reference, context: CaptureContext) -> None:
    """Refuse an attribute that the notebook gave to a module: the module elsewhere does not have it."""
    chain = reference.chain
    value: Any = reference.value
    for part in chain[1:]:
        value = unwrap_step(vars(value).get(part, MISSING)) if isinstance(value, types.ModuleType) else MISSING
    home = getattr(value, "__module__", None) if isinstance(value, types.FunctionType | type) else None
    if home == MAIN:
        raise CaptureError(
            f"{context.step} uses `{'.'.join((reference.name, *chain[1:]))}`{reference.where}, which the notebook put "
            "into that module; elsewhere the module is as it was installed or written.",
            "Call the notebook's own function or class by its own name.",
        )
