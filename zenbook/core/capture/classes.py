"""Live classes as pieces of source.

The source says what was written, the class what came of it then. Where a constant has changed since, or where
an attribute was given to the class later, the text is mended or the class is refused.
"""

from __future__ import annotations

import ast
import enum
import inspect
import sys
import types
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any

from zenbook.core.canonical import canonical
from zenbook.core.capsule import MAIN, Piece
from zenbook.core.capture.context import MISSING, PLAIN, UNKNOWN, same, value_now
from zenbook.core.capture.definitions import FUTURE_ANNOTATIONS, Definition, cells, text_of_file, tree_of
from zenbook.core.capture.functions import LiveFunctions, defaults_of
from zenbook.core.capture.items import Item
from zenbook.core.capture.names import names_of
from zenbook.core.capture.source_text import first_line, replaced, text_of
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError

_SCALARS = (bool, int, float, complex, str, bytes)


class LiveClasses(LiveFunctions):
    """The part of `live.NotebookCapture` that knows classes."""

    def add_class_item(self, name: str, cls: type) -> None:
        """Make the item of a class. Raises `CaptureError`."""
        self.steady = False
        made = self._made_by_call(name, cls)
        if made is not None:
            return
        try:
            definition = class_definition(cls)
        except CaptureError as error:
            raise CaptureError(f"{self.step} reaches the class `{name}`: {error.message}", error.hint) from error
        item = self.items[name] = Item(name, value=cls)
        node = definition.node
        assert isinstance(node, ast.ClassDef)
        namespace = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
        where = f" ({definition.place})"
        self._refuse_old_bases(cls, node, namespace, where)
        self._refuse_given(cls, definition, where)
        future = _has_future_annotations(cls, node, definition.file)
        self.future_annotations |= future
        text = self._mended(text_of(definition.node, definition.text), cls, namespace, item, where)
        names = names_of([parse(text).body[0]], future_annotations=future)
        self.refuse_hidden_state(names, namespace, where)
        self.read_all(names, namespace, item, skip=set(), where=where)
        pieces = [Piece(text, definition.file, first_line(node))]
        if node.name != name:
            pieces = self._renamed(name, cls, node, pieces, item, where)
        item.pieces = tuple(pieces)

    def _renamed(
        self, name: str, cls: type, node: ast.ClassDef, pieces: list[Piece], item: Item, where: str
    ) -> list[Piece]:
        main = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
        if main.get(node.name, cls) is not cls:
            raise CaptureError(
                f"{self.step} reaches an older version of the class `{node.name}`{where}.",
                "Run the cells again that made objects or classes of it.",
            )
        del self.items[name]
        self.reach(node.name, cls, (node.name,), main, where)
        item.needed_before = {node.name}
        self.items[name] = item
        return [Piece(f"{name} = {node.name}")]

    def _made_by_call(self, name: str, cls: type) -> Item | None:
        """The item of a class that `collections.namedtuple` or `enum.Enum` was called for."""
        if cls.__module__ != MAIN or "." in cls.__qualname__:
            return None
        fields = getattr(cls, "_fields", None)
        if cls.__bases__ == (tuple,) and isinstance(fields, tuple) and not getattr(cls, "__annotations__", None):
            if _has_definition(cls):
                return None
            item = self.items[name] = Item(name, value=cls)
            values = [getattr(cls, "_field_defaults", {}).get(one, MISSING) for one in fields]
            defaults = self.expression("a default", [one for one in values if one is not MISSING], item, "")
            text = f"_collections.namedtuple({cls.__name__!r}, {list(fields)!r}, defaults={defaults})"
        elif isinstance(cls, enum.EnumMeta) and cls.__bases__[0] in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag):
            if _has_definition(cls):
                return None
            item = self.items[name] = Item(name, value=cls)
            held: Any = cls.__members__
            members = self.expression("its members", [(key, one.value) for key, one in held.items()], item, "")
            text = f"_enum.{cls.__bases__[0].__name__}({cls.__name__!r}, {members})"
        else:
            return None
        alias = text.partition(".")[0]
        item.pieces = (Piece(f"import {alias[1:]} as {alias}\n{name} = {text}"),)
        return item

    def _refuse_old_bases(self, cls: type, node: ast.ClassDef, namespace: dict[str, Any], where: str) -> None:
        written = getattr(cls, "__orig_bases__", cls.__bases__)
        for base in node.bases:
            value = value_now(base, namespace)
            if isinstance(value, type) and value not in written and value not in cls.__mro__:
                raise CaptureError(
                    f"{self.step} reaches the class `{cls.__name__}`{where}, whose base "
                    f"`{ast.unparse(base)}` was defined again since.",
                    f"Run the cell of `{cls.__name__}` again.",
                )

    def _refuse_given(self, cls: type, definition: Definition, where: str) -> None:
        """Refuse attributes that the class was given after its definition."""
        node = definition.node
        assert isinstance(node, ast.ClassDef)
        known = {_mangled(name, cls) for name in names_of(node.body).binds}
        plain = type(cls) in (type, ABCMeta) and not node.decorator_list and "__slots__" not in vars(cls)
        plain &= not any("__init_subclass__" in vars(one) for one in cls.__mro__[:-1]) and not hasattr(cls, "_fields")
        for attribute, member in vars(cls).items():
            code = member.__code__ if isinstance(member, types.FunctionType) else None
            if code is None:
                given = plain and attribute not in known and not attribute.startswith(("__", "_abc_"))
            elif attribute in known or member.__module__ == cls.__module__:
                inside = node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
                generated = code.co_filename.startswith("<string>") or hasattr(member, "__wrapped__")
                given = not generated and not (inside and code.co_filename == definition.file)
                given &= not _is_assigned(node, attribute)
            else:
                given = plain
            if given:
                raise CaptureError(
                    f"{self.step} reaches the class `{cls.__name__}`{where}, "
                    f"whose attribute `{attribute}` was changed after its definition.",
                    "Define it within the class, and run the class's cell again.",
                )

    def _mended(self, text: str, cls: type, namespace: dict[str, Any], item: Item, where: str) -> str:
        """The text, with the values that its attributes and its methods' defaults really have."""
        node = parse(text).body[0]
        assert isinstance(node, ast.ClassDef)
        changes: list[tuple[ast.expr, str]] = []
        own = dict(vars(cls))
        for name, (expression, value) in attribute_values(cls, node).items():
            now = value_now(expression, namespace, own)
            if value is MISSING or same(now, value) or (now is UNKNOWN and type(value) not in _SCALARS):
                continue
            if isinstance(now, types.FunctionType | type) and isinstance(value, types.FunctionType | type):
                raise CaptureError(
                    f"{self.step} reaches the class `{cls.__name__}`{where}, whose attribute `{name}` stands for an "
                    f"older `{ast.unparse(expression)}`.",
                    f"Run the cell of `{cls.__name__}` again.",
                )
            if hasattr(value, "__get__"):
                continue
            shown = f"the attribute `{name}` of `{cls.__name__}`"
            changes.append((expression, self.expression(shown, value, item, where)))
        for statement in node.body:
            method = _method(cls, statement)
            defaults = defaults_of(statement.args, method) if method is not None else ()  # type: ignore[attr-defined]
            for argument, expression, value in defaults:
                now = value_now(expression, namespace, own)
                if now is UNKNOWN and type(value) not in PLAIN:
                    continue
                if not same(now, value):
                    shown = f"the default of `{argument}`"
                    changes.append((expression, self.expression(shown, value, item, where)))
        return replaced(text, changes) if changes else text


