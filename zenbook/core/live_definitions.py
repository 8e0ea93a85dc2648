"""The classes and functions that are alive under a name, and the digest of their source.

A class that is defined in a notebook is another object in each kernel and in each capsule; its name and the digest of
its source say whether two of them are the same.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Iterator
from typing import Any

from zenbook.core.canonical import canonical
from zenbook.core.digest import digest_of_text
from zenbook.core.parsing import parse


def source_digest(obj: Any) -> str | None:
    """Digest the canonical source of a class or function, decorators included.

    Args:
        obj: Any object; only a class or a function has a source.

    Returns:
        The digest, or None if no source is found.
    """
    qualname = getattr(obj, "__qualname__", "")
    if not qualname or "<" in qualname:
        return None
    for file, line in _places(obj):
        node = _definition(_source(file), qualname, line)
        if node is not None:
            return digest_of_text(canonical(node))
    return None


def find_live(module: str, qualname: str) -> Any:
    """Look up what a module in `sys.modules` has under a name now.

    Args:
        module: The module's name.
        qualname: The qualified name in it, as ``Outer.Inner``.

    Returns:
        The object, or None if there is none.
    """
    value: Any = sys.modules.get(module)
    for part in qualname.split("."):
        if value is None:
            return None
        value = getattr(value, part, None)
    return value


def is_importable(module: str) -> bool:
    """Whether a module was imported from a file or the interpreter, rather than created by a notebook or a capsule.

    Args:
        module: The module's name.

    Returns:
        True if another process can import it too.
    """
    loaded = sys.modules.get(module)
    return module not in {"__main__", "__mp_main__"} and getattr(loaded, "__spec__", None) is not None


def _places(obj: Any) -> Iterator[tuple[str, int]]:
    """Files that may contain the definition, the most certain first, each with the line there or 0."""
    code = _code(obj)
    if code is not None:
        yield code.co_filename, code.co_firstlineno
        return
    if isinstance(obj, type):
        prefix = obj.__qualname__ + "."
        for member in list(vars(obj).values()):
            code = _code(member)
            # Generated methods (of dataclasses, say) have no file; inherited and borrowed ones have another name.
            if code is not None and code.co_qualname.startswith(prefix) and _source(code.co_filename):
                yield code.co_filename, code.co_firstlineno
    # From here on a definition is found by its name alone, so it must be the one that the name means now.
    module = getattr(obj, "__module__", None) or ""
    if find_live(module, obj.__qualname__) is not obj:
        return
    file = getattr(sys.modules.get(module), "__file__", None)
    if file:
        yield file, 0
    for file_name, entry in reversed(list(linecache.cache.items())):
        if len(entry) == 4 and entry[1] is None:  # a cell or a capsule: text without a file's time
            yield file_name, 0


def _code(obj: Any) -> types.CodeType | None:
    if isinstance(obj, (staticmethod, classmethod)):
        obj = obj.__func__
    if isinstance(obj, property):
        obj = obj.fget
    try:
        obj = inspect.unwrap(obj) if callable(obj) else obj
    except ValueError:  # wrapped in a circle
        return None
    return obj.__code__ if isinstance(obj, types.FunctionType) else None


def _source(file: str) -> str:
    return "".join(linecache.getlines(file))


def _definition(source: str, qualname: str, line: int) -> ast.AST | None:
    """The definition of that qualified name: the one around the line, else the last one."""
    *outer, name = qualname.split(".")
    if name not in source:
        return None
    bodies: list[list[ast.stmt]] = [_parsed(source)]
    for outer_name in outer:
        classes = [node for body in bodies for node in _named(body, outer_name) if isinstance(node, ast.ClassDef)]
        bodies = [node.body for node in classes]
    definitions = [node for body in bodies for node in _named(body, name)]
    around = [node for node in definitions if line and _first_line(node) <= line <= (node.end_lineno or line)]
    if line and definitions and not around:
        return None
    candidates = around or definitions
    return candidates[-1] if candidates else None


@functools.lru_cache(maxsize=256)
def _parsed(source: str) -> list[ast.stmt]:
    try:
        return parse(source).body
    except SyntaxError:  # a cell with magics, say: what IPython compiled is in another entry
        return []


def _named(body: list[ast.stmt], name: str) -> list[ast.stmt]:
    """Statements at this level, or in its if, try and with blocks, that define the name."""
    statements: list[ast.stmt] = []
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            statements += [node] if node.name == name else []
        elif isinstance(node, ast.Assign):  # Point = namedtuple("Point", "x y")
            targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
            statements += [node] if name in targets else []
        else:
            for inner in ("body", "orelse", "finalbody"):
                statements += _named(getattr(node, inner, []), name)
    return statements


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
