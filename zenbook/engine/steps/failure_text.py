"""A step's own exception, told without our frames."""

from __future__ import annotations

import os
import threading
import traceback
from pathlib import Path
from types import TracebackType

from zenbook.errors import ZenbookError

_OURS = str(Path(__file__).parents[2]) + os.sep
_CARRIERS = (str(Path(os.__file__).with_name("asyncio")) + os.sep, threading.__file__, "<frozen importlib")


def one_line(error: BaseException) -> str:
    """``ValueError: …`` in one line."""
    text = error.message if isinstance(error, ZenbookError) else _text(error)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def describe_failure(error: BaseException) -> tuple[str, str]:
    """(one line, traceback of the user's frames) of what a step raised."""
    if isinstance(error, ZenbookError):
        return one_line(error), str(error)
    shown = traceback.TracebackException(type(error), error, users_frames(error.__traceback__), compact=True)
    return one_line(error), "".join(shown.format())


def users_frames(tb: TracebackType | None) -> TracebackType | None:
    """A copy of a traceback without the frames of this package, and of asyncio or import where these carry ours.

    Where nothing else is left, the traceback as it is: the mistake is ours then.
    """
    kept: list[TracebackType] = []
    between: list[TracebackType] = []  # what carries, until it is known whether it carries ours
    here = tb
    while here is not None:
        file = here.tb_frame.f_code.co_filename
        if file.startswith(_OURS):
            between = []
        elif file.startswith(_CARRIERS):
            between.append(here)
        else:
            kept += [*between, here]
            between = []
        here = here.tb_next
    if not kept:
        return tb
    chain: TracebackType | None = None
    for one in reversed([*kept, *between]):
        chain = TracebackType(chain, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return chain


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # the user's class may not be able to say what it is
        return "(its message can't be made)"