def class_definition(cls: type) -> Definition:
    """Find where a class was written. Raises `CaptureError` when its source is not known, or not for certain."""
    found = list(_definitions(cls))
    exact = [one for one in found if _holds_methods(one, cls)]
    fitting = exact or [one for one in found if not _methods(cls) and _fits(one, cls)]
    if not fitting and found and not _methods(cls):
        fitting = found[:1]
    different = {canonical(one.node) for one in fitting}
    main = sys.modules.get(MAIN)
    if len(different) == 1 or (fitting and main is not None and vars(main).get(cls.__name__) is cls):
        return fitting[0]
    if fitting:
        raise CaptureError(
            f"The class {cls.__qualname__!r} was defined in several ways, and which of them this is can't be told.",
            "Run the cells again that made objects or classes of it.",
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


def attribute_values(cls: type, node: ast.ClassDef) -> dict[str, tuple[ast.expr, Any]]:
    """The expression that a class's body assigns to each plain attribute, and the value that this gave."""
    found: dict[str, tuple[ast.expr, Any]] = {}
    for statement in node.body:
        target: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, expression = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, expression = statement.target, statement.value
        if isinstance(target, ast.Name):
            found[target.id] = expression, _attribute(cls, _mangled(target.id, cls))
    return found


def _attribute(cls: type, name: str) -> Any:
    if isinstance(cls, enum.EnumMeta) and name in cls.__members__:
        makers = [vars(one).get(maker) for one in cls.__mro__ for maker in ("__new_member__", "__init__")]
        made = any(isinstance(one, types.FunctionType) and one.__module__ != "enum" for one in makers)
        return MISSING if made else cls.__members__[name].value
    for holder in ("__dataclass_fields__", "model_fields"):
        if name in (getattr(cls, holder, None) or {}):
            default = getattr(getattr(cls, holder)[name], "default", MISSING)
            return default if type(default) in (*PLAIN, tuple, list, dict, set) else MISSING
    if name in getattr(cls, "_field_defaults", {}):
        return cls._field_defaults[name]  # type: ignore[attr-defined]
    return vars(cls).get(name, MISSING)


def _mangled(name: str, cls: type) -> str:
    return f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def _is_assigned(node: ast.ClassDef, name: str) -> bool:
    """Whether a class's body assigns a name, or decorates its definition, so that its code may stand elsewhere."""
    last = names_of(node.body).binds.get(name)
    if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return bool(last.decorator_list)
    return last is not None


def _method(cls: type, statement: ast.stmt) -> types.FunctionType | None:
    """The live function of a definition in a class's body."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    member = vars(cls).get(_mangled(statement.name, cls))
    member = getattr(member, "__func__", getattr(member, "fget", member))
    return member if isinstance(member, types.FunctionType) and member.__name__ == statement.name else None


def _methods(cls: type) -> list[types.FunctionType]:
    """The functions that were written in a class's body."""
    found = []
    for member in vars(cls).values():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        inner = getattr(inner, "__wrapped__", inner)
        if not isinstance(inner, types.FunctionType) or inner.__module__ != cls.__module__:
            continue
        generated = inner.__code__.co_filename.startswith("<string>")
        if inner.__qualname__.startswith(f"{cls.__qualname__}.") and not generated:
            found.append(inner)
    return found


def _definitions(cls: type) -> Iterator[Definition]:
    files = dict.fromkeys([*(one.__code__.co_filename for one in _methods(cls)), *cells()])
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
            for field in ("body", "handlers", "orelse", "finalbody"):
                inner = getattr(node, field, [])
                yield from _top_classes(
                    [each for one in inner for each in (one.body if field == "handlers" else [one])]
                )


def _has_definition(cls: type) -> bool:
    return any(True for _ in _definitions(cls))


def _holds_methods(definition: Definition, cls: type) -> bool:
    node = definition.node
    return any(
        one.__code__.co_filename == definition.file
        and node.lineno <= one.__code__.co_firstlineno <= (node.end_lineno or node.lineno)
        for one in _methods(cls)
    )


def _fits(definition: Definition, cls: type) -> bool:
    """Whether a class without methods may have come from this text."""
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]:
        return False
    doc = ast.get_docstring(node, clean=False)
    if doc is not None and doc != cls.__doc__ and ast.get_docstring(node) != cls.__doc__:
        return False
    annotated = [
        one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    ]
    if set(annotated) != set(inspect.get_annotations(cls)):
        return False
    frozen = getattr(cls, "__dataclass_params__", None)
    if (frozen is not None) != ("dataclass" in " ".join(map(ast.unparse, node.decorator_list))) and node.decorator_list:
        return False
    members = getattr(cls, "__members__", None)
    if members is not None and set(members) - set(names_of(node.body).binds):
        return False
    for expression, value in attribute_values(cls, node).values():
        try:
            literal = ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError):
            continue
        if value is MISSING or not same(literal, value):
            return False
    return True


def _has_future_annotations(cls: type, node: ast.ClassDef, file: str) -> bool:
    if any(one.__code__.co_flags & FUTURE_ANNOTATIONS for one in _methods(cls) if one.__code__.co_filename == file):
        return True
    written = {
        one.target.id: one.annotation
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    return any(
        isinstance(hint, str) and name in written and not isinstance(written[name], ast.Constant)
        for name, hint in inspect.get_annotations(cls).items()
    )
