"""Classes: they travel with their source, and with the values that their attributes have now."""

from __future__ import annotations

import ast
import enum
import sys
from typing import Any

from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.expressions import expression_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, is_class
from zenbook.core.capture.names import names_of
from zenbook.core.capture.resolvers.class_changes import refuse_later_changes, with_present_values
from zenbook.core.capture.resolvers.class_definition import class_definition, has_definition, has_future_annotations
from zenbook.core.capture.resolvers.function_definition import Definition
from zenbook.core.capture.resolvers.function_source import refuse_hidden_state
from zenbook.core.capture.source_text import first_line, text_of
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError


def resolve_class(reference: Reference, context: CaptureContext) -> bool:
    """Make the item of a class.

    Args:
        reference: The name and the class.
        context: The capture.

    Returns:
        Whether the value is a class.

    Raises:
        CaptureError: The class cannot travel.
    """
    name, cls = reference.name, reference.value
    if not is_class(cls):
        return False
    context.watched.stable = False
    if _add_class_of_call(name, cls, context):
        return True
    try:
        definition = class_definition(cls)
    except CaptureError as error:
        raise CaptureError(f"{context.step} uses the class `{name}`: {error.message}", error.hint) from error
    _add_class(name, cls, definition, context)
    return True


def _add_class(name: str, cls: type, definition: Definition, context: CaptureContext) -> None:
    item = context.items[name] = Item(name, value=cls)
    node, where = definition.node, f" ({definition.place})"
    assert isinstance(node, ast.ClassDef)
    namespace = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    refuse_later_changes(cls, definition, namespace, context)
    future = has_future_annotations(cls, definition)
    context.future_annotations |= future
    text = with_present_values(text_of(node, definition.text), cls, namespace, item, where, context)
    names = names_of([parse(text).body[0]], future_annotations=future)
    refuse_hidden_state(names, namespace, where, context)
    context.read_names(names, namespace, item, skip=set(), where=where)
    if node.name == name:
        item.pieces = (Piece(text, definition.file, first_line(node)),)
    else:
        _make_alias(item, node.name, cls, where, context)


def _make_alias(item: Item, own_name: str, cls: type, where: str, context: CaptureContext) -> None:
    """Let an item be a second name of the class that has its own name as an item too."""
    main = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
    if main.get(own_name, cls) is not cls:
        raise CaptureError(
            f"{context.step} uses an older version of the class `{own_name}`{where}.",
            "Run the cells again that create objects or subclasses of it.",
        )
    del context.items[item.name]
    context.resolve(Reference(own_name, cls, (own_name,), main, where))
    item.needed_before = {own_name}
    item.pieces = (Piece(f"{item.name} = {own_name}"),)
    context.items[item.name] = item


def _add_class_of_call(name: str, cls: type, context: CaptureContext) -> bool:
    """Make the item of a class that `collections.namedtuple` or `enum.Enum` was called for."""
    if cls.__module__ != MAIN or "." in cls.__qualname__:
        return False
    fields = getattr(cls, "_fields", None)
    is_tuple = cls.__bases__ == (tuple,) and isinstance(fields, tuple) and not getattr(cls, "__annotations__", None)
    is_enum = isinstance(cls, enum.EnumMeta) and cls.__bases__[0] in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag)
    if not (is_tuple or is_enum) or has_definition(cls):
        return False
    item = context.items[name] = Item(name, value=cls)
    if is_tuple:
        values = [getattr(cls, "_field_defaults", {}).get(field, MISSING) for field in fields or ()]
        defaults = expression_of("a default", [value for value in values if value is not MISSING], item, "", context)
        module, call = "collections", f"namedtuple({cls.__name__!r}, {list(fields or ())!r}, defaults={defaults})"
    else:
        members: Any = cls.__members__  # type: ignore[attr-defined]
        pairs = [(key, member.value) for key, member in members.items()]
        expression = expression_of("its members", pairs, item, "", context)
        module, call = "enum", f"{cls.__bases__[0].__name__}({cls.__name__!r}, {expression})"
    item.pieces = (Piece(f"import {module} as _{module}\n{name} = _{module}.{call}"),)
    return True
