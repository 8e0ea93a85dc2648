"""Who watches the runs of this process: the notebook or the shell says how progress is shown. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenbook.core.events import Listener
    from zenbook.display.run_view import RunView

    Watcher = Callable[[RunView], Listener | None]

_watcher: list[Watcher] = []
display_checks: list[Callable[[str], bool]] = []  # whether the notebook shows a run in the cell that runs now
displays: list[Callable[[Any], bool]] = []  # ways to show a run that goes on; False where there is none
traceback_hooks: list[Callable[[BaseException], None]] = []  # told of an exception before it leaves a run


def watch_runs_with(make: Watcher) -> None:
    """Show the progress of every run of this process with the listener that ``make`` gives."""
    _watcher[:] = [make]


def stop_watching(make: Watcher) -> None:
    """Take a watcher out again."""
    if make in _watcher:
        _watcher.remove(make)


def listeners_for(view: RunView) -> Iterator[Listener]:
    """The listeners that show the progress of a run."""
    for make in _watcher:
        listener = make(view)
        if listener is not None:
            yield listener


def is_displayed(run: str) -> bool:
    """Whether the cell that runs now shows a run's progress already."""
    return any(shows(run) for shows in display_checks)


def show_live(run: Any) -> bool:
    """Show a run that goes on elsewhere as it goes on, where the front end can."""
    return any(show(run) for show in displays)


def trim_traceback(error: BaseException) -> None:
    """Leave an exception the user's frames alone, and let the notebook say how it is shown.

    To be called in the ``except`` block of the function that the user has called: what follows is the user's own.
    """
    from zenbook.engine.steps.failure_text import users_frames

    error.__traceback__ = users_frames(error.__traceback__)
    for one in traceback_hooks:
        one(error)
