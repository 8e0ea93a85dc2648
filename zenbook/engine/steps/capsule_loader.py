"""Execute a capsule: while a step runs, the capsule's modules are the process's modules.

`sys.modules` holds the capsule's modules while a step runs, so imports, pickles and class look-ups see them; what was
there before is restored afterwards. Pieces whose origin is known are compiled under their own file and line, so that
tracebacks and the debugger show the user's lines.
"""

from __future__ import annotations
import __future__

import ast
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from zenbook.core.capsule import MAIN, Capsule, Module, Piece
from zenbook.core.capture.executed_cells import remember_cell
from zenbook.core.parsing import parse


@contextmanager
def loaded(capsule: Capsule) -> Iterator[types.ModuleType]:
    """Execute the capsule's main module and install its modules until the block ends.

    Args:
        capsule: The capsule.

    Yields:
        The main module (for a step of a project module, that module).
    """
    names = {module.name for module in capsule.modules} | {MAIN}
    before = {name: sys.modules.get(name) for name in names}
    others = _below(names - {MAIN})
    finder = _Finder(capsule)
    for name in (*names, *others):
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, finder)
    try:
        main = _main_module(capsule)
        sys.modules[MAIN] = main
        yield main
    finally:
        sys.meta_path.remove(finder)
        for name in names | finder.created:
            sys.modules.pop(name, None)
        sys.modules.update(others)
        sys.modules.update({name: module for name, module in before.items() if module is not None})


def _below(names: set[str]) -> dict[str, types.ModuleType]:
    """The loaded modules of the packages among ``names`` that the capsule does not carry."""
    if not names:
        return {}
    prefixes = tuple(f"{name}." for name in names)
    # A copy in one go: while a list of the items is built, the garbage collector may run code that imports modules.
    modules = sys.modules.copy()
    return {name: mod for name, mod in modules.items() if name.startswith(prefixes) and name not in names}


def entry_of(capsule: Capsule, main: types.ModuleType) -> Callable[..., Any]:
    """Find the function to call.

    Args:
        capsule: The capsule, which must be loaded.
        main: Its main module.

    Returns:
        The step's function.
    """
    module, _, name = capsule.entry.partition(":")
    home = main if module == MAIN else importlib.import_module(module)
    entry: Any = getattr(home, name)
    return entry.function if type(entry).__name__ == "Step" else entry  # type: ignore[no-any-return]


def run_code(piece: Piece, namespace: dict[str, Any], *, flags: int = 0) -> None:
    """Execute a piece of source under its own file and line.

    Args:
        piece: The source.
        namespace: The module's variables.
        flags: Compiler flags, as `future_flags` gives them.
    """
    exec(_compiled(piece.text, piece.file, piece.line, flags), namespace)


def future_flags(module: Module) -> int:
    """Read the compiler flags of a module's ``from __future__`` line.

    Args:
        module: A capsule's module.

    Returns:
        The flags; 0 without such a line.
    """
    first = module.pieces[0].text if module.pieces else ""
    node = parse(first).body[0] if first.startswith("from __future__") else None
    if not isinstance(node, ast.ImportFrom):
        return 0
    return sum(getattr(__future__, alias.name).compiler_flag for alias in node.names)


@lru_cache(maxsize=4096)
def _compiled(text: str, file: str, line: int, flags: int) -> types.CodeType:
    tree = parse(text)
    if line > 1:
        ast.increment_lineno(tree, line - 1)
    code: types.CodeType = compile(tree, file, "exec", flags=flags, dont_inherit=True)
    return code


def _main_module(capsule: Capsule) -> types.ModuleType:
    main = types.ModuleType(MAIN)
    source = next((module for module in capsule.modules if module.name == MAIN), None)
    if source is not None:
        sys.modules[MAIN] = main
        _execute(source, capsule, main)
    return main


def _execute(module: Module, capsule: Capsule, target: types.ModuleType) -> None:
    flags = future_flags(module)
    generated = f"<zenbook-capsule-{capsule.digest[:12]}-{module.name}>"
    for number, piece in enumerate(module.pieces):
        file = piece.file
        if not file:
            file = generated if len(module.pieces) == 1 else f"{generated[:-1]}-{number}>"
            remember_cell(file, piece.text)
        run_code(Piece(piece.text, file, piece.line or 1), vars(target), flags=flags)


class _Finder(MetaPathFinder, Loader):
    """Imports the capsule's project modules from its source."""

    def __init__(self, capsule: Capsule) -> None:
        self.capsule = capsule
        self.modules = {module.name: module for module in capsule.modules if module.name != MAIN}
        self.created: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        module = self.modules.get(fullname)
        if module is None:
            return None
        self.created.add(fullname)
        origin = next((piece.file for piece in module.pieces if piece.file), None)
        return importlib.util.spec_from_loader(fullname, self, origin=origin, is_package=module.package)

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create an empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        source = self.modules[module.__name__]
        file = next((piece.file for piece in source.pieces if piece.file), None)
        if file is not None:
            module.__file__ = file
        _execute(source, self.capsule, module)
