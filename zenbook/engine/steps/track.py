"""``for batch in zenbook.track(batches)``: inner progress of a step, shown while the step runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from zenbook.core.events import Progressed
from zenbook.engine.steps.output_capture import remind
from zenbook.engine.steps.step_context import current_step

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

    bar = _Bar(lambda done: context.listener.on_event(Progressed(context.run, context.step, done, total, label)))
    try:
        for item in iterable:
            yield item
            bar.go_on()
        bar.tell()
    finally:
        bar.close()


class _Bar:
    """Tells how many items are done, now and then, and the last of it also when the next item takes long."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._done, self._told, self._at = 0, -1, 0.0
        self._lock = threading.RLock()
        self._reminded = self._closed = False
        self.tell()

    def go_on(self) -> None:
        self._done += 1
        if time.monotonic() - self._at >= _EVERY:
            self.tell()
        elif not self._reminded:
            self._reminded = True
            remind(self)

    def flush(self) -> None:
        with self._lock:
            self._reminded = time.monotonic() - self._at < _EVERY
            if self._reminded:  # something was told a moment ago
                remind(self)
            else:
                self.tell()

    def tell(self) -> None:
        with self._lock:
            if not self._closed and self._told != self._done:
                self._told, self._at = self._done, time.monotonic()
                self._tell(self._told)

    def close(self) -> None:
        with self._lock:
            self._closed = True


__all__ = ["track"]
