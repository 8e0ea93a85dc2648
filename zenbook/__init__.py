"""zenbook takes a notebook to production without leaving it.

Write steps in cells, run them on the stack that is switched on, remember every run. Names are loaded on first use, so
that ``import zenbook`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "step": "zenbook.core.step",
    "Step": "zenbook.core.step",
    "pipeline": "zenbook.runs.pipeline",
    "Pipeline": "zenbook.runs.pipeline",
    "log_metrics": "zenbook.runs.context",
    "better": "zenbook.runs.comparison.directions",
    "lineage": "zenbook.runs.lineage",
    "track": "zenbook.runs.track",
    "Run": "zenbook.runs.history",
    "find_run": "zenbook.runs.history",
    "Format": "zenbook.runs.formats",
    "register_format": "zenbook.runs.formats",
    "runs": "zenbook.runs",
    "panel": "zenbook.notebook.stack_panel",
    "sql": "zenbook.runs.sql",
    "best": "zenbook.runs.history",
    "Stack": "zenbook.stack.stack",
    "components": "zenbook.stack.registry",
    "stacks": "zenbook.stack.stacks",
    "ZenbookError": "zenbook.errors",
}

_MODULES = {"components", "runs", "stacks"}  # these names are modules themselves

if TYPE_CHECKING:
    from zenbook import runs
    from zenbook.core.step import Step, step
    from zenbook.errors import ZenbookError
    from zenbook.notebook.stack_panel import panel
    from zenbook.runs.comparison.directions import better
    from zenbook.runs.context import log_metrics
    from zenbook.runs.formats import Format, register_format
    from zenbook.runs.history import Run, best, find_run
    from zenbook.runs.lineage import lineage
    from zenbook.runs.pipeline import Pipeline, pipeline
    from zenbook.runs.sql import sql
    from zenbook.runs.track import track
    from zenbook.stack import registry as components
    from zenbook.stack import stacks
    from zenbook.stack.stack import Stack


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'zenbook' has no attribute {name!r}")
    value = import_module(home) if name in _MODULES else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext zenbook``: the magics ``%zen`` and ``%%step``, and live progress."""
    from zenbook.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take all of it out again."""
    from zenbook.notebook import unload

    unload(shell)


__all__ = [
    "Format",
    "Pipeline",
    "Run",
    "Stack",
    "Step",
    "ZenbookError",
    "best",
    "better",
    "components",
    "find_run",
    "lineage",
    "log_metrics",
    "panel",
    "pipeline",
    "register_format",
    "runs",
    "sql",
    "stacks",
    "step",
    "track",
]
