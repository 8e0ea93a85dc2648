"""A notebook's file as a place where ``zen run`` finds pipelines: ``zen run notebook.ipynb[:pipeline]``.

Its cells are executed without a kernel, except statements that start a run, use IPython, or need what those would have
made; a statement that raises is left out, and said. Step cells are taken into the pipeline without being run.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

from zenbook.core.parsing import parse
from zenbook.core.scope import names_of
from zenbook.errors import RunError
from zenbook.notebook import load, magics
from zenbook.notebook.step_options import read_options
from zenbook.runs.failures import one_line
from zenbook.runs.pipeline import Pipeline
from zenbook.runs.targets import Runnable, choose

_STEP = "%%step"


class NotebookFile:
    """An ``.ipynb`` file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, name: str | None) -> Runnable:
        """A pipeline of that name; without one the step cells, or the only pipeline. Raises `RunError`."""
        cells = _code_cells(self.path)
        os.environ["JPY_SESSION_NAME"] = str(self.path.resolve())
        os.chdir(self.path.resolve().parent)  # as Jupyter does
        shell = _shell()
        steps = magics.steps_of(shell)
        unknown: set[str] = set()
        for text in cells:
            first, _, body = text.lstrip().partition("\n")
            if first.split(" ")[0].rstrip() == _STEP:
                steps.define(read_options(first.removeprefix(_STEP)), body)
                unknown |= _made_by_steps(steps)
            elif not first.startswith("%%"):
                _execute(shell, text, unknown)
        if (name is None or name == self.path.stem) and len(steps):
            return steps
        found = {id(one): one for one in shell.user_ns.values() if isinstance(one, Pipeline)}
        return choose(found.values(), name, self.path.name)


def _made_by_steps(steps: Any) -> set[str]:
    return {name for row in steps.table() for name in str(row["makes"]).split(", ")}


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    if shell.history_manager is not None:
        shell.history_manager.enabled = False  # what a file holds was not typed
    load(shell)
    return shell


def _code_cells(path: Path) -> list[str]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        cells = [one for one in body["cells"] if one["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no notebook of format 4: {error}.", "Save it again in Jupyter.") from error
    return ["".join(one["source"]) for one in cells]


def _execute(shell: Any, text: str, unknown: set[str]) -> None:
    """Execute a cell's statements but those that start runs, use IPython, or read ``unknown`` names."""
    code = shell.transform_cell(text)
    try:
        tree = parse(code)
    except SyntaxError as error:
        raise RunError(f"A cell can't be read: {error}.", "Mend it in the notebook.") from error
    file = shell.compile.cache(code, shell.execution_count)
    for node in tree.body:
        names = names_of([node])
        reads = {chain[0] for chain in names.early}
        if reads & unknown or "get_ipython" in reads or _starts_run(node, shell.user_ns):
            unknown |= set(names.binds)
            continue
        try:
            exec(compile(ast.Module([node], []), file, "exec"), shell.user_ns)
        except Exception as error:  # noqa: BLE001  # the user's own code, which a pipeline may not need
            print(f"Left out: `{_first_line(node)}`, since it raises {one_line(error)}", file=sys.stderr)  # noqa: T201
            unknown |= set(names.binds)
        else:
            unknown -= set(names.binds)


def _first_line(node: ast.stmt) -> str:
    return ast.unparse(node).partition("\n")[0]


def _starts_run(node: ast.stmt, space: dict[str, Any]) -> bool:
    """Whether a statement of a cell calls a pipeline (not within a function that it only defines)."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            root: ast.expr = one.func
            while isinstance(root, ast.Attribute | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and isinstance(space.get(root.id), Pipeline):
                return True
    return False
