"""The source of a function as it travels: with the defaults, captured variables and attributes that it has now."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.decorators import DecoratorPlan
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, MUTABLE, is_main, same, unwrap_step, value_now
from zenbook.core.capture.names import Names, names_of
from zenbook.core.capture.resolvers.closures import closure_pieces
from zenbook.core.capture.resolvers.function_definition import FUTURE_ANNOTATIONS, Definition, function_definition
from zenbook.core.capture.source_text import replaced, text_of
from zenbook.core.distributions import is_installed
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def find_definition(reference: Reference, function: types.FunctionType, context: CaptureContext) -> Definition:
    """Find where a function of the user was written.

    Args:
        reference: The name that stands for the function or for an object made of it.
        function: The function.
        context: The capture.

    Returns:
        Its definition.

    Raises:
        CaptureError: Its source is not known, or is that of an installed package.
    """
    name, where = reference.name, reference.where
    if is_installed(function.__code__.co_filename):
        raise CaptureError(
            f"{context.step} uses `{name}`{where}, a function that a call into {function.__module__} created.",
            "Create it inside the step, or in a module of your project.",
        )
    try:
        return function_definition(function)
    except CaptureError as error:
        raise CaptureError(f"{context.step} uses `{name}`{where}: {error.message}", error.hint) from error


def add_decorated(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a wrapper of a function from the function's definition with its decorators.

    Args:
        reference: The name and the wrapper.
        context: The capture.

    Returns:
        Whether the definition says all about the wrapper; if not, no item is made.
    """
    function = inspect.unwrap(reference.value)
    if not isinstance(function, types.FunctionType) or function.__closure__:
        return False
    try:
        definition = function_definition(function)
    except CaptureError:
        return False
    if isinstance(definition.node, ast.Lambda):
        return False
    plan = DecoratorPlan.of_wrapper(definition.node, reference.value, function.__globals__)
    if plan is None:
        return False
    add_function(reference.name, function, definition, plan, context, wrapper=reference.value)
    return True


def add_function(
    name: str,
    function: types.FunctionType,
    definition: Definition,
    plan: DecoratorPlan,
    context: CaptureContext,
    *,
    wrapper: Any = None,
) -> None:
    """Make the item of a function from its definition.

    Args:
        name: The name of the item.
        function: The live function.
        definition: Where it was written.
        plan: The decorators that travel with it.
        context: The capture.
        wrapper: What the name stands for if it is not the function itself.

    Raises:
        CaptureError: The function cannot travel.
    """
    item = context.items[name] = Item(name, value=function if wrapper is None else wrapper)
    context.watched.add_function(function)
    context.watched.stable &= wrapper is None and not function.__closure__ and not _has_mutable_defaults(function)
    where = f" ({definition.place})"
    source = _source(definition, plan, function, item, context)
    refuse_hidden_state(source.names, function.__globals__, where, context)
    captured = set(function.__code__.co_freevars)
    if "__class__" in captured:
        raise CaptureError(
            f"{context.step} uses the method {function.__qualname__!r} outside of its class{where}.",
            "Use it through its class.",
        )
    own_name = getattr(source.node, "name", name)
    if own_name != name and not captured and _is_alias(item, own_name, function, where, context):
        return
    context.read_names(source.names, function.__globals__, item, skip=captured, where=where)
    if captured:
        pieces = closure_pieces(source.text, source.node, function, item, where, context)
    else:
        pieces = _plain_pieces(name, source, definition, renamed=wrapper is None)
    attributes = () if wrapper is not None else _attribute_pieces(function, item, where, context)
    item.pieces = (*pieces, *attributes)


def refuse_hidden_state(names: Names, namespace: dict[str, Any], where: str, context: CaptureContext) -> None:
    """Refuse code of the notebook that assigns or changes the notebook's globals in a function.

    Args:
        names: The names of the code.
        namespace: Its globals.
        where: Its place in messages.
        context: The capture.

    Raises:
        CaptureError: The code does so.
    """
    if not is_main(namespace):
        return
    for name in names.rebound_globals:
        raise CaptureError(
            f"{context.step} assigns the global `{name}`{where}; another step or machine would not see that.",
            "Return it as an output and pass it on.",
        )
    for name, node in names.mutated_globals.items():
        value = unwrap_step(namespace.get(name, MISSING))
        if value is MISSING or name in context.provided:
            continue
        if isinstance(value, types.ModuleType | types.FunctionType):
            continue
        called = isinstance(getattr(node, "ctx", None), ast.Load)  # a method as `update`, which may be harmless
        if not called or isinstance(value, MUTABLE):
            raise CaptureError(
                f"{context.step} changes the global `{name}`{where}; another step or machine would not see that.",
                "Return it as an output and pass it on, or create it inside the step.",
            )


