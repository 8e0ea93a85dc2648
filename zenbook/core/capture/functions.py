"""Live functions and lambdas as pieces of source, with the defaults, captured variables and decorators they have."""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.context import (
    MISSING,
    CaptureContext,
    is_main,
    same,
    unstepped,
    value_now,
)
from zenbook.core.capture.decorators import decorator_value, is_zenbook, layers_of, makers_of
from zenbook.core.capture.definitions import FUTURE_ANNOTATIONS, Definition, function_definition
from zenbook.core.capture.items import Item
from zenbook.core.capture.names import Names, names_of
from zenbook.core.capture.source_text import indented, replaced, text_of
from zenbook.core.distributions import is_installed
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

_Written = ast.FunctionDef | ast.AsyncFunctionDef
_MUTABLE = (list, dict, set, bytearray, collections.deque)


@dataclass(frozen=True, slots=True)
class _Source:
    """A function's text as it travels, and what it reads."""

    text: str
    node: _Written | ast.Lambda
    names: Names
    line: int


class LiveFunctions(CaptureContext):
    """The part of `live.NotebookCapture` that knows functions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cells: dict[
            int, tuple[types.CellType, str, bool]
        ] = {}  # captured variables: owner, whether it is rebound
        self._homes: dict[int, tuple[str, Any]] = {}  # mutable constants, and the item that holds them

    def add_function_item(self, name: str, function: types.FunctionType, where: str) -> None:
        """Make the item of a function. Raises `CaptureError`."""
        if hasattr(function, "dispatch") and hasattr(function, "registry"):
            raise CaptureError(
                f"{self.step} reaches `{name}`, a singledispatch function{where}, whose registry has no source.",
                "Put it into a module of your project and import it.",
            )
        if "__wrapped__" in vars(function) and self._as_decorated(name, function, where):
            return
        if "." in function.__qualname__ and "<" not in function.__qualname__:
            item = Item(name, value=function)
            text = self.dotted(item, function, function.__globals__)
            if text is not None:
                self.items[name] = item
                item.pieces = (Piece(f"{name} = {text}"),)
                return
        definition = self._definition(name, function, where)
        drop = () if isinstance(definition.node, ast.Lambda | ast.ClassDef) else self._not_its_own(definition, function)
        self._define(name, function, definition, drop)

    def add_wrapper_item(self, name: str, value: Any, where: str) -> None:
        """Make the item of a callable object that wraps a function, as `functools.lru_cache` does."""
        if self._as_decorated(name, value, where):
            return
        maker = getattr(value, "cache_parameters", None)
        if not isinstance(value, functools._lru_cache_wrapper) or maker is None:
            raise CaptureError(
                f"{self.step} reaches `{name}`{where}, a {type(value).__qualname__} that was made by a call.",
                "Make it with the decorator syntax, or import it from a module of your project.",
            )
        item = self.items[name] = Item(name, value=value)
        self.steady = False
        inner = self.expression(f"_{name}_wrapped", value.__wrapped__, item, where)
        options = ", ".join(f"{key}={one!r}" for key, one in maker().items())
        item.pieces = (Piece(f"import functools as _functools\n{name} = _functools.lru_cache({options})({inner})"),)

    def add_object_item(self, name: str, value: Any, where: str) -> bool:
        """Make the item of an object that an installed package's decorator made of a function (`numpy.vectorize`)."""
        for inner in vars(value).values() if hasattr(value, "__dict__") else ():
            if not isinstance(inner, types.FunctionType) or inner.__closure__ or inner.__name__ != name:
                continue
            definition = self._definition(name, inner, where)
            decorators = getattr(definition.node, "decorator_list", [])
            made = decorator_value(decorators[0], inner.__globals__) if len(decorators) == 1 else MISSING
            home = sys.modules.get(getattr(made, "__module__", None) or "")
            if made is not MISSING and is_installed(getattr(home, "__file__", None) or ""):
                self._define(name, inner, definition, (), value=value)
                return True
        return False

    def constant_home(self, name: str, value: Any) -> str | None:
        """The item that holds this very object already; ``name`` is noted as its home if there is none."""
        if not isinstance(value, _MUTABLE):
            return None
        home, _ = self._homes.setdefault(id(value), (name, value))
        return home if home != name and home in self.items else None

    # --- decorators ---------------------------------------------------------------------------------------------

    def _as_decorated(self, name: str, value: Any, where: str) -> bool:
        """Let a wrapped function travel as its definition with decorators, if that says all about it."""
        inner = inspect.unwrap(value)
        if not isinstance(inner, types.FunctionType) or inner.__closure__:
            return False
        try:
            definition = function_definition(inner)
        except CaptureError:
            return False
        if isinstance(definition.node, ast.Lambda | ast.ClassDef):
            return False
        layers = list(layers_of(value))
        ours = [at for at, one in enumerate(definition.node.decorator_list) if is_zenbook(one, inner.__globals__)]
        through_step = any(type(one).__name__ == "Step" for one in layers)
        drop = tuple(
            one
            for at, one in enumerate(definition.node.decorator_list)
            if at in ours or (ours and at < max(ours) and not through_step)
        )
        decorators = [one for one in definition.node.decorator_list if one not in drop]
        layers = [one for one in layers if type(one).__name__ != "Step"]
        makers = makers_of(layers, decorators, inner.__globals__)
        if len(makers) < len(layers):
            return False
        drop = tuple(one for one in definition.node.decorator_list if one not in makers)
        self._define(name, inner, definition, drop, value=value)
        return True

    def _not_its_own(self, definition: Definition, function: types.FunctionType) -> tuple[ast.expr, ...]:
        """Decorators that gave the function itself back: they say how it is registered, not what it does."""
        assert isinstance(definition.node, _Written)
        decorators = definition.node.decorator_list
        if "__wrapped__" not in vars(function):
            return tuple(decorators)
        return tuple(one for one in decorators if is_zenbook(one, function.__globals__))

    # --- definitions --------------------------------------------------------------------------------------------

    def _definition(self, name: str, function: types.FunctionType, where: str) -> Definition:
        if is_installed(function.__code__.co_filename):
            raise CaptureError(
                f"{self.step} reaches `{name}`{where}, a function that {function.__module__} made when it was called.",
                "Make it inside the step, or in a module of your project.",
            )
        try:
            return function_definition(function)
        except CaptureError as error:
            raise CaptureError(f"{self.step} reaches `{name}`{where}: {error.message}", error.hint) from error

    def _define(
        self,
        name: str,
        function: types.FunctionType,
        definition: Definition,
        drop: tuple[ast.expr, ...],
        value: Any = None,
    ) -> None:
        item = self.items[name] = Item(name, value=function if value is None else value)
        self.functions.append(function)
        self.steady &= value is None and not function.__closure__ and _has_plain_defaults(function)
        where = f" ({definition.place})"
        source = self._source(definition, drop, function, item, where)
        self.refuse_hidden_state(source.names, function.__globals__, where)
        free = set(function.__code__.co_freevars)
        if "__class__" in free:
            raise CaptureError(
                f"{self.step} reaches the method {function.__qualname__!r} outside of its class{where}.",
                "Reach it through its class.",
            )
        own = getattr(source.node, "name", name)
        if own != name and not free and self._is_alias(name, own, function, item, where):
            return
        self.read_all(source.names, function.__globals__, item, skip=free, where=where)
        if free:
            pieces = self._bound(name, source, function, item, where)
        else:
            pieces = _plain(name, source, definition, named=value is None)
        item.pieces = (*pieces, *self._attributes(name, function, item, where, kept=value is not None))

    def _source(
        self, definition: Definition, drop: tuple[ast.expr, ...], function: types.FunctionType, item: Item, where: str
    ) -> _Source:
        future = bool(function.__code__.co_flags & FUTURE_ANNOTATIONS)
        self.future_annotations |= future
        text = text_of(definition.node, definition.text, drop)
        is_lambda = isinstance(definition.node, ast.Lambda)
        text = self._with_defaults(f"({text})" if is_lambda else text, function, item, where)
        statement = parse(text).body[0]
        node = statement.value if isinstance(statement, ast.Expr) else statement
        assert isinstance(node, _Written | ast.Lambda)
        kept = [one.lineno for one in getattr(definition.node, "decorator_list", ()) if one not in drop]
        line = min([definition.node.lineno, *kept])
        return _Source(text, node, names_of([statement], future_annotations=future), line)

    def _is_alias(self, name: str, own: str, function: types.FunctionType, item: Item, where: str) -> bool:
        """Whether ``name`` is a second name of what the notebook has under its own name."""
        if unstepped(function.__globals__.get(own)) is not item.value:
            return False
        del self.items[name]
        self.reach(own, item.value, (own,), function.__globals__, where)
        self.watched.append((function.__globals__, own, function.__globals__[own]))
        self.items[name] = Item(name, (Piece(f"{name} = {own}"),), needed_before={own}, value=item.value)
        return True

    def _bound(
        self, name: str, source: _Source, function: types.FunctionType, item: Item, where: str
    ) -> tuple[Piece, ...]:
        """A function with captured variables, rebuilt by a factory that is called with their values."""
        arguments = []
        rebinds = {one for node in ast.walk(source.node) if isinstance(node, ast.Nonlocal) for one in node.names}
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not assigned yet; Python will say so when it is read
            if value is function:
                continue
            self._refuse_shared(cell, name, free, rebound=free in rebinds, where=where)
            arguments.append((free, self._captured(name, free, value, item, where)))
        is_lambda = isinstance(source.node, ast.Lambda)
        inner = "_lambda" if is_lambda else source.node.name  # type: ignore[union-attr]
        body = indented(f"_lambda = {source.text}" if is_lambda else source.text)
        signature = ", ".join(free for free, _ in arguments)
        call = ", ".join(expression for _, expression in arguments)
        text = f"def _bind_{name}({signature}):\n{body}\n    return {inner}\n\n\n{name} = _bind_{name}({call})"
        return (Piece(text),)

    def _captured(self, name: str, free: str, value: Any, item: Item, where: str) -> str:
        """The expression of a captured variable; an object that can be changed gets one home for all who hold it."""
        where = f"{where}, captured by `{name}`"
        home = f"_{name}_{free}"
        held = self.constant_home(home, value)
        if held is None and isinstance(value, _MUTABLE) and home not in self.items:
            holder = self.items[home] = Item(home, value=value)
            holder.pieces = (Piece(f"{home} = {self.expression(free, value, holder, where)}"),)
            held = home
        if held is None:
            return self.expression(free, value, item, where)
        item.needed_before.add(held)
        return held

    def _refuse_shared(self, cell: types.CellType, name: str, free: str, *, rebound: bool, where: str) -> None:
        _, other, before = self._cells.setdefault(id(cell), (cell, name, rebound))
        if other != name and (rebound or before):
            raise CaptureError(
                f"{self.step} reaches `{name}` and `{other}`{where}, which share the variable `{free}` and change it.",
                "Make a class of them, or put them into a module of your project.",
            )

    def _with_defaults(self, text: str, function: types.FunctionType, item: Item, where: str) -> str:
        """Write the default values that the function really has where its source would give others now."""
        statement = parse(text).body[0]
        node = statement.value if isinstance(statement, ast.Expr) else statement
        assert isinstance(node, _Written | ast.Lambda)
        if len(node.args.defaults) != len(function.__defaults__ or ()):
            raise CaptureError(
                f"{self.step} reaches {function.__qualname__!r}{where}, whose defaults were changed later.",
                "Define it with the defaults that it is to have.",
            )
        changes = []
        for argument, expression, value in defaults_of(node.args, function):
            if not same(value_now(expression, function.__globals__), value):
                shown = f"the default of `{argument}`"
                changes.append((expression, self.expression(shown, value, item, where)))
        return replaced(text, changes) if changes else text

    def _attributes(
        self, name: str, function: types.FunctionType, item: Item, where: str, *, kept: bool
    ) -> Iterator[Piece]:
        """Attributes that were given to the function; those of a wrapper come from its decorators."""
        if kept or "__wrapped__" in vars(function):
            return
        for key, value in vars(function).items():
            self.steady = False
            yield Piece(f"{name}.{key} = {self.expression(f'the attribute `{key}` of `{name}`', value, item, where)}")

    def refuse_hidden_state(self, names: Names, namespace: dict[str, Any], where: str) -> None:
        """Raise `CaptureError` for a function of the notebook that assigns or changes the notebook's globals."""
        if not is_main(namespace):
            return
        for name in names.rebound_globals:
            raise CaptureError(
                f"{self.step} assigns the global `{name}`{where}; another step or machine would not see that.",
                "Return it as an output and pass it on.",
            )
        for name, node in names.mutated_globals.items():
            value = unstepped(namespace.get(name, MISSING))
            if value is MISSING or self.provided(name) or isinstance(value, types.ModuleType | types.FunctionType):
                continue
            called = isinstance(getattr(node, "ctx", None), ast.Load)  # a method as `update`, which may be harmless
            if not called or isinstance(value, _MUTABLE):
                raise CaptureError(
                    f"{self.step} changes the global `{name}`{where}; another step or machine would not see that.",
                    "Return it as an output and pass it on, or make it inside the step.",
                )


