"""Questions about live objects: what kind an object is, what an expression gives now, whether values are equal."""

from __future__ import annotations

import ast
import collections
import types
from typing import Any

from zenbook.core.capsule import MAIN
from zenbook.errors import CaptureError

MISSING = object()  # in the place of a value that is not there
UNKNOWN = object()  # in the place of a value that cannot be found out
PLAIN = (bool, int, float, complex, str, bytes, type(None))
MUTABLE = (list, dict, set, bytearray, collections.deque)

_WITHOUT_CALLS = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple,
    ast.List, ast.Set, ast.Dict, ast.Subscript, ast.Slice, ast.expr_context,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def is_main(namespace: dict[str, Any]) -> bool:
    """Find out whether a namespace is the notebook's.

    Args:
        namespace: The globals of some code.

    Returns:
        True for the globals of ``__main__``.
    """
    return namespace.get("__name__") == MAIN


def is_class(value: Any) -> bool:
    """Find out whether a value is a class itself; ``list[int]`` passes for one in `isinstance`.

    Args:
        value: Any object.

    Returns:
        True for a class.
    """
    return isinstance(value, type) and not issubclass(type(value), types.GenericAlias)


def unwrap_step(value: Any) -> Any:
    """Find the function behind a step.

    Args:
        value: A step, or anything else.

    Returns:
        The step's function; anything else as it is.
    """
    kind = type(value)
    return value.function if kind.__name__ == "Step" and kind.__module__.startswith("zenbook.") else value


def refuse_pipeline(value: Any) -> None:
    """Refuse a pipeline as a part of a step.

    Args:
        value: What a step uses.

    Raises:
        CaptureError: It is a pipeline.
    """
    kind = type(value)
    if kind.__name__ == "Pipeline" and kind.__module__.startswith("zenbook."):
        raise CaptureError(
            f"A step uses the pipeline {value.name!r}, but a step cannot start a pipeline.",
            "Call the pipeline's steps from the pipeline function.",
        )


def value_now(expression: ast.expr, namespace: dict[str, Any], own: dict[str, Any] | None = None) -> Any:
    """Evaluate an expression without calls.

    Args:
        expression: The expression.
        namespace: The globals that it reads.
        own: Names that count before them, as those of a class's body.

    Returns:
        What it gives now; `UNKNOWN` for an expression with calls or one that fails.
    """
    if not all(isinstance(node, _WITHOUT_CALLS) for node in ast.walk(expression)):
        return UNKNOWN
    code = compile(ast.Expression(expression), "<expression>", "eval", dont_inherit=True)
    try:
        return eval(code, dict(namespace), own or {})  # noqa: S307
    except Exception:  # noqa: BLE001  # a name that is gone, an operation that fails now: nothing is known
        return UNKNOWN


def same(left: Any, right: Any) -> bool:
    """Find out whether two values are one object, or equal values of plain types or of containers of them.

    Args:
        left: One value.
        right: The other.

    Returns:
        False also for equal objects of other types.
    """
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) in PLAIN:
        return repr(left) == repr(right)
    if type(left) in (tuple, list):
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) is dict:
        return list(map(repr, left)) == list(map(repr, right)) and all(map(same, left.values(), right.values()))
    if type(left) in (set, frozenset):
        return bool(left == right) and {type(part) for part in left} == {type(part) for part in right}
    return False
