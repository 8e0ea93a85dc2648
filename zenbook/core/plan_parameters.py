"""Which parameters of a plan can be given another value after it was made, and where that value goes.

A plan is a traced pipeline: its parameters are in the arguments of its nodes already. Where one went is found by
tracing again with another value and comparing. What else depends on it (a condition, a sum, the number of steps) can't
be redone without the pipeline's function, so such a parameter stays as it is, and whoever wants to change it is told.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import fractions
import inspect
import json
import math
import textwrap
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

from zenbook.core.annotations import hints_of
from zenbook.core.graph import Graph, Json
from zenbook.core.parsing import parse
from zenbook.core.plain_values import NotPlainError, decode, encode
from zenbook.core.plan import ParameterTarget, Plan
from zenbook.core.step import Step
from zenbook.core.trace import Traced
from zenbook.errors import RunError, did_you_mean

_TEXTS = ("$path", "$float", "$Decimal", "$Fraction", "$UUID", "$datetime", "$date", "$time")
_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


# --- finding --------------------------------------------------------------------------------------------------------


def find_parameter_targets(
    plan: Plan, function: Callable[..., Any], trace: Callable[[Mapping[str, Any]], Traced]
) -> dict[str, tuple[ParameterTarget, ...]]:
    """The parameters of a pipeline's plan that only pass through its function, with the places where they arrive.

    ``trace`` gives the graph for other values of some parameters.
    """
    passed = _passed_on(function)
    hints = hints_of(function)
    found: dict[str, tuple[ParameterTarget, ...]] = {}
    for name, value in plan.params.items():
        if name not in passed:
            continue
        tried = [
            _places(plan, name, value, other, trace) for other in (*_others(value), *_choices(hints.get(name), value))
        ]
        places = [one for one in tried if one is not None]
        if places and places[0] and all(one == places[0] for one in places):
            found[name] = places[0]
    return found


def targets_by_name(plan: Plan) -> dict[str, tuple[ParameterTarget, ...]]:
    """Those of a notebook's step cells: a parameter is the argument of its name in each cell."""
    return {
        name: tuple(ParameterTarget(node.name, name) for node in plan.graph if name in node.params)
        for name in plan.params
    }


def _places(
    plan: Plan, name: str, value: Json, other: Json, trace: Callable[[Mapping[str, Any]], Traced]
) -> tuple[ParameterTarget, ...] | None:
    """Where the other value arrives; None for one that the pipeline does not take."""
    try:
        traced = trace({name: decode(other)})
    except Exception:  # noqa: BLE001  # the user's own code and types
        return None
    places: list[ParameterTarget] = []
    if [_frame(one) for one in plan.graph] != [_frame(one) for one in traced.graph]:
        return ()
    for before, after in zip(plan.graph, traced.graph, strict=True):
        if before.arguments.keys() != after.arguments.keys():
            return ()
        for argument in before.arguments:
            for path in _differences(before.arguments[argument], after.arguments[argument]):
                whole = _enclosing(before.arguments[argument], after.arguments[argument], path, value, other)
                if whole is None:
                    return ()
                place = ParameterTarget(before.name, argument, whole)
                if place not in places:
                    places.append(place)
    return tuple(places)


def _frame(node: Any) -> Any:
    return replace(node, arguments={})


