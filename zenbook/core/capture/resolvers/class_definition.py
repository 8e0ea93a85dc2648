"""Find where a live class was written, which a class does not say itself (a function does).

The methods of a class know their file and lines. A class without methods is found by its name and its attributes.
"""

from __future__ import annotations

import ast
import enum
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

from zenbook.core.canonical import canonical
from zenbook.core.capsule import MAIN
from zenbook.core.capture.executed_cells import cells, text_of_file, tree_of
from zenbook.core.capture.live_values import MISSING, PLAIN, same
from zenbook.core.capture.names import names_of
from zenbook.core.capture.resolvers.function_definition import FUTURE_ANNOTATIONS, Definition
from zenbook.errors import CaptureError


def class_definition(cls: type) -> Definition:
    """Find where a class was written.

    Args:
        cls: The live class.

    Returns:
        Its definition.

    Raises:
        CaptureError: Its source is not known, or not for certain.
    """
    candidates = list(_definitions(cls))
    fitting = [candidate for candidate in candidates if _holds_methods(candidate, cls)]
    if not fitting and not _methods(cls):
        fitting = [candidate for candidate in candidates if _fits(candidate, cls)] or candidates[:1]
    main = sys.modules.get(MAIN)
    is_newest = main is not None and vars(main).get(cls.__name__) is cls
    if fitting and (is_newest or len({canonical(candidate.node) for candidate in fitting}) == 1):
        return fitting[0]
    if fitting:
        raise CaptureError(
            f"Class {cls.__qualname__!r} has several definitions in this session; zenbook cannot find out which one "
            "this object uses.",
            "Run the cells again that create objects or subclasses of it.",
        )
    if "<locals>" in cls.__qualname__:
        raise CaptureError(
            f"The class {cls.__qualname__!r} was defined within a function.",
            "Define it at the top level of a cell or module.",
        )
    raise CaptureError(
        f"The source of the class {cls.__qualname__!r} is not known.",
        "Define it with a class statement at the top level of a cell or module (not by a call or by exec).",
    )


def has_definition(cls: type) -> bool:
    """Find out whether some cell has a class statement of a class's name.

    Args:
        cls: The live class.

    Returns:
        False for a class that a call created, as `collections.namedtuple`.
    """
    return any(True for _ in _definitions(cls))


def attribute_values(cls: type, node: ast.ClassDef) -> dict[str, tuple[ast.expr, Any]]:
    """List the plain attributes that a class's body assigns.

    Args:
        cls: The live class.
        node: Its definition.

    Returns:
        The expression and the value that it gave (`MISSING` if it cannot be found out), by attribute.
    """
    values: dict[str, tuple[ast.expr, Any]] = {}
    for statement in node.body:
        target: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, expression = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, expression = statement.target, statement.value
        if isinstance(target, ast.Name):
            values[target.id] = expression, _attribute(cls, mangled(target.id, cls))
    return values


def mangled(name: str, cls: type) -> str:
    """Find the attribute that a name of a class's body becomes.

    Args:
        name: The name as it is written.
        cls: The class.

    Returns:
        ``_Class__name`` for a private name.
    """
    return f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def has_future_annotations(cls: type, definition: Definition) -> bool:
    """Find out whether a class was written where ``from __future__ import annotations`` holds.

    Args:
        cls: The live class.
        definition: Where it was written.

    Returns:
        False also if nothing in the class says so.
    """
    methods = [method.__code__ for method in _methods(cls) if method.__code__.co_filename == definition.file]
    if any(code.co_flags & FUTURE_ANNOTATIONS for code in methods):
        return True
    annotations = _annotations(definition)
    return any(
        isinstance(hint, str) and name in annotations and not isinstance(annotations[name], ast.Constant)
        for name, hint in inspect.get_annotations(cls).items()
    )


def _attribute(cls: type, name: str) -> Any:
    if isinstance(cls, enum.EnumMeta) and name in cls.__members__:
        makers = [vars(base).get(maker) for base in cls.__mro__ for maker in ("__new_member__", "__init__")]
        has_own_maker = any(isinstance(maker, types.FunctionType) and maker.__module__ != "enum" for maker in makers)
        return MISSING if has_own_maker else cls.__members__[name].value
    for holder in ("__dataclass_fields__", "model_fields"):
        if name in (getattr(cls, holder, None) or {}):
            default = getattr(getattr(cls, holder)[name], "default", MISSING)
            return default if type(default) in (*PLAIN, tuple, list, dict, set) else MISSING
    if name in getattr(cls, "_field_defaults", {}):
        return cls._field_defaults[name]  # type: ignore[attr-defined]
    return vars(cls).get(name, MISSING)


def _methods(cls: type) -> list[types.FunctionType]:
    """The functions that were written in a class's body."""
    methods = []
    for member in vars(cls).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        inner = getattr(inner, "__wrapped__", inner)
        if not isinstance(inner, types.FunctionType) or inner.__module__ != cls.__module__:
            continue
        generated = inner.__code__.co_filename.startswith("<string>")
        if inner.__qualname__.startswith(f"{cls.__qualname__}.") and not generated:
            methods.append(inner)
    return methods


def _definitions(cls: type) -> Iterator[Definition]:
    """All class statements of a class's name, in the files of its methods and in cells, the newest first."""
    files = dict.fromkeys([*(method.__code__.co_filename for method in _methods(cls)), *cells()])
    for file in files:
        text = text_of_file(file)
        tree = tree_of(text) if text else None
        for node in reversed(list(_top_classes(tree.body)) if tree is not None else []):
            if node.name == cls.__qualname__:
                yield Definition(node, file, text)


def _top_classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _top_classes(node.body)
            for handler in getattr(node, "handlers", []):
                yield from _top_classes(handler.body)
            yield from _top_classes(getattr(node, "orelse", []))
            yield from _top_classes(getattr(node, "finalbody", []))


def _holds_methods(definition: Definition, cls: type) -> bool:
    node = definition.node
    codes = [method.__code__ for method in _methods(cls)]
    return any(
        code.co_filename == definition.file and node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
        for code in codes
    )


def _fits(definition: Definition, cls: type) -> bool:
    """Whether a class without methods may have come from this text."""
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if any(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body):
        return False
    doc = ast.get_docstring(node, clean=False)
    if doc is not None and doc != cls.__doc__ and ast.get_docstring(node) != cls.__doc__:
        return False
    if _annotations(definition).keys() != inspect.get_annotations(cls).keys():
        return False
    is_dataclass = getattr(cls, "__dataclass_params__", None) is not None
    if node.decorator_list and is_dataclass != ("dataclass" in " ".join(map(ast.unparse, node.decorator_list))):
        return False
    members = getattr(cls, "__members__", None)
    if members is not None and set(members) - set(names_of(node.body).binds):
        return False
    return _literals_fit(cls, node)


def _literals_fit(cls: type, node: ast.ClassDef) -> bool:
    """Whether the attributes that are written as literals have these values."""
    for expression, value in attribute_values(cls, node).values():
        try:
            literal = ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError):
            continue
        if value is MISSING or not same(literal, value):
            return False
    return True


def _annotations(definition: Definition) -> dict[str, ast.expr]:
    """The annotations of names in a class's body."""
    assert isinstance(definition.node, ast.ClassDef)
    return {
        statement.target.id: statement.annotation
        for statement in definition.node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
