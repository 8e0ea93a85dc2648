"""Decorators: which of them travel with a function, because they made the object that its name stands for."""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.core.capture.live_values import MISSING
from zenbook.core.capture.source_text import Written, root_name
from zenbook.core.distributions import is_installed


@dataclass(frozen=True, slots=True)
class DecoratorPlan:
    """Which decorators of a definition travel with it, and which are left out."""

    kept: tuple[ast.expr, ...]
    dropped: tuple[ast.expr, ...]

    @classmethod
    def of_function(cls, node: Written, function: types.FunctionType) -> DecoratorPlan:
        """Plan for a name that stands for the function itself.

        Args:
            node: The function's definition.
            function: The live function.

        Returns:
            All decorators are dropped that gave the function itself back: they say how it is registered, not what it
            does.
        """
        decorators = _decorators(node)
        if "__wrapped__" not in vars(function):
            return cls((), decorators)
        return cls.keeping([part for part in decorators if not _is_zenbook(part, function.__globals__)], decorators)

    @classmethod
    def of_wrapper(cls, node: Written, wrapper: Any, namespace: dict[str, Any]) -> DecoratorPlan | None:
        """Plan for a name that stands for a wrapper around the function.

        Args:
            node: The function's definition.
            wrapper: What the name stands for; `__wrapped__` leads to the function.
            namespace: The function's globals.

        Returns:
            The decorators that made the wrappers are kept; None if they do not explain all of them.
        """
        decorators = _decorators(node)
        layers = list(_layers(wrapper))
        through_step = any(type(layer).__name__ == "Step" for layer in layers)
        zenbook = [number for number, part in enumerate(decorators) if _is_zenbook(part, namespace)]
        candidates = [
            part
            for number, part in enumerate(decorators)
            if number not in zenbook and (through_step or not zenbook or number > max(zenbook))
        ]
        layers = [layer for layer in layers if type(layer).__name__ != "Step"]
        makers = _makers(layers, candidates, namespace)
        return cls.keeping(makers, decorators) if len(makers) == len(layers) else None

    @classmethod
    def of_object(cls, node: Written, namespace: dict[str, Any]) -> DecoratorPlan | None:
        """Plan for a name that stands for an object that holds the function (`numpy.vectorize`).

        Args:
            node: The function's definition.
            namespace: The function's globals.

        Returns:
            The only decorator is kept; None if there is another number, or if it is not of an installed package.
        """
        decorators = _decorators(node)
        maker = _decorator_value(decorators[0], namespace) if len(decorators) == 1 else MISSING
        home = sys.modules.get(getattr(maker, "__module__", None) or "")
        if maker is MISSING or not is_installed(getattr(home, "__file__", None) or ""):
            return None
        return cls(decorators, ())

    @classmethod
    def keeping(cls, makers: Sequence[ast.expr], decorators: Sequence[ast.expr]) -> DecoratorPlan:
        """Make a plan from what is kept.

        Args:
            makers: Some of the decorators.
            decorators: All decorators of the definition.

        Returns:
            The plan; both of its parts in the order of the source.
        """
        return cls(
            tuple(part for part in decorators if part in makers),
            tuple(part for part in decorators if part not in makers),
        )


def _decorators(node: Written) -> tuple[ast.expr, ...]:
    return () if isinstance(node, ast.Lambda) else tuple(node.decorator_list)


def _is_zenbook(decorator: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether a decorator is one of zenbook's, which say how a function is run here and not what it does."""
    value = _decorator_value(decorator, namespace)
    return (getattr(value, "__module__", None) or type(value).__module__ or "").startswith("zenbook.")


def _decorator_value(decorator: ast.expr, namespace: dict[str, Any]) -> Any:
    """What stands in front of a decorator's first call."""
    root = root_name(decorator)
    if root is None:
        return MISSING
    chain: list[str] = []
    node = decorator
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        else:
            chain.clear()
            node = node.func if isinstance(node, ast.Call) else node.value
    value = namespace.get(root.id, MISSING)
    for part in reversed(chain):
        value = getattr(value, part, MISSING)
    return value


def _layers(value: Any) -> Iterator[Any]:
    """What was wrapped around a function, from the outside."""
    while hasattr(value, "__wrapped__"):
        yield value
        value = value.__wrapped__


def _makers(layers: list[Any], decorators: list[ast.expr], namespace: dict[str, Any]) -> list[ast.expr]:
    """The decorators that made these wrappers, from the inside out; those that gave the function back are left out."""
    counts_match = len(layers) == len(decorators)
    waiting = list(layers)
    makers = []
    for decorator in reversed(decorators):
        if waiting and _makes(decorator, waiting[-1], namespace, counts_match=counts_match):
            waiting.pop()
            makers.append(decorator)
    return makers


def _makes(decorator: ast.expr, layer: Any, namespace: dict[str, Any], *, counts_match: bool) -> bool:
    """Whether a decorator, as it is now, makes this wrapper."""
    value = _decorator_value(decorator, namespace)
    maker = inspect.unwrap(value) if callable(value) else value
    code = getattr(layer, "__code__", None)
    if code is None or is_installed(code.co_filename):  # the code of an installed package does not show its maker
        return counts_match or not isinstance(maker, types.FunctionType) or is_installed(maker.__code__.co_filename)
    if not isinstance(maker, types.FunctionType):
        return counts_match and (isinstance(value, type) or hasattr(value, "__self__"))
    fixed = not isinstance(decorator, ast.Call) or all(
        isinstance(argument, ast.Constant)
        for argument in (*decorator.args, *(keyword.value for keyword in decorator.keywords))
    )
    return fixed and code in _inner_codes(maker.__code__)


def _inner_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner_codes(constant)