def _differences(old: Json, new: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key in old:
            yield from _differences(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, (*path, place))
    elif type(old) is not type(new) or old != new:
        yield path


def _enclosing(
    old: Json, new: Json, path: Sequence[str | int], value: Json, other: Json
) -> tuple[str | int, ...] | None:
    """The part around a difference that was the parameter's value and is the other value now."""
    for depth in range(len(path) + 1):
        part = tuple(path[:depth])
        if _same(_at(old, part), value) and _same(_at(new, part), other):
            return part
    return None


def _at(template: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        template = template[key]
    return template


def _same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _others(value: Json) -> Iterator[Json]:
    """Other values of the same kind: far ones, so that a comparison in the pipeline's function shows."""
    actual = decode(value)
    candidates: tuple[Any, ...] = ()
    if isinstance(actual, bool):
        candidates = (not actual,)
    elif isinstance(actual, int):
        candidates = (actual + 1, 0 if actual else 5, -actual - 7, actual + 1_000_003)
    elif isinstance(actual, float):
        candidates = (actual + 0.5 if math.isfinite(actual) else 0.5, -1.75, 1e9 + 0.25)
    elif isinstance(actual, str):
        candidates = (actual + "~", "", "another")
    elif isinstance(actual, list | tuple):
        candidates = (type(actual)([*actual, "another"]), type(actual)())
    elif isinstance(actual, dict):
        candidates = ({**actual, "another": 1}, {})
    elif actual is None:
        candidates = (1, "another")
    elif isinstance(value, dict) and next(iter(value)) == "$path":
        yield from ({"$path": f"{value['$path']}~"}, {"$path": "another"})
        return
    for one in candidates or _other_moments_and_numbers(actual):
        if one != actual or type(one) is not type(actual):
            yield encode(one)


def _other_moments_and_numbers(actual: Any) -> tuple[Any, ...]:
    if isinstance(actual, datetime.datetime):
        return tuple(datetime.datetime(year, 5, 6, 7, 8, 9, tzinfo=actual.tzinfo) for year in (1999, 2099))
    if isinstance(actual, datetime.date):
        return datetime.date(1999, 5, 6), datetime.date(2099, 6, 7)
    if isinstance(actual, datetime.time):
        return datetime.time(1, 2, tzinfo=actual.tzinfo), datetime.time(23, 4, tzinfo=actual.tzinfo)
    if isinstance(actual, decimal.Decimal | fractions.Fraction):
        return actual + 1, -actual - 7
    return (uuid.UUID(int=1), uuid.UUID(int=2)) if isinstance(actual, uuid.UUID) else ()


def _choices(hint: Any, value: Json) -> Iterator[Json]:
    """The other values of a parameter that may have one of a few."""
    if get_origin(hint) is Literal:
        yield from (encode(one) for one in get_args(hint) if not _same(encode(one), value))


def _passed_on(function: Callable[..., Any]) -> set[str]:
    """The parameters that the function's source uses only as arguments of steps and pipelines."""
    try:
        tree = parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return set()
    if not isinstance(tree, ast.FunctionDef):
        return set()
    names = {one.arg for one in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}
    space = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    visitor = _Uses(names, space)
    for statement in tree.body:
        visitor.visit(statement)
    return names - visitor.elsewhere


class _Uses(ast.NodeVisitor):
    """Finds names that are used otherwise than as an argument of a step or of a pipeline."""

    def __init__(self, names: set[str], space: Mapping[str, Any]) -> None:
        self.names, self.space = names, space
        self.elsewhere: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        arguments = [*node.args, *(one.value for one in node.keywords)]
        if not self._wires(node.func):
            self.generic_visit(node)
            return
        self.visit(node.func)
        for one in arguments:
            self._visit_argument(one)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.names:
            self.elsewhere.add(node.id)

    def _visit_argument(self, node: ast.expr) -> None:
        if isinstance(node, ast.List | ast.Tuple):
            for one in node.elts:
                self._visit_argument(one)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                self._visit_argument(value)
        elif not isinstance(node, ast.Name):
            self.visit(node)

    def _wires(self, called: ast.expr) -> bool:
        """Whether what is called is a step or a pipeline, with options or without."""
        while isinstance(called, ast.Call | ast.Attribute):
            called = called.func if isinstance(called, ast.Call) else called.value
        found = self.space.get(called.id) if isinstance(called, ast.Name) else None
        return isinstance(found, Step) or type(found).__name__ == "Pipeline"


# --- replacing ------------------------------------------------------------------------------------------------------


def with_params(plan: Plan, given: Mapping[str, Any]) -> Plan:
    """The plan with other values of some parameters, given as plain JSON (as a form or an API gives them).

    Raises `RunError` for an unknown parameter, a value of another kind than the plan's, or one that can't be changed.
    """
    nodes = {node.name: node for node in plan.graph}
    params = dict(plan.params)
    for name, value in given.items():
        if name not in plan.params:
            raise RunError(
                f"The pipeline {plan.pipeline!r} has no parameter {name!r}.",
                did_you_mean(name, plan.params, noun="parameter"),
            )
        new = fitted(name, value, plan.params[name])
        if _same(new, plan.params[name]):
            continue
        places = plan.bindings.get(name, ())
        if not places:
            raise RunError(
                f"The parameter {name!r} of {plan.pipeline!r} is fixed at {as_plain(plan.params[name])!r}: how the "
                "steps are wired depends on it.",
                "Export the pipeline again with the value that you want: zen export … --param NAME=VALUE.",
            )
        for place in places:
            node = nodes[place.node]
            old = node.arguments[place.argument]
            nodes[place.node] = replace(
                node, arguments={**node.arguments, place.argument: _put(old, place.within, new)}
            )
        params[name] = new
    return replace(plan, graph=Graph(tuple(nodes.values())), params=params)


def as_plain(value: Json) -> Any:
    """A parameter's value as plain JSON, as people write it in a form: a path is a text, a tuple a list."""
    if isinstance(value, dict) and len(value) == 1:
        tag, body = next(iter(value.items()))
        if tag in _TEXTS:
            return body
        if tag == "$tuple" and not any(isinstance(one, dict) for one in body):
            return body
        if tag == "$numpy":
            return as_plain(body[1])
    return value


def fitted(name: str, value: Any, like: Json) -> Json:
    """A value given as plain JSON, encoded as the plan's own value is. Raises `RunError` where it does not fit."""
    plain = as_plain(like)
    if like is None or (value is None and plain is None):
        return value if _is_json(value) else encode(value)
    if isinstance(plain, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(plain):
        wanted = _NAMES.get(type(plain), type(plain).__name__)
        raise RunError(
            f"The parameter {name!r} is {wanted}, and {value!r:.60} was given.", f"Its default is {plain!r:.60}."
        )
    if plain is like:
        return _encoded(name, value)
    assert isinstance(like, dict)
    tag, body = next(iter(like.items()))
    made: Json = {tag: [body[0], value] if tag == "$numpy" else value}
    try:
        decode(made)
    except Exception as error:
        raise RunError(
            f"The parameter {name!r} can't be {value!r:.60}: {error}.", f"Its default is {plain!r}."
        ) from error
    return made


def _encoded(name: str, value: Any) -> Json:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        try:
            decode(value)
        except Exception as error:
            raise RunError(
                f"The parameter {name!r} can't be {value!r:.60}.", "Give what the default looks like."
            ) from error
        return value
    try:
        return encode(value)
    except NotPlainError as error:
        raise RunError(f"The parameter {name!r} can't be {value!r:.60}.", "Give a plain value.") from error


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _put(template: Any, path: Sequence[str | int], value: Json) -> Json:
    if not path:
        return value
    copy: Any = list(template) if isinstance(template, list) else dict(template)
    copy[path[0]] = _put(template[path[0]], path[1:], value)
    return copy


__all__ = ["as_plain", "find_parameter_targets", "fitted", "targets_by_name", "with_params"]
