"""Give the parameters of a plan other values after it was made, as a trigger of an exported pipeline does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zenbook.core.graph import Graph, Json
from zenbook.core.plain_values import NotPlainError, decode, encode
from zenbook.core.plan import Plan
from zenbook.core.tracing.parameter_targets import replace_part
from zenbook.errors import RunError, did_you_mean

_TEXT_TAGS = ("$path", "$float", "$Decimal", "$Fraction", "$UUID", "$datetime", "$date", "$time")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def with_params(plan: Plan, params: Mapping[str, Any]) -> Plan:
    """Put other values of some parameters into a plan.

    Args:
        plan: The plan, with the places of its parameters (`Plan.bindings`).
        params: The new values as plain JSON, as a form or an API gives them.

    Returns:
        Another plan.

    Raises:
        RunError: A parameter is unknown or fixed, or a value is of another kind than the plan's.
    """
    nodes = {node.name: node for node in plan.graph}
    new_params = dict(plan.params)
    for name, value in params.items():
        if name not in plan.params:
            raise RunError(
                f"The pipeline {plan.pipeline!r} has no parameter {name!r}.",
                did_you_mean(name, plan.params, noun="parameter"),
            )
        new = encode_like(name, value, plan.params[name])
        if _is_same_json(new, plan.params[name]):
            continue
        targets = plan.bindings.get(name, ())
        if not targets:
            raise RunError(
                f"The parameter {name!r} of {plan.pipeline!r} is fixed at {as_plain(plan.params[name])!r}: how the "
                "steps are connected depends on it.",
                "Export the pipeline again with the value that you want: zen export … --param NAME=VALUE.",
            )
        for target in targets:
            node = nodes[target.node]
            argument = replace_part(node.arguments[target.argument], target.within, new)
            nodes[target.node] = replace(node, arguments={**node.arguments, target.argument: argument})
        new_params[name] = new
    return replace(plan, graph=Graph(tuple(nodes.values())), params=new_params)


def as_plain(value: Json) -> Any:
    """Decode a parameter's value as far as plain JSON can hold it.

    Args:
        value: The encoded value.

    Returns:
        The value as people write it in a form: a path is a text, a tuple a list.
    """
    if isinstance(value, dict) and len(value) == 1:
        tag, body = next(iter(value.items()))
        if tag in _TEXT_TAGS:
            return body
        if tag == "$tuple" and not any(isinstance(part, dict) for part in body):
            return body
        if tag == "$numpy":
            return as_plain(body[1])
    return value


def encode_like(name: str, value: Any, like: Json) -> Json:
    """Encode a value as the plan's own value is encoded.

    Args:
        name: The parameter's name, for messages.
        value: The new value as plain JSON.
        like: The plan's own value, encoded.

    Returns:
        The new value, encoded.

    Raises:
        RunError: The value does not fit.
    """
    plain = as_plain(like)
    if like is None or (value is None and plain is None):
        return value if _is_scalar(value) else encode(value)
    if isinstance(plain, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(plain):
        expected = _KINDS.get(type(plain), type(plain).__name__)
        raise RunError(
            f"The parameter {name!r} must be {expected}, not {value!r:.60}.", f"Its default is {plain!r:.60}."
        )
    if plain is like:
        return _encoded(name, value)
    assert isinstance(like, dict)
    tag, body = next(iter(like.items()))
    encoded: Json = {tag: [body[0], value] if tag == "$numpy" else value}
    try:
        decode(encoded)
    except Exception as error:
        raise RunError(
            f"The parameter {name!r} cannot be {value!r:.60}: {error}.", f"Its default is {plain!r}."
        ) from error
    return encoded


def _encoded(name: str, value: Any) -> Json:
    message = f"The parameter {name!r} cannot be {value!r:.60}."
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        try:
            decode(value)
        except Exception as error:
            raise RunError(message, "Write it in the same way as the default.") from error
        return value
    try:
        return encode(value)
    except NotPlainError as error:
        raise RunError(message, "Give a plain value.") from error


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _is_same_json(first: Json, second: Json) -> bool:
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
