"""From a live function or a cell to its capsule."""

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
from zenbook.core.capture.context import MISSING, unstepped
from zenbook.core.capture.names import Names
from zenbook.core.capture.notebook_code import NotebookCapture
from zenbook.core.capture.project import ProjectCode, requirements_of
from zenbook.core.distributions import installation_stamp, project_file
from zenbook.core.fingerprint import fingerprint
from zenbook.core.parsing import parse
from zenbook.errors import CaptureError


@dataclass(frozen=True, slots=True)
class Captured:
    """A capsule, its fingerprint, and what must be as it was for both to hold still."""

    capsule: Capsule
    fingerprint: str
    steady: bool
    watched: tuple[tuple[dict[str, Any], str, Any], ...]
    functions: tuple[tuple[types.FunctionType, types.CodeType, object, object, int], ...]
    sources: int  # executed cells and other files that `linecache` holds
    files: tuple[tuple[str, str], ...]
    installation: object

    @property
    def holds(self) -> bool:
        """Whether a new capture would give the same: nothing was rebound, redefined, edited or installed since."""
        return (
            self.steady
            and all(space.get(name, _MISSING) is value for space, name, value in self.watched)
            and self.sources == len(linecache.cache)
            and all(
                one.__code__ is code
                and one.__defaults__ is defaults
                and one.__kwdefaults__ is keywords
                and len(vars(one)) == attributes
                for one, code, defaults, keywords, attributes in self.functions
            )
            and self.installation == installation_stamp()
            and all(_reads(file) == text for file, text in self.files)
        )


_MISSING = object()
_captured: weakref.WeakKeyDictionary[Any, Captured] = weakref.WeakKeyDictionary()


def captured_function(function: Any, *, name: str) -> Captured:
    """The capsule and fingerprint of a function, from memory if nothing that it reaches has changed.

    Raises `CaptureError` when something that it reaches can't travel.
    """
    known = _captured.get(function) if isinstance(function, types.FunctionType) else None
    if known is not None and known.holds:
        return known
    project = ProjectCode()
    live = NotebookCapture(name, project)
    stamp = installation_stamp()
    capsule = _capture(function, name, project, live)
    new = Captured(
        capsule,
        fingerprint(capsule),
        live.steady,
        tuple((space, key, _MISSING if value is MISSING else value) for space, key, value in live.watched),
        tuple((one, one.__code__, one.__defaults__, one.__kwdefaults__, len(vars(one))) for one in live.functions),
        len(linecache.cache),
        tuple(project.texts().items()),
        stamp,
    )
    if isinstance(function, types.FunctionType):
        _captured[function] = new
    return new


def _reads(file: str) -> str:
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def _capture(function: Any, name: str, project: ProjectCode, live: NotebookCapture) -> Capsule:
    where = _importable_home(function, project)
    if where is not None:
        module, qualname = where
        if project_file(module) is not None:
            project.reach(module, (qualname,))
        else:
            project.require(module)
        return _capsule(f"{module}:{qualname}", project, ())
    bound = getattr(function, "__name__", name)
    bound = bound if bound.isidentifier() else "_step"
    live.add_function(function, bound)
    return _capsule(f"{MAIN}:{bound}", project, live.pieces())


def capture_cell(
    text: str,
    names: Names,
    namespace: dict[str, Any],
    *,
    name: str,
    roles: NameRoles,
    origin: Piece,
) -> tuple[Capsule, frozenset[str]]:
    """Make the capsule of a cell.

    Args:
        text: The cell's code.
        names: The names of that code.
        namespace: The notebook's names and objects.
        name: The step's name.
        roles: Which of the notebook's names the cell gets when it runs, and which count as missing.
        origin: Where the code is from, for tracebacks.

    Returns:
        The capsule, and which of the provided names the cell or its helpers read.
    """
    provided = roles.provided
    project = ProjectCode()
    live = NotebookCapture(name, project, provided.__contains__)
    live.absent = roles.hidden.__contains__
    live.own_imports = {
        (node.module or "", one.name)
        for node in names.imports
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    }
    live.used |= names.unbound_reads & provided
    certain = set(names.binds) - names.unbound_reads
    live.add_reads(names, namespace, own=certain)
    for node in names.imports:
        project.follow_import(node, "")
    capsule = _capsule(MAIN, project, live.pieces())
    whole = Capsule(capsule.entry, capsule.modules, capsule.requirements, cell=text, cell_origin=origin)
    return whole, frozenset(live.used)


def _capsule(entry: str, project: ProjectCode, pieces: tuple[Piece, ...]) -> Capsule:
    modules = ((Module(MAIN, pieces),) if pieces or entry == MAIN else ()) + project.modules()
    for one in modules:
        _check(one)
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
    if unstepped(vars(loaded).get(qualname)) is function:
        return module, qualname
    ours = isinstance(function, types.FunctionType) and function.__globals__ is vars(loaded)
    if ours and function.__code__.co_name == qualname and project.defines(module, qualname):
        return module, qualname  # of a module that was loaded again since
    return None
