"""The notebook's side: ``%zen``, ``%%step`` and live progress. Loading imports next to nothing."""

from __future__ import annotations

from typing import Any

from zenbook.notebook import magics, tracebacks
from zenbook.runs import watching


def load(shell: Any) -> None:
    """Register the magics and show the progress of runs. Loading twice is loading once."""
    magics.register(shell)
    tracebacks.polish_in(shell)
    watching.watch_runs_with(_progress)


def unload(shell: Any) -> None:
    """Take the magics and the progress out again."""
    magics.unregister(shell)
    tracebacks.stop_polishing()
    watching.stop_watching(_progress)


def _progress(view: Any) -> Any:
    import sys

    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        from zenbook.notebook.progress import NotebookProgress

        return NotebookProgress(view)
    from zenbook.runs.terminal import TerminalProgress

    return TerminalProgress(view, sys.__stdout__ or sys.stdout)
