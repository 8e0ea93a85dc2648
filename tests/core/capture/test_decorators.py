"""Which decorators of a definition travel with it."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

from zenbook import step
from zenbook.core.capture.decorators import DecoratorPlan

Wrapper = Callable[..., Any]


def twice(function: Wrapper) -> Wrapper:
    @functools.wraps(function)
    def inner(*arguments: Any) -> Any:
        return 2 * function(*arguments)

    return inner


def registered(function: Wrapper) -> Wrapper:
    return function


NAMESPACE: dict[str, Any] = {"twice": twice, "registered": registered, "step": step, "functools": functools}


def kept(decorators: str, name: str = "work") -> str | None:
    """The decorators that travel with what `name` stands for, as they are written; None if they do not explain it."""
    text = "".join(f"@{decorator}\n" for decorator in decorators.split()) + "def work(): return 1"
    namespace = {"__name__": "__main__", **NAMESPACE}
    exec(text, namespace)
    value = getattr(namespace[name], "function", namespace[name])
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    if isinstance(value, types.FunctionType) and "__wrapped__" not in vars(value):
        plan: DecoratorPlan | None = DecoratorPlan.of_function(node, value)
    else:
        plan = DecoratorPlan.of_wrapper(node, value, namespace)
    if plan is None:
        return None
    assert sorted(map(ast.unparse, (*plan.kept, *plan.dropped))) == sorted(decorators.split())
    return " ".join(map(ast.unparse, plan.kept))


@pytest.mark.parametrize(
    ("decorators", "expected"),
    [
        ("", ""),
        ("step", ""),
        ("registered", ""),
        ("twice", "twice"),
        ("step twice", "twice"),
        ("twice registered", "twice"),
        ("twice twice", "twice twice"),
        ("functools.cache", "functools.cache"),
        ("functools.lru_cache(maxsize=3) twice", "functools.lru_cache(maxsize=3) twice"),
    ],
)
def test_decorators_that_made_the_object_are_kept(decorators: str, expected: str) -> None:
    assert kept(decorators) == expected


def test_a_wrapper_that_no_decorator_made_is_not_explained() -> None:
    node = ast.parse("def work(): return 1").body[0]
    assert isinstance(node, ast.FunctionDef)
    assert DecoratorPlan.of_wrapper(node, twice(lambda: 1), NAMESPACE) is None


def test_the_decorator_of_an_object_is_kept_if_it_is_installed() -> None:
    node = ast.parse("@vectorize\ndef work(x): return x").body[0]
    assert isinstance(node, ast.FunctionDef)
    import numpy as np

    plan = DecoratorPlan.of_object(node, {"vectorize": np.vectorize})
    assert plan is not None
    assert plan.dropped == ()
    assert DecoratorPlan.of_object(node, {"vectorize": twice}) is None
