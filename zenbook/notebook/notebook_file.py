"""A notebook's file as a place where ``zen run`` finds pipelines: ``zen run notebook.ipynb[:pipeline]``.

Its cells are executed without a kernel, except statements that start a run, use IPython, or need what those would have
made; a statement that raises is skipped with a message. Step cells are added to the pipeline without being run. Of a
file that is only analysed, only definitions are executed: see `definitions.py`.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

from zenbook.core.capture.names import names_of
from zenbook.core.capture.skipped_value import SkippedValue
from zenbook.core.parsing import parse
from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import RunError
from zenbook.notebook import load, magics
from zenbook.notebook.definitions import only_defines
from zenbook.notebook.step_options import read_options
from zenbook.pipelines.pipeline import Pipeline
from zenbook.pipelines.sources import Runnable, choose

_STEP = "%%step"
_RUNS = SkippedValue(
    "the statement that creates it starts a run or failed",
    "Create it in a step, or pass it to the pipeline as a parameter.",
)
_ANALYSED = SkippedValue(
    "a notebook that is only analysed does not create it",
    "Export it without --static, or create it in a step.",
)


class NotebookFile:
    """An ``.ipynb`` file."""

    def __init__(self, path: Path, *, analysed: bool = False) -> None:
        self.path = path
        self._executed = only_defines if analysed else _runs_here
        self._skipped = _ANALYSED if analysed else _RUNS

    def analysed(self) -> NotebookFile:
        """The same file, of which only imports, definitions and constants are executed."""
        return NotebookFile(self.path, analysed=True)

    def find(self, name: str | None) -> Runnable:
        """Find a pipeline by executing the file's cells.

        Args:
            name: The pipeline's name; None for the step cells, or else the only pipeline.

        Returns:
            The pipeline.
        """
        cells = _code_cells(self.path)
        os.environ["JPY_SESSION_NAME"] = str(self.path.resolve())
        folder = self.path.resolve().parent
        os.chdir(folder)  # as Jupyter does
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        shell = _shell()
        steps = magics.steps_of(shell)
        unknown: set[str] = set()
        for shell.execution_count, text in enumerate(cells, 1):
            first, _, body = text.lstrip().partition("\n")
            if first.split(" ")[0].rstrip() == _STEP:
                steps.define(read_options(first.removeprefix(_STEP)), body)
                outputs = _outputs_of(steps)
                unknown |= outputs
                for output in outputs & shell.user_ns.keys():
                    if isinstance(shell.user_ns[output], SkippedValue):
                        del shell.user_ns[output]
            elif not first.startswith("%%"):
                self._execute(shell, text, unknown)
        if (name is None or name == self.path.stem) and len(steps):
            return steps
        pipelines = {id(value): value for value in shell.user_ns.values() if isinstance(value, Pipeline)}
        return choose(pipelines.values(), name, self.path.name)

    def _execute(self, shell: Any, text: str, unknown: set[str]) -> None:
        """Execute a cell's statements but those that use IPython, need ``unknown`` names, or are not to be executed."""
        code = shell.transform_cell(text)
        try:
            tree = parse(code)
        except SyntaxError as error:
            raise RunError(f"A cell could not be read: {error}.", "Fix it in the notebook.") from error
        file = shell.compile.cache(code, shell.execution_count)
        for node in tree.body:
            names = names_of([node])
            reads = {chain[0] for chain in names.reads_on_definition}
            needs = reads & unknown
            if needs or "get_ipython" in reads or not self._executed(node, shell.user_ns):
                if needs and isinstance(node, ast.FunctionDef | ast.ClassDef):
                    _report_skipped(node, f"needs `{min(needs)}`, and {self._skipped.why}")
                unknown |= set(names.binds)
                shell.user_ns.update(dict.fromkeys(names.binds, self._skipped))
                continue
            try:
                exec(compile(ast.Module([node], []), file, "exec"), shell.user_ns)
            except Exception as error:  # noqa: BLE001  # the user's own code, which a pipeline may not need
                _report_skipped(node, f"raises {one_line(error)}")
                unknown |= set(names.binds)
                shell.user_ns.update(dict.fromkeys(names.binds, self._skipped))
            else:
                unknown -= set(names.binds)


def _outputs_of(steps: Any) -> set[str]:
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
        cells = [cell for cell in body["cells"] if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a notebook of format 4: {error}.", "Save it again in Jupyter.") from error
    return ["".join(cell["source"]) for cell in cells]


def _report_skipped(node: ast.stmt, why: str) -> None:
    print(f"Skipped: `{_first_line(node)}`, because it {why}", file=sys.stderr)  # noqa: T201


def _first_line(node: ast.stmt) -> str:
    return next(line for line in ast.unparse(node).splitlines() if not line.startswith("@"))


def _runs_here(node: ast.stmt, space: dict[str, Any]) -> bool:
    """Whether a statement of a cell calls no pipeline (but within a function that it only defines)."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            root: ast.expr = part.func
            while isinstance(root, ast.Attribute | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and isinstance(space.get(root.id), Pipeline):
                return False
    return True
