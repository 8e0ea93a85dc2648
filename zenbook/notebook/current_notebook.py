"""The notebook as a place where ``%zen run`` finds pipelines."""

from __future__ import annotations

import inspect
from typing import Any

from zenbook.display.run_html import run_html
from zenbook.display.table import Table
from zenbook.errors import RunError
from zenbook.history.run import Run
from zenbook.notebook.cells import NotebookSteps
from zenbook.pipelines.pipeline import Pipeline
from zenbook.pipelines.sources import Runnable, choose


class KernelNotebook:
    """The notebook that this kernel runs."""

    def __init__(self, shell: Any, cells: NotebookSteps, line: str = "") -> None:
        self.shell = shell
        self.cells = cells
        self.line = line  # of the magic, as it was typed

    @property
    def place(self) -> KernelNotebook:
        """Itself: it is where the verbs look."""
        return self

    def analysed(self) -> KernelNotebook:
        """Its cells have been executed. Raises `RunError`."""
        raise RunError("This notebook's cells have run already.", "--static is for a notebook's file.")

    def find(self, name: str | None) -> Runnable:
        """Find a pipeline of the notebook.

        Args:
            name: The pipeline's name; None for the step cells, or else the only pipeline.

        Returns:
            The pipeline.
        """
        if (name is None or name == self.cells.pipeline) and len(self.cells):
            return self.cells
        pipelines = {id(value): value for value in self.shell.user_ns.values() if isinstance(value, Pipeline)}
        return choose(pipelines.values(), name, "this notebook")

    def pipelines(self) -> dict[str, tuple[str, ...]]:
        """The notebook's pipelines, its step cells among them, with the names of their parameters."""
        pipelines = {
            value.name: tuple(inspect.signature(value.function).parameters)
            for value in self.shell.user_ns.values()
            if isinstance(value, Pipeline)
        }
        if len(self.cells):
            pipelines[self.cells.pipeline] = tuple(self.cells.params())
        return pipelines

    def steps(self) -> Table:
        """The step cells in order."""
        return self.cells.table()

    def open_panel(self, run: Run) -> None:
        """Show a run as a panel whose steps can be opened, or without widgets as its picture.

        Args:
            run: The run.
        """
        from zenbook.notebook.panels.front_end import panels_work
        from zenbook.notebook.panels.run_panel import open_panel

        if panels_work():
            open_panel(run)
        else:
            self.shell.display_pub.publish({"text/html": run_html(run.view()), "text/plain": str(run)})

    def open_stack_panel(self) -> None:
        """Show the stacks as a panel, or without widgets as a table."""
        from zenbook.notebook.panels.stack_panel import panel

        panel()

    def open_history(self) -> None:
        """Show the runs of the active stack as a panel, or without widgets as a table."""
        from zenbook.notebook.panels.history_panel import show_history

        show_history(self.shell)

    def drop_step(self, name: str) -> str:
        """Take a step out of the notebook's pipeline.

        Args:
            name: The step's name.

        Returns:
            A sentence that confirms it.
        """
        self.cells.drop(name)
        return f"Step {name!r} was removed from the notebook's pipeline."
