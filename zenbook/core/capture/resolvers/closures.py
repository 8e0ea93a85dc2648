"""Functions with captured variables: they travel as a factory that is called with the variables' values."""

from __future__ import annotations

import ast
import types
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import CaptureContext
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MUTABLE
from zenbook.core.capture.source_text import indented
from zenbook.errors import CaptureError


def closure_pieces(
    text: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    function: types.FunctionType,
    item: Item,
    where: str,
    context: CaptureContext,
) -> tuple[Piece, ...]:
    """Write a function with captured variables as a factory and a call of it.

    Args:
        text: The function's source.
        node: The syntax tree of that source.
        function: The live function.
        item: The function's item.
        where: The function's place in messages.
        context: The capture.

    Returns:
        The source.
    """
    name = item.name
    nonlocals = {variable for part in ast.walk(node) if isinstance(part, ast.Nonlocal) for variable in part.names}
    arguments = []
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # not assigned yet; Python will say so when it is read
        if value is function:
            continue
        _refuse_shared(cell, name, variable, rebound=variable in nonlocals, where=where, context=context)
        arguments.append((variable, _captured_value(variable, value, item, where, context)))
    if isinstance(node, ast.Lambda):
        inner, body = "_lambda", indented(f"_lambda = {text}")
    else:
        inner, body = node.name, indented(text)
    signature = ", ".join(variable for variable, _ in arguments)
    call = ", ".join(expression for _, expression in arguments)
    return (Piece(f"def _bind_{name}({signature}):\n{body}\n    return {inner}\n\n\n{name} = _bind_{name}({call})"),)


def _captured_value(variable: str, value: Any, item: Item, where: str, context: CaptureContext) -> str:
    """The expression of a captured variable; an object that can be changed gets one home for all who hold it."""
    where = f"{where}, captured by `{item.name}`"
    own_home = f"_{item.name}_{variable}"
    home = context.home_of(own_home, value)
    if home is None and isinstance(value, MUTABLE) and own_home not in context.items:
        holder = context.items[own_home] = Item(own_home, value=value)
        holder.pieces = (Piece(f"{own_home} = {expression_of(variable, value, holder, where, context)}"),)
        home = own_home
    if home is None:
        return expression_of(variable, value, item, where, context)
    item.needed_before.add(home)
    return home


def _refuse_shared(
    cell: types.CellType, name: str, variable: str, *, rebound: bool, where: str, context: CaptureContext
) -> None:
    """Refuse a variable that two functions share and one of them assigns."""
    _, other, other_rebinds = context.closures.setdefault(id(cell), (cell, name, rebound))
    if other != name and (rebound or other_rebinds):
        raise CaptureError(
            f"{context.step} uses `{name}` and `{other}`{where}, which share the variable `{variable}` and change it.",
            "Write them as a class, or put them into a module of your project.",
        )
