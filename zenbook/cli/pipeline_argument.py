"""Where a verb looks for the pipeline that it was given: in this notebook, or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zenbook.cli.tree import Notebook
from zenbook.errors import RunError

if TYPE_CHECKING:
    from zenbook.pipelines.sources import PipelineSource

_FILES = (".py", ".ipynb")


def place_for(target: str | None) -> tuple[PipelineSource, str | None]:
    """The place of ``PIPELINE``, ``FILE`` or ``FILE:PIPELINE``, and the pipeline's name. Raises `RunError`."""
    from zenbook.pipelines.sources import place_of

    context = click.get_current_context()
    notebook: Notebook | None = context.obj
    file = (target or "").partition(":")[0]
    if notebook is None and target is None:
        verb = context.command_path
        raise RunError("Which pipeline?", f"Name a file: {verb} train.py:training, or {verb} notebook.ipynb.")
    if notebook is not None and not file.endswith(_FILES):
        return notebook.place, target
    if notebook is not None and file.endswith(".ipynb"):
        raise RunError(
            f"The cells of {file} would run in this kernel, among the names of this notebook.",
            "In a process of its own they don't: put ! in the place of %.",
        )
    assert target is not None
    return place_of(target)
