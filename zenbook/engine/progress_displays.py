"""How the progress of this process's runs is shown: the notebook or the shell registers it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenbook.core.events import Listener
    from zenbook.display.run_view import RunView

    ListenerFactory = Callable[[RunView], Listener | None]

_factories: list[ListenerFactory] = []  # one at most
display_checks: list[Callable[[str], bool]] = []  # whether the current cell shows a run
displays: list[Callable[[Any], bool]] = []  # ways to show a run that is still running; False if it cannot be shown
traceback_hooks: list[Callable[[BaseException], None]] = []  # called with an exception before it leaves a run


def watch_runs_with(factory: ListenerFactory) -> None:
    """Show the progress of every run of this process.

    Args:
        factory: Makes the listener that shows a run; None for a run that is not shown.
    """
    _factories[:] = [factory]


def stop_watching(factory: ListenerFactory) -> None:
    """Stop showing the progress of runs.

    Args:
        factory: What was passed to `watch_runs_with`.
    """
    if factory in _factories:
        _factories.remove(factory)


def listeners_for(view: RunView) -> Iterator[Listener]:
    """Make the listeners that show the progress of a run.

    Args:
        view: The run's view, which the listeners draw.

    Yields:
        The listeners.
    """
    for factory in _factories:
        listener = factory(view)
        if listener is not None:
            yield listener


def is_displayed(run: str) -> bool:
    """Whether the current cell shows a run's progress already.

    Args:
        run: The run's id.

    Returns:
        False outside of a notebook.
    """
    return any(shows(run) for shows in display_checks)


def show_live(run: Any) -> bool:
    """Show the progress of a run that another process drives, if the front end can.

    Args:
        run: The `Run`.

    Returns:
        Whether it is shown.
    """
    return any(show(run) for show in displays)


def trim_traceback(error: BaseException) -> None:
    """Remove zenbook's frames from a traceback, and let the notebook decide how the exception is shown.

    Call it in the ``except`` block of the function that the user has called.

    Args:
        error: The exception.
    """
    from zenbook.engine.steps.failure_text import users_frames

    error.__traceback__ = users_frames(error.__traceback__)
    for hook in traceback_hooks:
        hook(error)