def _plain(name: str, source: _Source, definition: Definition, *, named: bool) -> tuple[Piece, ...]:
    """A function's own lines, under another name if its own stands for something else by now."""
    if isinstance(source.node, ast.Lambda):
        text = source.text if "\n" in source.text else source.text[1:-1]
        return (Piece(f"{name} = {text}"),)
    if source.node.name == name:
        return (Piece(source.text, definition.file, source.line),)
    own = source.node.name
    head = re.compile(rf"^(\s*(?:async\s+)?def\s+){re.escape(own)}\b", re.MULTILINE)
    text = head.sub(lambda found: found[1] + name, source.text, count=1)
    renamed = Piece(text, definition.file, source.line)
    return (renamed, Piece(f"{name}.__name__ = {name}.__qualname__ = {own!r}")) if named else (renamed,)


def defaults_of(arguments: ast.arguments, function: types.FunctionType) -> Iterator[tuple[str, ast.expr, Any]]:
    """(parameter, expression, value) of each default that a function has."""
    positional = [*arguments.posonlyargs, *arguments.args]
    named = positional[len(positional) - len(arguments.defaults) :]
    for argument, expression, value in zip(named, arguments.defaults, function.__defaults__ or (), strict=False):
        yield argument.arg, expression, value
    keywords = function.__kwdefaults__ or {}
    for argument, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword is not None and argument.arg in keywords:
            yield argument.arg, keyword, keywords[argument.arg]


def _has_plain_defaults(function: types.FunctionType) -> bool:
    values = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return not any(isinstance(one, _MUTABLE) for one in values)
