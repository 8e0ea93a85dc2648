"""A step's own exception, told without our frames."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from zenbook.errors import ZenbookError

_OURS = str(Path(__file__).parent.parent)


def one_line(error: BaseException) -> str:
    """``ValueError: …`` in one line."""
    text = error.message if isinstance(error, ZenbookError) else str(error)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def describe_failure(error: BaseException) -> tuple[str, str]:
    """(one line, traceback of the user's frames) of what a step raised."""
    if isinstance(error, ZenbookError):
        return one_line(error), str(error)
    return one_line(error), "".join(
        traceback.TracebackException(type(error), error, users_frames(error.__traceback__)).format()
    )


def users_frames(tb: TracebackType | None) -> TracebackType | None:
    """A copy of a traceback without the frames of this package."""
    kept: list[TracebackType] = []
    while tb is not None:
        if not tb.tb_frame.f_code.co_filename.startswith(_OURS):
            kept.append(tb)
        tb = tb.tb_next
    chain: TracebackType | None = None
    for one in reversed(kept):
        chain = TracebackType(chain, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return chain
