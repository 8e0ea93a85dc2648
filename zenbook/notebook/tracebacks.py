"""A step's own exception is shown with the user's frames alone; the debugger still sees all of them."""

from __future__ import annotations

from typing import Any

from zenbook.engine import progress_displays

_shells: list[Any] = []


def trim_tracebacks_in(shell: Any) -> None:
    """Show exceptions that leave a run with the user's frames alone.

    Args:
        shell: The IPython shell.
    """
    _shells[:] = [shell]
    if trim_traceback not in progress_displays.traceback_hooks:
        progress_displays.traceback_hooks.append(trim_traceback)


def stop_trimming() -> None:
    """Show them as Python does."""
    if trim_traceback in progress_displays.traceback_hooks:
        progress_displays.traceback_hooks.remove(trim_traceback)


def trim_traceback(error: BaseException) -> None:
    """Set how IPython draws an exception: it calls the exception's ``_render_traceback_``.

    Args:
        error: The exception.
    """
    if isinstance(error, KeyboardInterrupt):
        error._render_traceback_ = lambda: ["KeyboardInterrupt: the run was cancelled"]  # type: ignore[attr-defined]
    elif not hasattr(error, "_render_traceback_") and _shells:
        error._render_traceback_ = lambda: _drawn(error, _shells[0])  # type: ignore[attr-defined]


def _drawn(error: BaseException, shell: Any) -> list[str]:
    from zenbook.engine.steps.failure_text import users_frames

    if isinstance(error, SyntaxError):
        return shell.SyntaxTB.structured_traceback(type(error), error, [])  # type: ignore[no-any-return]
    drawer = shell.InteractiveTB
    frames = users_frames(error.__traceback__)
    return drawer.structured_traceback(  # type: ignore[no-any-return]
        type(error), error, frames, tb_offset=drawer.tb_offset if _starts_in_ipython(frames) else 0
    )


def _starts_in_ipython(tb: Any) -> bool:
    return tb is not None and "IPython" in tb.tb_frame.f_globals.get("__name__", "")
