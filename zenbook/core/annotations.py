"""Type annotations of steps: the names of their outputs, and whether a value fits."""

from __future__ import annotations

import inspect
import numbers
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from zenbook.errors import DefinitionError

_NUMBERS: dict[type, type] = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluate the annotations of a function where that is possible.

    Args:
        function: The function.

    Returns:
        The annotations by parameter name, and that of the result as "return".
    """
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001  # an unknown forward reference: such annotations are ignored
        annotations = getattr(function, "__annotations__", {})
        return {name: hint for name, hint in annotations.items() if not isinstance(hint, str)}


def output_names(hint: Any, step: str) -> tuple[str, ...]:
    """Read the outputs that a return annotation names: of a NamedTuple, an annotated tuple or an annotated type.

    Args:
        hint: The annotation.
        step: The step's name, for the message.

    Returns:
        The names. A tuple of fixed length without names gives ``output_0``, ``output_1``…; anything else one
        ``output``.

    Raises:
        DefinitionError: Two outputs have the same name.
    """
    fields = getattr(hint, "_fields", None)
    if isinstance(hint, type) and issubclass(hint, tuple) and fields:
        return tuple(fields)
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if len(parts) > 1 and parts[-1] is not Ellipsis:
            names = tuple(_annotated_name(part) or f"output_{number}" for number, part in enumerate(parts))
            if len(set(names)) < len(names):
                raise DefinitionError(
                    f"Step {step!r} has two outputs of the same name: {', '.join(names)}.",
                    "Give each output its own name.",
                )
            return names
    return (_annotated_name(hint) or "output",)


def output_hints(hint: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Find the annotation of each output.

    Args:
        hint: The return annotation.
        names: The outputs' names.

    Returns:
        The annotations by output name; empty if the return annotation does not match the names.
    """
    if len(names) == 1:
        return {names[0]: hint}
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return {name: part for name, part in hints_of(hint).items() if name in names}
    if typing.get_origin(hint) is tuple and len(typing.get_args(hint)) == len(names):
        return dict(zip(names, typing.get_args(hint), strict=True))
    return {}


def _annotated_name(hint: Any) -> str | None:
    if typing.get_origin(hint) is Annotated:
        return next((note for note in typing.get_args(hint)[1:] if isinstance(note, str)), None)
    return None


def conforms(value: Any, hint: Any) -> bool:
    """Whether a value fits an annotation. Only classes are compared, not the contents of containers.

    Args:
        value: Any object.
        hint: The annotation.

    Returns:
        True too if the annotation cannot be checked.
    """
    if hint is Any or hint is inspect.Parameter.empty or isinstance(hint, str | typing.TypeVar):
        return True
    if hint is None:
        return value is None
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return conforms(value, parts[0])
    if origin is Union or origin is types.UnionType:
        return any(conforms(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    kind = origin or hint
    if not isinstance(kind, type):
        return True
    if getattr(kind, "_is_protocol", False):
        return True
    if kind in _NUMBERS:
        return isinstance(value, _NUMBERS[kind]) and not (isinstance(value, bool) and kind is not bool)
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


def describe(hint: Any) -> str:
    """Describe an annotation for people.

    Args:
        hint: The annotation.

    Returns:
        Its name, as "int" or "list[str]".
    """
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return hint.__name__
    if typing.get_origin(hint) is Annotated:
        return describe(typing.get_args(hint)[0])
    return str(hint).replace("typing.", "")
