"""A project module: constants, a registry, aliases, a decorator, things that nobody reaches."""

from __future__ import annotations

import functools
import math as m
from collections.abc import Callable
from typing import Any

LIMIT = 2 * 3
TABLE = {"a": LIMIT, **{"b": 7}}
KNOWN: dict[str, Callable[..., Any]] = {}

try:
    import a_module_that_is_nowhere as fast
except ImportError:
    fast = None


def register(function: Callable[..., Any]) -> Callable[..., Any]:
    KNOWN[function.__name__] = function
    return function


@register
def area(radius: float) -> float:
    return m.pi * radius**2


def logged(prefix: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> str:
            return f"{prefix}{function(*args, **kwargs)}"

        return inner

    return decorate


@logged("<")
def marked(text: str) -> str:
    return text + str(TABLE["b"])


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def scaled(factor: float) -> Callable[[float], float]:
    def scale(value: float) -> float:
        return value * factor + LIMIT

    return scale


def never_reached() -> None:
    raise RuntimeError(UNBOUND)  # noqa: F821