def defaults_of(arguments: ast.arguments, function: types.FunctionType) -> Iterator[tuple[str, ast.expr, Any]]:
    """List the default values that a function has.

    Args:
        arguments: The parameters in its definition.
        function: The live function.

    Yields:
        (parameter, expression of the default, its value).
    """
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    for argument, expression, value in zip(with_default, arguments.defaults, function.__defaults__ or (), strict=False):
        yield argument.arg, expression, value
    keywords = function.__kwdefaults__ or {}
    for argument, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword is not None and argument.arg in keywords:
            yield argument.arg, keyword, keywords[argument.arg]


# --- the parts of a function's source -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """A function's text as it travels, and what it reads."""

    text: str
    node: Function
    names: Names
    line: int


def _source(
    definition: Definition, plan: DecoratorPlan, function: types.FunctionType, item: Item, context: CaptureContext
) -> _Source:
    future = bool(function.__code__.co_flags & FUTURE_ANNOTATIONS)
    context.future_annotations |= future
    text = text_of(definition.node, definition.text, plan.dropped)
    if isinstance(definition.node, ast.Lambda):
        text = f"({text})"
    text = _with_defaults(text, function, item, f" ({definition.place})", context)
    statement, node = _parsed(text)
    line = min([definition.node.lineno, *(decorator.lineno for decorator in plan.kept)])
    return _Source(text, node, names_of([statement], future_annotations=future), line)


def _parsed(text: str) -> tuple[ast.stmt, Function]:
    """The only statement of a text, and the function or lambda that it is."""
    statement = parse(text).body[0]
    node = statement.value if isinstance(statement, ast.Expr) else statement
    assert isinstance(node, Function)
    return statement, node


def _with_defaults(text: str, function: types.FunctionType, item: Item, where: str, context: CaptureContext) -> str:
    """Write the default values that the function really has where its source would give others now."""
    _, node = _parsed(text)
    if len(node.args.defaults) != len(function.__defaults__ or ()):
        raise CaptureError(
            f"{context.step} uses {function.__qualname__!r}{where}, whose defaults were changed later.",
            "Define it with the defaults that it is to have.",
        )
    changes = [
        (expression, expression_of(f"the default of `{argument}`", value, item, where, context))
        for argument, expression, value in defaults_of(node.args, function)
        if not same(value_now(expression, function.__globals__), value)
    ]
    return replaced(text, changes) if changes else text


def _is_alias(item: Item, own_name: str, function: types.FunctionType, where: str, context: CaptureContext) -> bool:
    """Whether an item's name is a second name of what the notebook has under its own name; makes it one then."""
    namespace = function.__globals__
    if unwrap_step(namespace.get(own_name)) is not item.value:
        return False
    del context.items[item.name]
    context.resolve(Reference(own_name, item.value, (own_name,), namespace, where))
    context.watched.add_binding(namespace, own_name, namespace[own_name])
    item.pieces = (Piece(f"{item.name} = {own_name}"),)
    item.needed_before = {own_name}
    context.items[item.name] = item
    return True


def _plain_pieces(name: str, source: _Source, definition: Definition, *, renamed: bool) -> tuple[Piece, ...]:
    """A function's own lines; under another name if its own stands for something else by now.

    Args:
        name: The name of the item.
        source: The function's source.
        definition: Where it was written.
        renamed: Whether a function under another name keeps its own name in tracebacks.

    Returns:
        The source.
    """
    if isinstance(source.node, ast.Lambda):
        text = source.text if "\n" in source.text else source.text[1:-1]
        return (Piece(f"{name} = {text}"),)
    own_name = source.node.name
    if own_name == name:
        return (Piece(source.text, definition.file, source.line),)
    head = re.compile(rf"^(\s*(?:async\s+)?def\s+){re.escape(own_name)}\b", re.MULTILINE)
    text = head.sub(lambda match: match[1] + name, source.text, count=1)
    piece = Piece(text, definition.file, source.line)
    return (piece, Piece(f"{name}.__name__ = {name}.__qualname__ = {own_name!r}")) if renamed else (piece,)


def _attribute_pieces(function: types.FunctionType, item: Item, where: str, context: CaptureContext) -> Iterator[Piece]:
    """Attributes that were given to the function; those of a wrapper come from its decorators."""
    if "__wrapped__" in vars(function):
        return
    for attribute, value in vars(function).items():
        context.watched.stable = False
        label = f"the attribute `{attribute}` of `{item.name}`"
        yield Piece(f"{item.name}.{attribute} = {expression_of(label, value, item, where, context)}")


def _has_mutable_defaults(function: types.FunctionType) -> bool:
    values = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return any(isinstance(value, MUTABLE) for value in values)
