"""Joins the JavaScript modules of a panel into the one module that a widget can hold.

A build step is not needed: the modules are joined when a panel is first shown. Each module that is imported becomes a
function with a scope of its own, which returns what the module exports. The rules are simple on purpose: an import
names what it takes from a file beside it, and an export stands before a declaration at the start of a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r"^import \{([^}]*)\} from \"\./(\w+)\.js\";$", re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b(?! default \{).*", re.MULTILINE)


def read_static(*names: str) -> str:
    """Read files of the panels as one text.

    Args:
        names: Names of files in the folder ``static``, in the order in which they are joined.

    Returns:
        The texts, one after another.
    """
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


def bundle(entry: str, read: Callable[[str], str] = read_static) -> str:
    """Join a module and all that it imports, directly or not, into one module.

    Args:
        entry: The file name of the module whose default export the widget uses.
        read: Gives the text of a file by its name.

    Returns:
        The text of a module that imports nothing.

    Raises:
        ValueError: A module has an import or an export of another form, or imports itself in a circle.
    """
    scopes: dict[str, str] = {}
    text = _without_imports(entry, read, scopes, (entry,))
    return "\n".join([*scopes.values(), text])


def _without_imports(name: str, read: Callable[[str], str], scopes: dict[str, str], importers: tuple[str, ...]) -> str:
    """A module's text in which each import reads from the scope of the module that it names."""
    text = read(name)
    for _, stem in _IMPORT.findall(text):
        _add_scope(f"{stem}.js", read, scopes, importers)
    text = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_scope_name(found[2])};", text)
    if wrong := _LEFT_OVER.search(_EXPORT.sub("", text)):
        raise ValueError(f"{name} cannot be bundled: {wrong[0]}")
    return text


def _add_scope(name: str, read: Callable[[str], str], scopes: dict[str, str], importers: tuple[str, ...]) -> None:
    if name in importers:
        raise ValueError(f"{name} imports itself: {' -> '.join([*importers, name])}")
    if name in scopes:
        return
    text = _without_imports(name, read, scopes, (*importers, name))
    exported = ", ".join(declared for _, declared in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1 \2", text)
    scopes[name] = (
        f"const {_scope_name(name.removesuffix('.js'))} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"
    )


def _scope_name(stem: str) -> str:
    return f"module_{stem}"
