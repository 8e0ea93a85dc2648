"""Decorators: what they are now, and whether they made the wrapper that a name stands for."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterator
from typing import Any

from zenbook.core.capture.context import MISSING, root_name
from zenbook.core.distributions import is_installed


def is_zenbook(decorator: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether a decorator is one of zenbook's, which say how a function is run here and not what it does."""
    value = decorator_value(decorator, namespace)
    return (getattr(value, "__module__", None) or type(value).__module__ or "").startswith("zenbook.")


def decorator_value(decorator: ast.expr, namespace: dict[str, Any]) -> Any:
    """What stands in front of a decorator's first call."""
    root = root_name(decorator)
    if root is None:
        return MISSING
    chain: list[str] = []
    here = decorator
    while isinstance(here, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(here, ast.Attribute):
            chain.append(here.attr)
            here = here.value
        else:
            chain.clear()
            here = here.func if isinstance(here, ast.Call) else here.value
    value = namespace.get(root.id, MISSING)
    for part in reversed(chain):
        value = getattr(value, part, MISSING)
    return value


def layers_of(value: Any) -> Iterator[Any]:
    """What was wrapped around a function, from the outside."""
    while hasattr(value, "__wrapped__"):
        yield value
        value = value.__wrapped__


def makers_of(layers: list[Any], decorators: list[ast.expr], namespace: dict[str, Any]) -> list[ast.expr]:
    """The decorators that made these wrappers, from the inside out; those that gave the function back are left out."""
    believed = len(layers) == len(decorators)
    waiting = list(layers)
    found = []
    for decorator in reversed(decorators):
        if waiting and _made_by(waiting[-1], decorator, namespace, believed=believed):
            waiting.pop()
            found.append(decorator)
    return found


def _made_by(layer: Any, decorator: ast.expr, namespace: dict[str, Any], *, believed: bool) -> bool:
    """Whether a decorator, as it is now, makes this wrapper; of an installed package's wrapper that can't be seen."""
    made = decorator_value(decorator, namespace)
    maker = inspect.unwrap(made) if callable(made) else made
    code = getattr(layer, "__code__", None)
    if code is None or is_installed(code.co_filename):
        return believed or not isinstance(maker, types.FunctionType) or is_installed(maker.__code__.co_filename)
    if not isinstance(maker, types.FunctionType):
        return believed and (isinstance(made, type) or hasattr(made, "__self__"))
    fixed = not isinstance(decorator, ast.Call) or all(
        isinstance(one, ast.Constant) for one in (*decorator.args, *(keyword.value for keyword in decorator.keywords))
    )
    return fixed and code in _codes(maker.__code__)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield one
            yield from _codes(one)
