"""The notebook's namespace: what steps put there, and whether other cells have changed it since."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.bindings import bound_by_import
from zenbook.core.capture.cell import CellCode
from zenbook.core.capture.executed_cells import remember_cell
from zenbook.core.events import StepFinished, Stored
from zenbook.core.graph import Node
from zenbook.engine.artifact_io import Reader
from zenbook.engine.steps.capsule_loader import run_code
from zenbook.engine.steps.mutation import surely_changed
from zenbook.engine.steps.step_runner import HIDDEN
from zenbook.errors import CaptureError


class Namespace:
    """The user's namespace in an IPython shell, as step cells see it."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._placed: dict[str, tuple[str, Any, Stored | None]] = {}  # name → (step, object, artifact)
        self._defined: dict[str, str] = {}  # name → text of the cell that defined it
        self._bound: dict[str, Any] = {}  # name → what a step cell was the first to define or import

    # --- what steps make ----------------------------------------------------------------------------------------

    def define(self, code: CellCode, origin: Piece) -> None:
        """Define the cell's imports, functions and classes in the notebook too, under the cell's own lines.

        What needs the cell's outputs cannot be defined yet, and is skipped: the capsule has it anyway.

        Args:
            code: The cell's code.
            origin: Where the code is from.
        """
        lines = code.text.splitlines()
        for node in code.definitions:
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
            text = "\n".join(lines[first - 1 : node.end_lineno])
            name = getattr(node, "name", "")
            bound = [name]
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound = [bound_by_import(alias, node) for alias in node.names]
            new = [bound_name for bound_name in bound if self._is_free(bound_name)]
            known = self.shell.user_ns.get(name)
            if name and known is not None and self._defined.get(name) == text:
                continue  # the same class again would be another class
            try:
                run_code(Piece(text, origin.file, origin.line + first - 1), self.shell.user_ns)
            except NameError:
                continue
            if name:
                self._defined[name] = text
            self._bound.update({bound_name: self.shell.user_ns.get(bound_name) for bound_name in new})

    def place(self, reader: Reader, step: str, finished: StepFinished, live: Mapping[str, Any]) -> None:
        """Put a step's outputs into the namespace, read from the store: so the notebook shows what was stored.

        Args:
            reader: Reads artifacts.
            step: The step's name.
            finished: How the step ended, with its stored outputs.
            live: Objects by name that cannot be stored.
        """
        stored = {name: artifact for name, artifact in finished.outputs if name not in HIDDEN}
        for name, value in reader.read_all(stored).items():
            self.shell.user_ns[name] = value
            self._placed[name] = (step, value, stored[name])
        for name, value in live.items():
            self.shell.user_ns[name] = value
            self._placed[name] = (step, value, None)

    def remove(self, names: Collection[str]) -> None:
        """Remove names that a cell deleted.

        Args:
            names: The names.
        """
        for name in names:
            self.shell.user_ns.pop(name, None)
            self._placed.pop(name, None)

    def was_placed(self, name: str) -> bool:
        """Whether the name still stands for an output of a step.

        Args:
            name: The name.

        Returns:
            False also if a cell has bound the name to another object since.
        """
        placed = self._placed.get(name)
        return placed is not None and self.shell.user_ns.get(name) is placed[1]

    def is_of_steps(self, name: str) -> bool:
        """Whether the name still stands for what a step made, defined or imported.

        Args:
            name: The name.

        Returns:
            False also if a cell has bound the name to another object since.
        """
        defined = name in self._bound and self.shell.user_ns.get(name) is self._bound[name]
        return defined or self.was_placed(name)

    def names_of_steps(self) -> set[str]:
        """The names that stand for what a step made, defined or imported."""
        return {name for name in self._placed.keys() | self._bound.keys() if self.is_of_steps(name)}

    def refuse_changes(self, reader: Reader, node: Node) -> None:
        """Refuse inputs that an ordinary cell has changed or bound to something else.

        Args:
            reader: Reads artifacts.
            node: The node whose inputs are checked.

        Raises:
            CaptureError: An input was changed, or cannot be stored.
        """  # noqa: DOC501  # made by `_changed`
        held: dict[str, tuple[str, Any, Stored]] = {}
        for name in node.inputs:
            if name not in self._placed or name not in self.shell.user_ns:
                continue
            step, value, stored = self._placed[name]
            now = self.shell.user_ns[name]
            if node.inputs[name].optional and (now is not value or stored is None):
                continue  # the cell does not read it
            if now is not value:
                raise _changed(node.name, name, step, "assigned another object to it")
            if stored is None:
                raise CaptureError(
                    f"Step {node.name!r} uses `{name}`, an output of step {step!r} that cannot be stored.",
                    "Create it in the step that needs it.",
                )
            held[name] = (step, value, stored)
        changed = surely_changed(
            reader,
            {name: stored for name, (_, _, stored) in held.items()},
            {name: value for name, (_, value, _) in held.items()},
        )
        for name in changed:
            raise _changed(node.name, name, held[name][0], "changed it")

    def _is_free(self, name: str) -> bool:
        return name not in self.shell.user_ns or self.is_of_steps(name)

    # --- the notebook -------------------------------------------------------------------------------------------

    def origin_of(self, text: str, step: str) -> Piece:
        """Name the origin of a step cell's code: the cell that is running, from its second line on.

        Args:
            text: The code.
            step: The step's name.

        Returns:
            The code with the file name and the line that tracebacks show.
        """
        shown = f"# %%step {step}\n{text}"
        file = self.shell.compile.cache(shown, len(self.shell.user_ns.get("In", ())) - 1)
        remember_cell(file, shown)
        return Piece(text, file, 2)

    def notebook_name(self) -> str:
        """The notebook's name, as far as the front end gives it."""
        named = os.environ.get("JPY_SESSION_NAME") or self.shell.user_ns.get("__vsc_ipynb_file__") or ""
        return Path(str(named)).stem[:90] or "notebook"

    def cell_id(self) -> str:
        """The id of the cell that is running, as far as the front end gives it."""
        kernel = getattr(self.shell, "kernel", None)
        parent = kernel.get_parent("shell") if kernel is not None and hasattr(kernel, "get_parent") else {}
        return str(((parent or {}).get("metadata") or {}).get("cellId") or "")


def _changed(reader: str, name: str, maker: str, what: str) -> CaptureError:
    return CaptureError(
        f"Step {reader!r} uses `{name}`, an output of step {maker!r}, but a cell without %%step has {what}.",
        f"Write %%step at the top of that cell, or run step {maker!r} again to restore `{name}`.",
    )
