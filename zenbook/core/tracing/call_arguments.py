"""Bind the arguments of a call to a function's parameters, and call a function with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from zenbook.errors import WiringError, did_you_mean

SPREAD = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # the kinds ``*args`` and ``**kwargs``


def call_with(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a function with arguments by name, whatever kinds its parameters are of.

    Args:
        function: What to call.
        arguments: The arguments by the parameters' names; a sequence for ``*args``, a mapping for ``**kwargs``.

    Returns:
        What the function returns.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    parameters = list(inspect.signature(function).parameters.values())
    has_varargs = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    for parameter in parameters:
        if parameter.name not in arguments:
            continue
        value = arguments[parameter.name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY or (
            has_varargs and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ):
            positional.append(value)
        else:
            named[parameter.name] = value
    return function(*positional, **named)


def bind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Bind all arguments of a call to names.

    Args:
        function: What is called.
        args: The positional arguments.
        kwargs: The named arguments.
        what: What the function is, for messages: "Step 'fit'".

    Returns:
        The arguments by the parameters' names, defaults included.

    Raises:
        WiringError: An argument is unknown, missing or surplus.
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        names = list(signature.parameters)
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names, noun="argument") if names else "It takes no arguments."
            raise WiringError(f"{what} has no argument {unknown[0]!r}.", hint) from None
        name = what.rsplit(" ", maxsplit=1)[-1].strip("'")
        raise WiringError(f"{what}: {error}.", f"Its signature is {name}{signature}.") from None
    bound.apply_defaults()
    return dict(bound.arguments)
