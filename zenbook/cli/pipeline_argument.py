"""Where a verb looks for its pipeline: in this notebook, or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zenbook.cli.tree import Notebook
from zenbook.errors import RunError

if TYPE_CHECKING:
    from zenbook.pipelines.sources import PipelineSource

_FILES = (".py", ".ipynb")


def place_for(target: str | None) -> tuple[PipelineSource, str | None]:
    """Find out which pipeline a verb means.

    Args:
        target: ``PIPELINE``, ``FILE`` or ``FILE:PIPELINE``; None for the only one of the notebook.

    Returns:
        Where the pipeline is looked for, and its name if there is one.

    Raises:
        RunError: No pipeline is named in a shell, or the cells of another notebook would run in this kernel.
    """
    from zenbook.pipelines.sources import source_of

    context = click.get_current_context()
    notebook: Notebook | None = context.obj
    file = (target or "").partition(":")[0]
    if notebook is None and target is None:
        verb = context.command_path
        raise RunError("No pipeline given.", f"Name a file: {verb} train.py:training, or {verb} notebook.ipynb.")
    if notebook is not None and not file.endswith(_FILES):
        return notebook.place, target
    if notebook is not None and file.endswith(".ipynb"):
        raise RunError(
            f"The cells of {file} would run in this kernel and change variables of this notebook.",
            "Run it in a process of its own: write ! instead of %.",
        )
    assert target is not None
    return source_of(target)
