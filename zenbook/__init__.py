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
    "track": "zenbook.runs.track",
    "Run": "zenbook.runs.history",
    "find_run": "zenbook.runs.history",
    "Format": "zenbook.runs.formats",
    "register_format": "zenbook.runs.formats",
    "runs": "zenbook.runs",
    "Stack": "zenbook.stack.stack",
    "ZenbookError": "zenbook.errors",
}

if TYPE_CHECKING:
    from zenbook import runs
    from zenbook.core.step import Step, step
    from zenbook.errors import ZenbookError
    from zenbook.runs.context import log_metrics
    from zenbook.runs.formats import Format, register_format
    from zenbook.runs.history import Run, find_run
    from zenbook.runs.pipeline import Pipeline, pipeline
    from zenbook.runs.track import track
    from zenbook.stack.stack import Stack


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'zenbook' has no attribute {name!r}")
    value = import_module(home) if home == f"zenbook.{name}" else getattr(import_module(home), name)
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
    "find_run",
    "log_metrics",
    "pipeline",
    "register_format",
    "runs",
    "step",
    "track",
]
