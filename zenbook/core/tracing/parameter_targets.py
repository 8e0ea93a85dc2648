"""Where the parameters of a plan go: the arguments of nodes in which another value can be put later.

A plan is a traced pipeline: its parameters are in the arguments of its nodes already. Where they are is found by
tracing once more with a placeholder for each. A parameter that the pipeline's function looks at (in a condition, a sum,
a loop) changes the graph itself, which cannot be done again without the function: such a parameter is fixed.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

from zenbook.core.annotations import conforms, hints_of
from zenbook.core.graph import Graph, Json
from zenbook.core.parsing import parse
from zenbook.core.plain_values import PLACEHOLDER, decode, encode
from zenbook.core.plan import ParameterTarget, Plan
from zenbook.core.step import Step
from zenbook.core.tracing.call_arguments import SPREAD
from zenbook.core.tracing.placeholders import ParameterPlaceholder
from zenbook.core.tracing.trace import Traced, trace_pipeline


def find_parameter_targets(
    plan: Plan, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, tuple[ParameterTarget, ...]]:
    """Find the parameters of a pipeline's plan that only pass through its function.

    Args:
        plan: The plan of a call of the pipeline.
        function: The pipeline's function.
        arguments: The arguments of that call by name, all bound.

    Returns:
        The places where each of these parameters arrives. A parameter that is not in it is fixed.
    """
    return _Search(plan, function, arguments).run()


def targets_by_name(plan: Plan) -> dict[str, tuple[ParameterTarget, ...]]:
    """Find the parameters of a notebook's step cells: a parameter is the argument of its name in each cell.

    Args:
        plan: The plan of the step cells.

    Returns:
        The places where each parameter arrives.
    """
    return {
        name: tuple(ParameterTarget(node.name, name) for node in plan.graph if name in node.params)
        for name in plan.params
    }


def replace_part(template: Any, path: Sequence[str | int], value: Json) -> Json:
    """Replace a part of an encoded value.

    Args:
        template: The encoded value, which stays as it is.
        path: The keys and positions that lead to the part; empty for the whole.
        value: The new part.

    Returns:
        A copy with the new part.
    """
    if not path:
        return value
    copy: Any = list(template) if isinstance(template, list) else dict(template)
    copy[path[0]] = replace_part(template[path[0]], path[1:], value)
    return copy


class _Search:
    def __init__(self, plan: Plan, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self.plan, self.function, self.arguments = plan, function, arguments
        self.hints = hints_of(function)

    def run(self) -> dict[str, tuple[ParameterTarget, ...]]:
        passed = _only_passed_on(self.function)
        names = [name for name in self.plan.params if name in passed]
        together = self._trace_with_placeholders(names) if names else {}
        if together is not None:
            return together
        separately = [self._trace_with_placeholders([name]) for name in names]  # one of them breaks the pipeline
        return {name: targets for each in separately if each is not None for name, targets in each.items()}

    def _trace_with_placeholders(self, names: list[str]) -> dict[str, tuple[ParameterTarget, ...]] | None:
        """The targets of some parameters; None if the pipeline gives another graph with placeholders."""
        placeholders = {name: ParameterPlaceholder(name, self.arguments[name]) for name in names}
        traced = self._trace(placeholders)
        if traced is None or not self._is_filled_to(traced.graph, self.plan.params, self.plan.graph):
            return None
        targets: dict[str, list[ParameterTarget]] = {name: [] for name in names}
        for node in traced.graph:
            for argument, template in node.arguments.items():
                for name, path in _placeholder_paths(template):
                    targets[name].append(ParameterTarget(node.name, argument, path))
        return {
            name: tuple(places)
            for name, places in targets.items()
            if places and not placeholders[name].is_used and self._takes_other_values(name, places, traced)
        }

    def _trace(self, values: Mapping[str, Any]) -> Traced | None:
        try:
            return trace_pipeline(self.function, self.plan.pipeline, {**self.arguments, **values})
        except Exception:  # noqa: BLE001  # the user's own code and types
            return None

    def _is_filled_to(self, traced: Graph, params: Mapping[str, Json], expected: Graph) -> bool:
        """Whether a graph with placeholders is the expected one once the parameters' values are put in."""
        return _comparable(_filled(traced, params)) == _comparable(expected)

    def _takes_other_values(self, name: str, targets: list[ParameterTarget], traced: Traced) -> bool:
        """Whether the pipeline and the steps take a value other than the plan's, by their annotations."""
        value, hint = self.plan.params[name], self.hints.get(name)
        for other in (*_other_values(value), *_choices(hint, value)):
            fits = hint is None or conforms(decode(other), hint)
            if fits and all(_is_taken(decode(other), target, traced) for target in targets):
                return not isinstance(value, bool) or self._gives_same_graph(name, other, traced)
        return False

    def _gives_same_graph(self, name: str, other: Json, placeheld: Traced) -> bool:
        """Trace with the other truth value: no placeholder sees ``if flag is True``."""
        traced = self._trace({name: decode(other)})
        params = {**self.plan.params, name: other}
        return traced is not None and self._is_filled_to(placeheld.graph, params, traced.graph)


