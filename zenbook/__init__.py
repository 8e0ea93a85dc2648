"""zenbook takes a notebook to production without leaving it.

Write steps in cells, run them on the active stack, remember every run. Names are loaded on first use, so
that ``import zenbook`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "step": "zenbook.core.step",
    "Step": "zenbook.core.step",
    "pipeline": "zenbook.pipelines.pipeline",
    "Pipeline": "zenbook.pipelines.pipeline",
    "log_metrics": "zenbook.engine.steps.step_context",
    "metric_goal": "zenbook.history.comparison.metric_goals",
    "better": "zenbook.history.comparison.metric_goals",  # the former name
    "lineage": "zenbook.history.lineage.lineage",
    "track": "zenbook.engine.steps.track",
    "Run": "zenbook.history.runs",
    "find_run": "zenbook.history.runs",
    "Format": "zenbook.formats",
    "register_format": "zenbook.formats",
    "runs": "zenbook.history.runs",
    "panel": "zenbook.notebook.panels.stack_panel",
    "sql": "zenbook.history.sql.query",
    "best": "zenbook.history.runs",
    "Stack": "zenbook.stack.stack",
    "components": "zenbook.stack.component_registry",
    "stacks": "zenbook.stack.stacks",
    "ZenbookError": "zenbook.errors",
}

_MODULES = {"components", "stacks"}  # these names are modules themselves

if TYPE_CHECKING:
    from zenbook.core.step import Step, step
    from zenbook.engine.steps.step_context import log_metrics
    from zenbook.engine.steps.track import track
    from zenbook.errors import ZenbookError
    from zenbook.formats import Format, register_format
    from zenbook.history.comparison.metric_goals import metric_goal
    from zenbook.history.lineage.lineage import lineage
    from zenbook.history.runs import Run, best, find_run, runs
    from zenbook.history.sql.query import sql
    from zenbook.notebook.panels.stack_panel import panel
    from zenbook.pipelines.pipeline import Pipeline, pipeline
    from zenbook.stack import component_registry as components
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
    """Add the magics ``%zen`` and ``%%step``, and live progress: ``%load_ext zenbook``.

    Args:
        shell: IPython's shell.
    """
    from zenbook.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magics and the progress again: ``%unload_ext zenbook``.

    Args:
        shell: IPython's shell.
    """
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
    "components",
    "find_run",
    "lineage",
    "log_metrics",
    "metric_goal",
    "panel",
    "pipeline",
    "register_format",
    "runs",
    "sql",
    "stacks",
    "step",
    "track",
]
