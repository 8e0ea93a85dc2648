"""``for batch in zenbook.track(batches)``: inner progress of a step, shown while the step runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from zenbook.core.events import Progressed
from zenbook.runs.context import current_step

T = TypeVar("T")
_EVERY = 0.1  # seconds between two events


def track(iterable: Iterable[T], total: float | None = None, label: str = "") -> Iterator[T]:
    """Iterate, and show a bar in the box of the step that runs.

    Args:
        iterable: What to go through.
        total: The number of items, where the iterable has no length.
        label: A few words to show beside the bar.

    Outside of a run it only iterates, so that a step can be called as a plain function.
    """
    context = current_step.get()
    if context is None:
        yield from iterable
        return
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)

    def tell(done: int) -> None:
        context.listener.on_event(Progressed(context.run, context.step, done, total, label))

    tell(0)
    told, done = time.monotonic(), 0
    for item in iterable:
        yield item
        done += 1
        if time.monotonic() - told >= _EVERY:
            tell(done)
            told = time.monotonic()
    tell(done)


__all__ = ["track"]
