"""Describe a step's own exception without zenbook's frames."""

from __future__ import annotations

import os
import threading
import traceback
from pathlib import Path
from types import TracebackType

from zenbook.errors import ZenbookError

_OURS = str(Path(__file__).parents[2]) + os.sep
_CALLERS = (str(Path(os.__file__).with_name("asyncio")) + os.sep, threading.__file__, "<frozen importlib")


def one_line(error: BaseException) -> str:
    """Describe an exception in one line.

    Args:
        error: The exception.

    Returns:
        ``ValueError: …`` with the first line of its message.
    """
    text = error.message if isinstance(error, ZenbookError) else _text(error)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def describe_failure(error: BaseException) -> tuple[str, str]:
    """Describe what a step raised.

    Args:
        error: The exception.

    Returns:
        One line, and the traceback with the user's frames.
    """
    if isinstance(error, ZenbookError):
        return one_line(error), str(error)
    shown = traceback.TracebackException(type(error), error, users_frames(error.__traceback__), compact=True)
    return one_line(error), "".join(shown.format())


def users_frames(tb: TracebackType | None) -> TracebackType | None:
    """Copy a traceback without the frames of this package, and of asyncio or import where these call this package.

    Args:
        tb: The traceback.

    Returns:
        The user's frames; the whole traceback if there are none, since the mistake is in this package then.
    """
    users: list[TracebackType] = []
    undecided: list[TracebackType] = []  # frames of asyncio or import, until it is known whether they call ours
    here = tb
    while here is not None:
        file = here.tb_frame.f_code.co_filename
        if file.startswith(_OURS):
            undecided = []
        elif file.startswith(_CALLERS):
            undecided.append(here)
        else:
            users += [*undecided, here]
            undecided = []
        here = here.tb_next
    if not users:
        return tb
    chain: TracebackType | None = None
    for entry in reversed([*users, *undecided]):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # the user's own `__str__` may fail
        return "(its message cannot be read)"