def _placeholder_paths(template: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """The parameters whose placeholders are in an encoded argument, and where."""
    if isinstance(template, dict):
        if PLACEHOLDER in template:
            yield template[PLACEHOLDER], path
            return
        for key, part in template.items():
            yield from _placeholder_paths(part, (*path, key))
    elif isinstance(template, list):
        for position, part in enumerate(template):
            yield from _placeholder_paths(part, (*path, position))


def _filled(graph: Graph, params: Mapping[str, Json]) -> Graph:
    nodes = []
    for node in graph:
        arguments = dict(node.arguments)
        for argument, template in node.arguments.items():
            for name, path in _placeholder_paths(template):
                arguments[argument] = replace_part(arguments[argument], path, params[name])
        nodes.append(replace(node, arguments=arguments))
    return Graph(tuple(nodes))


def _comparable(graph: Graph) -> list[tuple[Any, str]]:
    """Nodes without and with their arguments; as text, since 1 equals True and 1.0."""
    return [(replace(node, arguments={}), json.dumps(dict(node.arguments), sort_keys=True)) for node in graph]


def _is_taken(value: Any, target: ParameterTarget, traced: Traced) -> bool:
    step = traced.steps[target.node]
    hint = step.hints.get(target.argument)
    if hint is None or target.within or step.parameters[target.argument].kind in SPREAD:
        return True
    return conforms(value, hint)


# --- other values -----------------------------------------------------------------------------------------------------


def _other_values(value: Json) -> Iterator[Json]:
    """Other values of the same kind; empty for kinds that are not listed here."""
    actual = decode(value)
    candidates: tuple[Any, ...] = ()
    if isinstance(actual, bool):
        candidates = (not actual,)
    elif isinstance(actual, int | float):
        candidates = (actual + 1, 0 * actual if math.isfinite(actual) else 0.5)
    elif isinstance(actual, str):
        candidates = (actual + "~",)
    elif isinstance(actual, list | tuple):
        candidates = (type(actual)([*actual, "another"]), type(actual)())
    elif isinstance(actual, dict):
        candidates = ({**actual, "another": 1}, {})
    elif actual is None:
        candidates = (1, "another")
    elif isinstance(value, dict) and next(iter(value)) == "$path":
        yield {"$path": f"{value['$path']}~"}
        return
    for candidate in candidates or _other_moments_and_numbers(actual):
        if candidate != actual or type(candidate) is not type(actual):
            yield encode(candidate)


def _other_moments_and_numbers(actual: Any) -> Iterable[Any]:
    if isinstance(actual, datetime.datetime):
        return (datetime.datetime(1999, 5, 6, 7, 8, 9, tzinfo=actual.tzinfo),)
    if isinstance(actual, datetime.date):
        return (datetime.date(1999, 5, 6),)
    if isinstance(actual, datetime.time):
        return (datetime.time(1, 2, tzinfo=actual.tzinfo),)
    if isinstance(actual, decimal.Decimal | fractions.Fraction):
        return (actual + 1,)
    return (uuid.UUID(int=1), uuid.UUID(int=2)) if isinstance(actual, uuid.UUID) else ()


def _choices(hint: Any, value: Json) -> Iterator[Json]:
    """The other values of a parameter that may have one of a few."""
    if get_origin(hint) is Literal:
        choices = [encode(choice) for choice in get_args(hint)]
        yield from (choice for choice in choices if json.dumps(choice) != json.dumps(value))


# --- reading the source -----------------------------------------------------------------------------------------------


def _only_passed_on(function: Callable[..., Any]) -> set[str]:
    """The parameters that the function's source uses only as arguments of steps and pipelines."""
    # A placeholder notices most other uses too, but not ``model is None`` or ``type(model)``.
    try:
        tree = parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return set()
    if not isinstance(tree, ast.FunctionDef):
        return set()
    names = {parameter.arg for parameter in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}
    namespace = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    visitor = _OtherUses(names, namespace)
    for statement in tree.body:
        visitor.visit(statement)
    return names - visitor.used


class _OtherUses(ast.NodeVisitor):
    """Finds names that are used otherwise than as an argument of a step or of a pipeline."""

    def __init__(self, names: set[str], namespace: Mapping[str, Any]) -> None:
        self.names, self.namespace = names, namespace
        self.used: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if not self._is_step_or_pipeline(node.func):
            self.generic_visit(node)
            return
        self.visit(node.func)
        for argument in arguments:
            self._visit_argument(argument)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.names:
            self.used.add(node.id)

    def _visit_argument(self, node: ast.expr) -> None:
        if isinstance(node, ast.List | ast.Tuple):
            for element in node.elts:
                self._visit_argument(element)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                self._visit_argument(value)
        elif not isinstance(node, ast.Name):
            self.visit(node)

    def _is_step_or_pipeline(self, callee: ast.expr) -> bool:
        """Whether what is called is a step or a pipeline, with options or without."""
        while isinstance(callee, ast.Call | ast.Attribute):
            callee = callee.func if isinstance(callee, ast.Call) else callee.value
        value = self.namespace.get(callee.id) if isinstance(callee, ast.Name) else None
        return isinstance(value, Step) or type(value).__name__ == "Pipeline"
