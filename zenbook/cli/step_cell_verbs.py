"""The verbs on the step cells of a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zenbook.cli import completion
from zenbook.cli.tree import Notebook, Text, Tree, needed

if TYPE_CHECKING:
    from zenbook.display.table import Table


@click.group(cls=Tree)
def step() -> None:
    """List and remove the step cells (%%step) of this notebook.

    Example: %zen step list
    """


@step.command("list")
@click.pass_obj
def step_list(notebook: Notebook | None) -> Table:
    """List the notebook's step cells in order.

    Example: %zen step list
    """
    return needed(notebook).steps()


@step.command("drop")
@click.argument("name", shell_complete=completion.CELL)
@click.pass_obj
def step_drop(notebook: Notebook | None, name: str) -> Text:
    """Remove a cell's step from the notebook's pipeline.

    Example: %zen step drop fit
    """
    return Text(needed(notebook).drop_step(name))


VERBS = (step,)
