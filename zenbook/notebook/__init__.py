"""The notebook's side: ``%zen``, ``%%step`` and live progress. Loading imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zenbook.core.capture.executed_cells import forget_labels, register_labels
from zenbook.engine import progress_displays
from zenbook.errors import show_short_warnings
from zenbook.notebook import magics, tab_completion, tracebacks

_undo: list[Callable[[], None]] = []
_shown: dict[str, int] = {}  # run → the execution count of the cell that shows its progress


def load(shell: Any) -> None:
    """Register the magics and show the progress of runs. A second call changes nothing.

    Args:
        shell: The IPython shell.
    """
    magics.register(shell)
    tab_completion.register(shell)
    tracebacks.trim_tracebacks_in(shell)
    register_labels(_label_of)
    progress_displays.watch_runs_with(_progress)
    if not _undo:
        _undo.append(show_short_warnings())
    if _is_shown_here not in progress_displays.display_checks:
        progress_displays.display_checks.append(_is_shown_here)
        progress_displays.displays.append(_show_live)


def unload(shell: Any) -> None:
    """Take the magics and the progress out again.

    Args:
        shell: The IPython shell.
    """
    magics.unregister(shell)
    tab_completion.unregister(shell)
    tracebacks.stop_trimming()
    forget_labels(_label_of)
    progress_displays.stop_watching(_progress)
    while _undo:
        _undo.pop()()
    if _is_shown_here in progress_displays.display_checks:
        progress_displays.display_checks.remove(_is_shown_here)
        progress_displays.displays.remove(_show_live)


def _progress(view: Any) -> Any:
    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        _shown[view.run] = shell.execution_count
        return _listener(view)
    import sys

    from zenbook.display.terminal import TerminalProgress

    return TerminalProgress(view, sys.__stdout__ or sys.stdout)


def _listener(view: Any) -> Any:
    from zenbook.notebook.panels.front_end import panels_work
    from zenbook.notebook.panels.run_panel import RunPanel

    if panels_work():
        return RunPanel(view)
    from zenbook.notebook.progress import NotebookProgress

    return NotebookProgress(view)


def _show_live(run: Any) -> bool:
    """Show a run that another process executes, and follow it."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    from zenbook.engine.follower import Follower

    view = run.view()
    _shown[view.run] = shell.execution_count
    Follower(view.run, view.records, _listener(view)).start()
    return True


def _label_of(file: str) -> str | None:
    """The cell whose code was compiled under a file name, by the number beside it."""
    from IPython import get_ipython

    shell = get_ipython()
    number = getattr(shell.compile, "_filename_map", {}).get(file) if shell is not None else None
    return None if number is None else f"cell {number}"


def _is_shown_here(run: str) -> bool:
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and _shown.get(run) == shell.execution_count
