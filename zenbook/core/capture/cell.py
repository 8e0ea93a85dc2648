"""A notebook cell as a step: which names it binds, and what the names of the notebook are to it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from zenbook.core.capture.names import Names, names_of
from zenbook.errors import DefinitionError

_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
_SPECIAL = re.compile(r"^\s*(?P<sign>!|%{1,2}|\?)|(?P<help>\?{1,2})\s*$|^[^#'\"=]*=\s*(?P<assigned>!|%)")


@dataclass(frozen=True, slots=True)
class CellCode:
    """What the text of a step cell says."""

    text: str
    names: Names
    assigned: tuple[str, ...]  # names of objects that it makes, in order; its outputs
    definitions: tuple[ast.stmt, ...]  # imports, functions and classes at its top level

    @property
    def quiet(self) -> bool:
        """Whether its last value is not shown: it ends with a semicolon."""
        lines = [line.split("#")[0].rstrip() for line in self.text.splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return last.endswith(";")


@dataclass(frozen=True, slots=True)
class NameRoles:
    """What the names of a notebook are to one of its step cells. All other names travel with the cell, or fail to."""

    inputs: frozenset[str] = frozenset()  # objects of steps above, and those that the cell assigns itself
    parameters: frozenset[str] = frozenset()  # plain literals of the notebook
    hidden: frozenset[str] = frozenset()  # only this cell or a later one provides them, so they count as missing

    @property
    def provided(self) -> frozenset[str]:
        """The names that the cell gets when it runs."""
        return self.inputs | self.parameters


def read_cell(text: str, step: str) -> CellCode:
    """Analyse the text of a step cell.

    Args:
        text: The cell's code.
        step: The step's name, for messages.

    Returns:
        What the text says.

    Raises:
        DefinitionError: It cannot be a step: a magic, a shell line, a star import, an empty cell. A text that is not
            Python raises `SyntaxError`.
    """
    _refuse_special(text, step)
    tree = _parse(text)
    if not tree.body:
        raise DefinitionError(f"The cell of step {step!r} is empty.", "Write what the step does below %%step.")
    _refuse_stars(tree, step)
    names = names_of(tree.body)
    assigned = tuple(name for name, node in names.binds.items() if not isinstance(node, _DEFINITIONS) and name != "_")
    return CellCode(text, names, assigned, tuple(node for node in tree.body if isinstance(node, _DEFINITIONS)))


def _parse(text: str) -> ast.Module:
    code = compile(text, "<cell>", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(code, ast.Module)
    return code


def _refuse_special(text: str, step: str) -> None:
    """Name the line that only IPython understands, if there is one."""
    try:
        _parse(text)
    except SyntaxError as error:
        lines = text.splitlines()
        suspects = [error.lineno, *range(1, len(lines) + 1)] if error.lineno else range(1, len(lines) + 1)
        for number in suspects:
            line = lines[number - 1] if number and number <= len(lines) else ""
            match = _SPECIAL.search(line)
            if match:
                sign = match["sign"] or match["assigned"] or match["help"]
                raise DefinitionError(
                    f"Line {number} of step {step!r} is {_KINDS.get(sign, 'a magic')} (`{line.strip()}`), which only a "
                    "notebook understands.",
                    "Move it to a cell of its own: a step must run elsewhere too.",
                ) from None


_KINDS = {"!": "a shell line", "?": "a question to IPython", "??": "a question to IPython"}


def _refuse_stars(tree: ast.Module, step: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            raise DefinitionError(
                f"Step {step!r} imports everything from {node.module} (`from {node.module} import *`), so zenbook "
                "cannot find out what it uses.",
                f"Name what you need: `from {node.module} import …`.",
            )
