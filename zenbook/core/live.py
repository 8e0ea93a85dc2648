"""What a step reaches in the notebook, found on the live objects, as pieces of source.

Functions and classes travel by their source, constants by their value, modules by import. Each name becomes an item;
items are then put in an order in which a module can execute them.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.constants import NotAConstantError, Renderer
from zenbook.core.project import ProjectCode
from zenbook.core.scope import Chain, Names, names_of
from zenbook.core.source import (
    Definition,
    class_definition,
    function_definition,
    import_of,
    place_of_name,
    text_of,
    unread_imports,
)
from zenbook.errors import CaptureError

MAIN = "__main__"
MISSING = object()
_HINT = "Pass it to the step as an input, make it a parameter, or create it inside the step."


@dataclass(slots=True)
class _Item:
    """Something that the capsule's main module binds to a name."""

    name: str
    pieces: tuple[Piece, ...] = ()
    early: set[str] = field(default_factory=set)  # items that must be bound before
    late: set[str] = field(default_factory=set)  # items that must be bound before it is called
    value: Any = None
    rank: int = 1  # imports 0, all else 1


class LiveCode:
    """Collects what is reached from live objects; ``provided`` says which names the step gets as inputs.

    Raises `CaptureError` for what can't travel; ``owner`` names the step in its message.
    """

    def __init__(self, owner: str, project: ProjectCode, provided: Callable[[str], bool] = lambda name: False) -> None:
        self.owner = owner
        self.project = project
        self.provided = provided
        self.used: set[str] = set()  # of the provided names
        self.items: dict[str, _Item] = {}
        self.future_annotations = False
        self.distributions: set[str] = set()  # top-level installed modules of captured objects
        self.watched: list[tuple[dict[str, Any], str, Any]] = []  # (namespace, name, value) of all that was read
        self.functions: list[types.FunctionType] = []
        self.steady = True  # whether nothing was reached that can change while its name stays bound to it

    # --- entries ------------------------------------------------------------------------------------------------

    def add_function(self, function: Any, name: str) -> None:
        """Capture a function under a name of the main module."""
        self._item_for(name, function, (name,), vars(sys.modules.get(MAIN, types.ModuleType(MAIN))), "")

    def add_reads(self, names: Names, namespace: dict[str, Any], *, own: set[str]) -> None:
        """Capture what a cell's code reads from ``namespace``; ``own`` are names that the cell binds itself."""
        item = _Item("", early=set(), late=set())
        self._read_all(names, namespace, item, skip=own, where="")

    def pieces(self) -> tuple[Piece, ...]:
        """The main module's pieces in an order that can be executed: each item after what it needs early."""
        self._side_effect_imports()
        order: dict[str, None] = {}
        for item in sorted(self.items.values(), key=lambda one: one.rank):
            self._place(item, order, (), full=False)
        made = [piece for name in order for piece in self.items[name].pieces]
        if self.future_annotations and made:
            made.insert(0, Piece("from __future__ import annotations"))
        return tuple(dict.fromkeys(made))

    def _place(self, item: _Item, order: dict[str, None], path: tuple[str, ...], *, full: bool) -> None:
        if item.name in path:
            cycle = path[path.index(item.name) :]
            if not full and len(cycle) > 1:
                raise CaptureError(
                    f"{self._step} reaches {' and '.join(repr(one) for one in cycle)}, "
                    "which need each other while they are defined.",
                    "Put them into a module of your project and import it.",
                )
            return
        if item.name in order and not full:
            return
        for name in sorted(item.early & self.items.keys()):
            self._place(self.items[name], order, (*path, item.name), full=False)
            for late in sorted(self.items[name].late & self.items.keys()):  # it may be called while we are defined
                if late not in path and late != item.name:
                    self._place(self.items[late], order, (*path, item.name), full=True)
        order.setdefault(item.name)

    # --- names --------------------------------------------------------------------------------------------------

    @property
    def _step(self) -> str:
        return f"Step {self.owner!r}"

    def _read_all(
        self, names: Names, namespace: dict[str, Any], item: _Item, *, skip: set[str], where: str
    ) -> None:
        for chains, needs, soft in ((names.early, item.early, False), (names.late, item.late, False), (names.soft, item.early, True)):
            for chain in sorted(chains):
                if chain[0] in skip or chain[0] == item.name:
                    continue
                if self._read(chain, namespace, where, soft=soft):
                    needs.add(chain[0])

    def _read(self, chain: Chain, namespace: dict[str, Any], where: str, *, soft: bool = False) -> bool:
        name = chain[0]
        if self._is_main(namespace) and self.provided(name):
            self.used.add(name)
            return False
        value = namespace.get(name, MISSING)
        self.watched.append((namespace, name, value))
        if value is MISSING:
            return self._read_builtin(name, where)
        try:
            self._item_for(name, value, chain, namespace, where)
        except CaptureError:
            if soft:
                return False
            raise
        return True

    def _read_builtin(self, name: str, where: str) -> bool:
        value = getattr(builtins, name, MISSING)
        module = getattr(value, "__module__", None) or ""
        if name == "get_ipython":
            raise CaptureError(
                f"{self._step} uses IPython itself (`get_ipython`, a `%magic` or a `!shell` line){where}.",
                "Move that line to a cell that is no step.",
            )
        if value is not MISSING and module.startswith("IPython"):
            self._import(name, f"from {module} import {value.__name__}", module, value)
            return True
        return False  # a name that is not there yet is Python's to complain about, when it is reached

    def _is_main(self, namespace: dict[str, Any]) -> bool:
        return namespace.get("__name__") == MAIN

    def _item_for(self, name: str, value: Any, chain: Chain, namespace: dict[str, Any], where: str) -> None:
        known = self.items.get(name)
        if known is not None and known.pieces:
            if known.value is value:
                if isinstance(value, types.ModuleType):
                    self._module_item(name, value, chain)
                return
            if not self._equal_constant(known.value, value):
                raise CaptureError(
                    f"{self._step} reaches two different objects by the name `{name}`{where}.",
                    "Give one of them another name.",
                )
            return
        if known is not None:
            return  # being made: recursion
        value = plain_function(value)
        if isinstance(value, types.ModuleType):
            self._module_item(name, value, chain)
        elif self._imported(name, value, namespace):
            return
        elif isinstance(value, types.FunctionType):
            self._function_item(name, value, where)
        elif isinstance(value, type) and not isinstance(value, types.GenericAlias):
            self._class_item(name, value)
        elif callable(value) and isinstance(getattr(value, "__wrapped__", None), types.FunctionType):
            self._decorated_item(name, value, value.__wrapped__, where)
        else:
            self._constant_item(name, value, where)

    def _equal_constant(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other) or callable(one):
            return False
        try:
            return Renderer(lambda value: None).render(one) == Renderer(lambda value: None).render(other)
        except NotAConstantError:
            return False

    # --- imports ------------------------------------------------------------------------------------------------

    def _import(self, name: str, text: str, module: str, value: Any) -> None:
        self.items[name] = _Item(name, (Piece(text),), value=value, rank=0)
        if not self.project.is_project(module):
            self.project.require(module)
            self.distributions.add(module.partition(".")[0])

    def _module_item(self, name: str, module: types.ModuleType, chain: Chain) -> None:
        dotted = module.__name__
        if dotted == MAIN:
            raise CaptureError(f"{self._step} reads the notebook's own module as `{name}`.", _HINT)
        if dotted == "zenbook" or dotted.startswith("zenbook."):
            self.items.setdefault(name, _Item(name, (Piece(_import_text(dotted, name)),), value=module, rank=0))
            return
        item = self.items.setdefault(name, _Item(name, value=module, rank=0))
        item.pieces = tuple(dict.fromkeys((*item.pieces, Piece(_import_text(dotted, name)))))
        deepest, rest = dotted, chain[1:]
        here: Any = module
        while rest and isinstance(getattr(here, rest[0], None), types.ModuleType):
            here, rest, inner = getattr(here, rest[0]), rest[1:], f"{deepest}.{rest[0]}"
            if sys.modules.get(inner) is not here:
                break
            deepest = inner
        if deepest != dotted and name != "":
            extra = Piece(f"import {deepest}" if name == dotted.partition(".")[0] else f"import {deepest} as _{deepest.replace('.', '_')}")
            item.pieces = tuple(dict.fromkeys((*item.pieces, extra)))
        self.project.use_module(dotted, chain[1:])
        if not self.project.is_project(dotted):
            self.project.require(deepest)
            self.distributions.add(dotted.partition(".")[0])

    def _imported(self, name: str, value: Any, namespace: dict[str, Any]) -> bool:
        """Whether the name was bound by an import, which then travels as it was written."""
        if isinstance(value, bool | int | float | str | bytes | None) and not self._is_main(namespace):
            return False
        if self._is_main(namespace):
            for node, alias in import_of(name):
                if isinstance(node, ast.ImportFrom) and not node.level and node.module and self._gives(node.module, alias.name, value):
                    self._import_from(name, node.module, alias.name, value)
                    return True
        module = getattr(value, "__module__", None)
        if not isinstance(module, str) or module in (MAIN, "builtins") and not hasattr(builtins, name):
            return False
        qualname = getattr(value, "__qualname__", getattr(value, "__name__", ""))
        if not isinstance(qualname, str) or "<" in qualname or "." in qualname or not qualname:
            return False
        if module == "builtins":
            return getattr(builtins, name, None) is value and self._alias_builtin(name, qualname)
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            public = ".".join(parts[:depth])
            if self._gives(public, qualname, value):
                self._import_from(name, public, qualname, value)
                return True
        return False

    def _alias_builtin(self, name: str, qualname: str) -> bool:
        if name != qualname:
            self.items[name] = _Item(name, (Piece(f"{name} = {qualname}"),), value=getattr(builtins, qualname))
        return True

    def _gives(self, module: str, name: str, value: Any) -> bool:
        loaded = sys.modules.get(module)
        if loaded is None or module == MAIN:
            return False
        found = vars(loaded).get(name, MISSING)
        if found is MISSING and not self.project.is_project(module):
            found = getattr(loaded, name, MISSING)
        return plain_function(found) is value or (found is not MISSING and self._equal_constant(found, value))

    def _import_from(self, name: str, module: str, original: str, value: Any) -> None:
        text = f"from {module} import {original}" + (f" as {name}" if name != original else "")
        self._import(name, text, module, value)
        if self.project.is_project(module):
            self.project.reach(module, (original,))

    def _side_effect_imports(self) -> None:
        """Let imports travel that nobody reads (``sklearn.experimental``'s), if their package is reached anyway."""
        for node, alias in unread_imports():
            module = node.module if isinstance(node, ast.ImportFrom) else alias.name
            top = (module or "").partition(".")[0]
            if isinstance(node, ast.ImportFrom) and not node.level and module and top in self.distributions:
                if alias.name not in self.items:
                    text = f"from {module} import {alias.name}"
                    self.items[alias.name] = _Item(alias.name, (Piece(text),), rank=-1)

    # --- functions ----------------------------------------------------------------------------------------------

    def _function_item(self, name: str, function: types.FunctionType, where: str) -> None:
        wrapped = inspect.unwrap(function)
        if hasattr(function, "dispatch") and hasattr(function, "registry"):
            raise CaptureError(
                f"{self._step} reaches `{name}`, a singledispatch function{where}, whose registry has no source.",
                "Put it into a module of your project and import it.",
            )
        if wrapped is not function and isinstance(wrapped, types.FunctionType):
            self._decorated_item(name, function, wrapped, where)
            return
        definition = self._definition(name, function, where)
        node = definition.node
        if isinstance(node, ast.Lambda):
            self._lambda_item(name, function, definition)
            return
        assert not isinstance(node, ast.ClassDef)
        ours = tuple(one for one in node.decorator_list if _is_zenbook(one, function.__globals__))
        drop = ours if function.__dict__ else tuple(node.decorator_list)
        if len(drop) == len(node.decorator_list) or not function.__closure__:
            self._define(name, function, definition, drop)
        else:
            self._define(name, function, definition, ours)

    def _decorated_item(self, name: str, value: Any, function: types.FunctionType, where: str) -> None:
        function = inspect.unwrap(function)
        definition = self._definition(name, function, where)
        assert isinstance(definition.node, ast.FunctionDef | ast.AsyncFunctionDef)
        drop = tuple(one for one in definition.node.decorator_list if _is_zenbook(one, function.__globals__))
        self._define(name, function, definition, drop, value=value)

    def _definition(self, name: str, function: types.FunctionType, where: str) -> Definition:
        try:
            return function_definition(function)
        except CaptureError as error:
            raise CaptureError(f"{self._step} reaches `{name}`{where}: {error.message}", error.hint) from error

    def _define(
        self, name: str, function: types.FunctionType, definition: Definition, drop: tuple[ast.expr, ...], value: Any = None
    ) -> None:
        node = definition.node
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        item = self.items[name] = _Item(name, value=function if value is None else value)
        self.functions.append(function)
        self.steady &= value is None and not function.__code__.co_freevars
        where = f" ({definition.place})"
        kept = _without_decorators(node, drop)
        text = text_of(definition, drop)
        names = self._names(kept, function)
        text = self._mend_defaults(text, kept, function, item, where)
        self._refuse_hidden_state(names, function, where)
        free = function.__code__.co_freevars
        self._read_all(names, function.__globals__, item, skip=set(free) | {node.name}, where=where)
        self._read_class_cell(free, function)
        first = min([node.lineno, *(one.lineno for one in kept.decorator_list)])
        if free:
            item.pieces = (Piece(self._bound_text(name, node.name, text, function, item, where)),)
        else:
            pieces = [Piece(text, definition.file, first)]
            if node.name != name:
                pieces.append(Piece(f"{name} = {node.name}"))
            item.pieces = tuple(pieces)

    def _read_class_cell(self, free: tuple[str, ...], function: types.FunctionType) -> None:
        if "__class__" in free:
            raise CaptureError(
                f"{self._step} reaches the method {function.__qualname__!r} outside of its class.", _HINT
            )

    def _lambda_item(self, name: str, function: types.FunctionType, definition: Definition) -> None:
        item = self.items[name] = _Item(name, value=function)
        self.functions.append(function)
        self.steady &= not function.__code__.co_freevars
        where = f" ({definition.place})"
        text = text_of(definition)
        names = self._names(ast.Expr(definition.node), function)  # type: ignore[arg-type]
        free = function.__code__.co_freevars
        self._refuse_hidden_state(names, function, where)
        self._read_all(names, function.__globals__, item, skip=set(free), where=where)
        if function.__defaults__ or function.__kwdefaults__:
            self._check_lambda_defaults(name, definition, function, where)
        if free:
            body = f"_lambda = {text}"
            item.pieces = (Piece(self._bound_text(name, "_lambda", body, function, item, where)),)
        else:
            item.pieces = (Piece(f"{name} = {text}"),)

    def _check_lambda_defaults(self, name: str, definition: Definition, function: types.FunctionType, where: str) -> None:
        node = definition.node
        assert isinstance(node, ast.Lambda)
        for expression, value in _defaults(node.args, function):
            if not _says(expression, value, function.__globals__):
                raise CaptureError(
                    f"{self._step} reaches the lambda `{name}`{where}, whose default was bound to another value than "
                    "its source gives now.",
                    "Write it as a function.",
                )

    def _names(self, node: ast.stmt, function: types.FunctionType) -> Names:
        future = bool(function.__code__.co_flags & 0x1000000)  # CO_FUTURE_ANNOTATIONS
        self.future_annotations |= future
        return self._with_imports(names_of([node], future_annotations=future), function.__globals__)

    def _with_imports(self, names: Names, namespace: dict[str, Any]) -> Names:
        """Follow the imports that the code makes itself when it is called."""
        for node in names.imports:
            self.project.follow_import(node, namespace.get("__package__") or "")
        return names

    def _bound_text(
        self, name: str, inner: str, text: str, function: types.FunctionType, item: _Item, where: str
    ) -> str:
        """A function with captured variables, rebuilt by a factory that is called with their values."""
        arguments = []
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not assigned yet; Python will say so when it is read
            if value is function:
                continue
            arguments.append((free, self._expression(free, value, item, f"{where}, captured by `{name}`")))
        indented = _indent(text)
        signature = ", ".join(free for free, _ in arguments)
        call = ", ".join(expression for _, expression in arguments)
        return f"def _bind_{name}({signature}):\n{indented}\n    return {inner}\n\n\n{name} = _bind_{name}({call})"

    def _mend_defaults(
        self, text: str, node: ast.FunctionDef | ast.AsyncFunctionDef, function: types.FunctionType, item: _Item, where: str
    ) -> str:
        """Write the default values that the function really has where its source would give others now."""
        changes = []
        for expression, value in _defaults(node.args, function):
            if not _says(expression, value, function.__globals__):
                changes.append((ast.unparse(expression), self._expression("a default", value, item, where)))
        if not changes:
            return text
        tree = ast.parse(text)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
        slots = [one for one in (*definition.args.defaults, *definition.args.kw_defaults) if one is not None]
        lines = text.splitlines()
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line.encode()) + 1)
        data = text.encode()
        for slot in sorted(slots, key=lambda one: (one.lineno, one.col_offset), reverse=True):
            for old, new in changes:
                if ast.unparse(slot) == old:
                    start = offsets[slot.lineno - 1] + slot.col_offset
                    end = offsets[(slot.end_lineno or 1) - 1] + (slot.end_col_offset or 0)
                    data = data[:start] + new.encode() + data[end:]
                    break
        return data.decode()

    def _refuse_hidden_state(self, names: Names, function: types.FunctionType, where: str) -> None:
        if not self._is_main(function.__globals__):
            return
        for name in names.rebound:
            raise CaptureError(
                f"{self._step} assigns the global `{name}`{where}; another step or another machine would not see that.",
                "Return it as an output and pass it on.",
            )
        for name in names.changed:
            value = function.__globals__.get(name)
            if isinstance(value, list | dict | set | bytearray) and not self.provided(name):
                raise CaptureError(
                    f"{self._step} changes the global `{name}`{where}; another step or another machine would not see that.",
                    "Return it as an output and pass it on, or make it inside the step.",
                )

    # --- classes and constants ----------------------------------------------------------------------------------

    def _class_item(self, name: str, cls: type) -> None:
        try:
            definition = class_definition(cls)
        except CaptureError as error:
            raise CaptureError(f"{self._step} reaches the class `{name}`: {error.message}", error.hint) from error
        item = self.items[name] = _Item(name, value=cls)
        self.steady = False
        node = definition.node
        assert isinstance(node, ast.ClassDef)
        namespace = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
        self._refuse_patched(cls, definition)
        future = any(
            bool(one.__code__.co_flags & 0x1000000) for one in vars(cls).values() if isinstance(one, types.FunctionType)
        )
        self.future_annotations |= future
        names = self._with_imports(names_of([node], future_annotations=future), namespace)
        self._read_all(names, namespace, item, skip={node.name}, where=f" ({definition.place})")
        pieces = [Piece(text_of(definition), definition.file, min([node.lineno, *(d.lineno for d in node.decorator_list)]))]
        if node.name != name:
            pieces.append(Piece(f"{name} = {node.name}"))
        item.pieces = tuple(pieces)

    def _refuse_patched(self, cls: type, definition: Definition) -> None:
        node = definition.node
        last = node.end_lineno or node.lineno
        for attribute, member in vars(cls).items():
            code = getattr(member, "__code__", None)
            if code is None or code.co_filename.startswith("<string>") or not isinstance(member, types.FunctionType):
                continue
            generated = not code.co_filename or code.co_filename != definition.file and member.__module__ != cls.__module__
            inside = code.co_filename == definition.file and node.lineno <= code.co_firstlineno <= last
            if not inside and not generated and not hasattr(member, "__wrapped__"):
                raise CaptureError(
                    f"{self._step} reaches the class `{cls.__name__}` ({definition.place}), "
                    f"whose attribute `{attribute}` was changed after its definition.",
                    "Define it within the class.",
                )

    def _constant_item(self, name: str, value: Any, where: str) -> None:
        item = self.items[name] = _Item(name, value=value)
        self.steady &= type(value) in (bool, int, float, str, bytes, complex, type(None))
        text = self._expression(name, value, item, where)
        item.pieces = (Piece(f"{name} = {text}"),)

    def _expression(self, name: str, value: Any, item: _Item, where: str) -> str:
        renderer = Renderer(functools.partial(self._refer, item))
        try:
            text = renderer.render(value)
        except NotAConstantError as error:
            place = place_of_name(name)
            at = f" (bound in {place})" if place and place not in where else ""
            raise CaptureError(f"{self._step} reads `{name}`{at}{where}, which can't travel: {error}.", _HINT) from error
        for alias, module in renderer.modules.items():
            if f"{alias}." in text and alias not in self.items:
                self._import(alias, f"import {module} as {alias}", module, sys.modules.get(module))
            if f"{alias}." in text:
                item.early.add(alias)
        return text

    def _refer(self, item: _Item, value: Any) -> str | None:
        value = plain_function(value)
        name = getattr(value, "__name__", None)
        if not isinstance(name, str):
            return None
        if getattr(builtins, name, None) is value:
            return name
        if isinstance(value, types.ModuleType):
            name = "_" + name.replace(".", "_")
        main = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
        if name == "<lambda>" or (self.items.get(name) is not None and self.items[name].value is not value):
            name = f"_{'lambda' if name == '<lambda>' else name}_{sum(1 for _ in self.items)}"
        known = next((key for key, one in main.items() if plain_function(one) is value and key.isidentifier()), None)
        name = known if known is not None and not key_taken(self.items, known, value) else name
        try:
            self._item_for(name, value, (name,), main, "")
        except CaptureError as error:
            raise NotAConstantError(f"it holds `{name}`: {error.message}") from error
        item.early.add(name)
        return name


