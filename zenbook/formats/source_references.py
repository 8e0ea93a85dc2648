"""References to classes and functions of a notebook or a capsule: by name and source, else by value.

A class that is defined in a notebook is another object in each kernel and in each capsule. A pickle that names it by
module, qualified name and the digest of its source finds the one that is alive where it is loaded, so that `isinstance`
holds; where there is none of that very source, the class travels by value.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from typing import Any

from zenbook.core.canonical import canonical
from zenbook.core.digest import digest_of_bytes, digest_of_text
from zenbook.core.parsing import parse
from zenbook.errors import FormatError


def source_digest(obj: Any) -> str | None:
    """Digest of the canonical source of a class or function (decorators included); None where no source is found."""
    qualname = getattr(obj, "__qualname__", "")
    if not qualname or "<" in qualname:
        return None
    for file, line in _places(obj):
        node = _definition(_source(file), qualname, line)
        if node is not None:
            return digest_of_text(canonical(node))
    return None


def find_live(module: str, qualname: str) -> Any:
    """What the module in `sys.modules` has under that name now, or None."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        if found is None:
            return None
        found = getattr(found, part, None)
    return found


def is_importable(module: str) -> bool:
    """Whether a module was imported from a file or the interpreter, rather than made by a notebook or a capsule."""
    loaded = sys.modules.get(module)
    return module not in {"__main__", "__mp_main__"} and getattr(loaded, "__spec__", None) is not None


def resolve(module: str, qualname: str, digest: str | None, by_value: bytes) -> Any:
    """The live class or function of that name if it has the same source, else the one that was pickled.

    Pickles call this when they are loaded. Raises `FormatError` when there is neither.
    """
    if digest is not None:
        live = find_live(module, qualname)
        if isinstance(live, (type, types.FunctionType)) and source_digest(live) == digest:
            return live
    if not by_value:
        raise FormatError(
            f"The stored object needs {qualname!r} of {module}, as it was when the object was stored.",
            f"Define {qualname!r} as it was then, and load again.",
        )
    return _load_by_value(by_value)


_loaded: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_loading = threading.RLock()


def _load_by_value(data: bytes) -> Any:
    """One object for the same bytes, so that two loaded instances are of one class."""
    import pickle

    key = digest_of_bytes(data)
    with _loading:
        found = _loaded.get(key)
        if found is None:
            found = _loaded[key] = pickle.loads(data)
        return found


def _places(obj: Any) -> Iterator[tuple[str, int]]:
    """Files in which the definition may be, the surest first, with its line there or 0."""
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
    for name, entry in reversed(list(linecache.cache.items())):
        if len(entry) == 4 and entry[1] is None:  # a cell or a capsule: text without a file's time
            yield name, 0


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
    for one in outer:
        bodies = [node.body for body in bodies for node in _named(body, one) if isinstance(node, ast.ClassDef)]
    found = [node for body in bodies for node in _named(body, name)]
    around = [node for node in found if line and _first_line(node) <= line <= (node.end_lineno or line)]
    if line and found and not around:
        return None
    chosen = around or found
    return chosen[-1] if chosen else None


@functools.lru_cache(maxsize=256)
def _parsed(source: str) -> list[ast.stmt]:
    try:
        return parse(source).body
    except SyntaxError:  # a cell with magics, say: what IPython compiled is in another entry
        return []


def _named(body: list[ast.stmt], name: str) -> list[ast.stmt]:
    """Statements at this level, or in its if, try and with blocks, that define the name."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found += [node] if node.name == name else []
        elif isinstance(node, ast.Assign):  # Point = namedtuple("Point", "x y")
            found += [node] if any(isinstance(one, ast.Name) and one.id == name for one in node.targets) else []
        else:
            for inner in ("body", "orelse", "finalbody"):
                found += _named(getattr(node, inner, []), name)
    return found


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])
