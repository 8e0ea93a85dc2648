"""How a live class differs from what its source says: values that changed are written, other changes are refused."""

from __future__ import annotations

import ast
import types
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any

from zenbook.core.capture.context import CaptureContext
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, PLAIN, UNKNOWN, same, value_now
from zenbook.core.capture.names import names_of
from zenbook.core.capture.resolvers.class_definition import attribute_values, mangled
from zenbook.core.capture.resolvers.function_definition import Definition
from zenbook.core.capture.resolvers.function_source import defaults_of
from zenbook.core.capture.source_text import replaced
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

_SCALARS = (bool, int, float, complex, str, bytes)


def refuse_later_changes(cls: type, definition: Definition, namespace: dict[str, Any], context: CaptureContext) -> None:
    """Refuse a class whose bases or attributes are others than those of its definition.

    Args:
        cls: The live class.
        definition: Where it was written.
        namespace: The globals of its module.
        context: The capture.

    Raises:
        CaptureError: A base was defined again, or an attribute was added or replaced.
    """
    node, where = definition.node, f" ({definition.place})"
    assert isinstance(node, ast.ClassDef)
    written = getattr(cls, "__orig_bases__", cls.__bases__)
    for base in node.bases:
        value = value_now(base, namespace)
        if isinstance(value, type) and value not in written and value not in cls.__mro__:
            raise CaptureError(
                f"{context.step} uses the class `{cls.__name__}`{where}, whose base `{ast.unparse(base)}` was defined "
                "again since.",
                f"Run the cell of `{cls.__name__}` again.",
            )
    attribute = next(_changed_attributes(cls, node, definition.file), None)
    if attribute is not None:
        raise CaptureError(
            f"{context.step} uses the class `{cls.__name__}`{where}, whose attribute `{attribute}` was changed after "
            "its definition.",
            "Define it within the class, and run the class's cell again.",
        )


def with_present_values(
    text: str, cls: type, namespace: dict[str, Any], item: Item, where: str, context: CaptureContext
) -> str:
    """Write the values that a class's attributes and its methods' defaults really have.

    Args:
        text: The source of the class.
        cls: The live class.
        namespace: The globals of its module.
        item: The class's item.
        where: The class's place in messages.
        context: The capture.

    Returns:
        The source, with an expression of the present value where the written one would give another value now.

    Raises:
        CaptureError: An attribute holds an older function or class.
    """
    node = parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    own = dict(vars(cls))
    changes: list[tuple[ast.expr, str]] = []
    for name, (expression, value) in attribute_values(cls, node).items():
        now = value_now(expression, namespace, own)
        if value is MISSING or same(now, value) or (now is UNKNOWN and type(value) not in _SCALARS):
            continue
        if isinstance(now, types.FunctionType | type) and isinstance(value, types.FunctionType | type):
            raise CaptureError(
                f"{context.step} uses the class `{cls.__name__}`{where}, whose attribute `{name}` stands for an older "
                f"`{ast.unparse(expression)}`.",
                f"Run the cell of `{cls.__name__}` again.",
            )
        if not hasattr(value, "__get__"):
            label = f"the attribute `{name}` of `{cls.__name__}`"
            changes.append((expression, expression_of(label, value, item, where, context)))
    for argument, expression, value in _method_defaults(cls, node):
        now = value_now(expression, namespace, own)
        if not (now is UNKNOWN and type(value) not in PLAIN) and not same(now, value):
            label = f"the default of `{argument}`"
            changes.append((expression, expression_of(label, value, item, where, context)))
    return replaced(text, changes) if changes else text


def _changed_attributes(cls: type, node: ast.ClassDef, file: str) -> Iterator[str]:
    """The attributes that the class was given after its definition."""
    written = {mangled(name, cls) for name in names_of(node.body).binds}
    plain = _has_only_written_attributes(cls, node)
    for attribute, member in vars(cls).items():
        if not isinstance(member, types.FunctionType):
            changed = plain and attribute not in written and not attribute.startswith(("__", "_abc_"))
        elif attribute in written or member.__module__ == cls.__module__:
            changed = not _may_be_written_there(attribute, member, node, file)
        else:
            changed = plain
        if changed:
            yield attribute


def _has_only_written_attributes(cls: type, node: ast.ClassDef) -> bool:
    """Whether nothing but its body (no decorator, metaclass or base) can have given attributes to a class."""
    return (
        type(cls) in (type, ABCMeta)
        and not node.decorator_list
        and "__slots__" not in vars(cls)
        and not any("__init_subclass__" in vars(base) for base in cls.__mro__[:-1])
        and not hasattr(cls, "_fields")
    )


def _may_be_written_there(attribute: str, member: types.FunctionType, node: ast.ClassDef, file: str) -> bool:
    """Whether a function of the class's module may come from the class's body, or from a decorator or assignment."""
    code = member.__code__
    generated = code.co_filename.startswith("<string>") or hasattr(member, "__wrapped__")
    inside = code.co_filename == file and node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
    return generated or inside or _is_assigned(node, attribute)


def _is_assigned(node: ast.ClassDef, name: str) -> bool:
    """Whether a class's body assigns a name, or decorates its definition, so that its code may stand elsewhere."""
    last = names_of(node.body).binds.get(name)
    if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return bool(last.decorator_list)
    return last is not None


def _method_defaults(cls: type, node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, Any]]:
    """(parameter, expression, value) of the defaults of all methods."""
    for statement in node.body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        member = vars(cls).get(mangled(statement.name, cls))
        member = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(member, types.FunctionType) and member.__name__ == statement.name:
            yield from defaults_of(statement.args, member)