def plain_function(value: Any) -> Any:
    """The function behind a step; anything else as it is."""
    kind = type(value)
    if kind.__name__ == "Step" and kind.__module__.startswith("zenbook."):
        return value.function
    if kind.__name__ == "Pipeline" and kind.__module__.startswith("zenbook."):
        raise CaptureError(
            f"A step reaches the pipeline {value.name!r}, and a step can't start a pipeline.",
            "Call the pipeline's steps from the pipeline function.",
        )
    return value


def key_taken(items: dict[str, _Item], name: str, value: Any) -> bool:
    """Whether a name stands for another object already."""
    return name in items and items[name].value is not value


def _import_text(dotted: str, name: str) -> str:
    if name == dotted.partition(".")[0]:
        return f"import {dotted.partition('.')[0]}"
    return f"import {dotted} as {name}"


def _is_zenbook(decorator: ast.expr, namespace: dict[str, Any]) -> bool:
    root = decorator.func if isinstance(decorator, ast.Call) else decorator
    while isinstance(root, ast.Call):
        root = root.func
    chain: list[str] = []
    while isinstance(root, ast.Attribute):
        chain.append(root.attr)
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    value = namespace.get(root.id)
    for part in reversed(chain):
        if isinstance(value, types.ModuleType) and not value.__name__.startswith("zenbook"):
            return False
        value = getattr(value, part, None)
    return (getattr(value, "__module__", None) or type(value).__module__ or "").startswith("zenbook.")


