"""From a live function or a cell to its capsule.

The capture starts at the step and follows every name that its code reads: what the notebook holds becomes an item of
the capsule's main module (`context`, `resolvers`), what comes from the project's own modules is cut out of their files
(`project`), and what is installed is imported and required.
"""

from __future__ import annotations

import ast
import linecache
import sys
import tokenize
import types
import weakref
from dataclasses import dataclass
from typing import Any

from zenbook.core.capsule import MAIN, Capsule, Module, Piece
from zenbook.core.capture.cell import NameRoles
from zenbook.core.capture.context import CaptureContext, Reference
from zenbook.core.capture.items import Item, in_order
from zenbook.core.capture.live_values import unwrap_step
from zenbook.core.capture.names import Names
from zenbook.core.capture.project import ProjectCode, requirements_of
from zenbook.core.capture.resolvers import RESOLVERS
from zenbook.core.capture.resolvers.imports import add_effect_imports
from zenbook.core.capture.watch_list import WatchList
from zenbook.core.distributions import installation_stamp, project_file
from zenbook.core.fingerprint import fingerprint
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError


@dataclass(frozen=True, slots=True)
class Captured:
    """A capsule, its fingerprint, and what must stay as it was for both to hold."""

    capsule: Capsule
    fingerprint: str
    watched: WatchList
    sources: int  # executed cells and other files that `linecache` holds
    files: tuple[tuple[str, str], ...]  # (path, text) of the project's files
    installation: object

    @property
    def holds(self) -> bool:
        """Whether a new capture would give the same: nothing was rebound, redefined, edited or installed since."""
        return (
            self.watched.is_unchanged
            and self.sources == len(linecache.cache)
            and self.installation == installation_stamp()
            and all(_text_of(file) == text for file, text in self.files)
        )


_captured: weakref.WeakKeyDictionary[Any, Captured] = weakref.WeakKeyDictionary()


def captured_function(function: Any, *, name: str) -> Captured:
    """Capture a function, or give its last capture if nothing that it uses has changed.

    Args:
        function: The function, or another callable object.
        name: The step's name, for messages.

    Returns:
        The capsule and its fingerprint. Raises `CaptureError` if something that the function uses cannot travel.
    """
    known = _captured.get(function) if isinstance(function, types.FunctionType) else None
    if known is not None and known.holds:
        return known
    project = ProjectCode()
    context = CaptureContext(name, project, RESOLVERS, NameRoles())
    installation = installation_stamp()
    capsule = _capture(function, name, context)
    files = tuple(project.texts().items())
    captured = Captured(capsule, fingerprint(capsule), context.watched, len(linecache.cache), files, installation)
    if isinstance(function, types.FunctionType):
        _captured[function] = captured
    return captured


def capture_cell(
    text: str,
    names: Names,
    namespace: dict[str, Any],
    *,
    name: str,
    roles: NameRoles,
    origin: Piece,
) -> tuple[Capsule, frozenset[str]]:
    """Capture a cell.

    Args:
        text: The cell's code.
        names: The names of that code.
        namespace: The notebook's names.
        name: The step's name, for messages.
        roles: Which of the notebook's names the cell gets when it runs, and which count as missing.
        origin: The cell's text with its file and line.

    Returns:
        The capsule, and the provided names that the cell or its helpers read. Raises `CaptureError` if something
        that the cell uses cannot travel.
    """
    own_imports = frozenset(
        (node.module or "", alias.name)
        for node in names.imports
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
    context = CaptureContext(name, ProjectCode(), RESOLVERS, roles, own_imports)
    context.used_inputs |= names.unbound_reads & context.provided
    context.read_names(names, namespace, Item(""), skip=names.binds.keys() - names.unbound_reads)
    for node in names.imports:
        context.project.follow_import(node, "")
    capsule = _capsule(MAIN, context.project, _main_pieces(context))
    whole = Capsule(capsule.entry, capsule.modules, capsule.requirements, cell=text, cell_origin=origin)
    return whole, frozenset(context.used_inputs)


def _capture(function: Any, name: str, context: CaptureContext) -> Capsule:
    project = context.project
    home = _importable_home(function, project)
    if home is not None:
        module, qualname = home
        if project_file(module) is not None:
            project.reach(module, (qualname,))
        else:
            project.require(module)
        return _capsule(f"{module}:{qualname}", project, ())
    bound = getattr(function, "__name__", name)
    bound = bound if bound.isidentifier() else "_step"
    namespace = getattr(function, "__globals__", None) or vars(sys.modules.get(MAIN, types.ModuleType(MAIN)))
    context.resolve(Reference(bound, function, (bound,), namespace))
    if bound not in context.items:  # a builtin function
        context.items[bound] = Item(bound, (Piece(f"{bound} = {bound}"),), value=function)
    return _capsule(f"{MAIN}:{bound}", project, _main_pieces(context))


def _main_pieces(context: CaptureContext) -> tuple[Piece, ...]:
    """The main module's pieces in an order that can be executed."""
    add_effect_imports(context)
    pieces = in_order(context.items, context.step)
    if context.future_annotations and pieces:
        pieces = (Piece("from __future__ import annotations"), *pieces)
    return pieces


def _capsule(entry: str, project: ProjectCode, pieces: tuple[Piece, ...]) -> Capsule:
    modules = ((Module(MAIN, pieces),) if pieces or entry == MAIN else ()) + project.modules()
    for module in modules:
        _check(module)
    return Capsule(entry, modules, requirements_of(project.installed))


def _check(module: Module) -> None:
    try:
        parse(module.source)
    except SyntaxError as error:
        raise CaptureError(
            f"The source of {module.name!r} could not be put together: {error}.",
            "Please report this; until then, put the code into a module of your project.",
        ) from error


def _importable_home(function: Any, project: ProjectCode) -> tuple[str, str] | None:
    """(module, name) of what can be imported by its name; None for what lives in the notebook or in a function."""
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not isinstance(module, str) or module == MAIN or not qualname.isidentifier():
        return None
    loaded = sys.modules.get(module)
    if getattr(loaded, "__file__", None) is None:
        return None
    if unwrap_step(vars(loaded).get(qualname)) is function:
        return module, qualname
    is_of_module = isinstance(function, types.FunctionType) and function.__globals__ is vars(loaded)
    if is_of_module and function.__code__.co_name == qualname and project.defines(module, qualname):
        return module, qualname  # of a module that was loaded again since
    return None


def _text_of(file: str) -> str:
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""