def _without_decorators(
    node: ast.FunctionDef | ast.AsyncFunctionDef, drop: tuple[ast.expr, ...]
) -> ast.FunctionDef | ast.AsyncFunctionDef:
    kept = [one for one in node.decorator_list if one not in drop]
    fields = {name: value for name, value in ast.iter_fields(node) if name != "decorator_list"}
    return ast.copy_location(type(node)(**fields, decorator_list=kept), node)


def _defaults(arguments: ast.arguments, function: types.FunctionType) -> list[tuple[ast.expr, Any]]:
    pairs: list[tuple[ast.expr, Any]] = list(zip(arguments.defaults, function.__defaults__ or (), strict=False))
    keywords = function.__kwdefaults__ or {}
    for argument, expression in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if expression is not None and argument.arg in keywords:
            pairs.append((expression, keywords[argument.arg]))
    return pairs


def _says(expression: ast.expr, value: Any, namespace: dict[str, Any]) -> bool:
    """Whether a default's expression, evaluated now, gives the value that the function has."""
    try:
        literal = ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        pass
    else:
        return type(literal) is type(value) and repr(literal) == repr(value)
    here: Any = expression
    chain: list[str] = []
    while isinstance(here, ast.Attribute):
        chain.append(here.attr)
        here = here.value
    if not isinstance(here, ast.Name):
        return False
    found = namespace.get(here.id, getattr(builtins, here.id, MISSING))
    for part in reversed(chain):
        found = getattr(found, part, MISSING)
    return found is value


def _indent(text: str) -> str:
    tree = ast.parse(text)
    inside = {
        line
        for one in ast.walk(tree)
        if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes))
        for line in range(one.lineno + 1, (one.end_lineno or one.lineno) + 1)
    }
    return "\n".join(
        line if number in inside or not line else "    " + line for number, line in enumerate(text.splitlines(), 1)
    )
