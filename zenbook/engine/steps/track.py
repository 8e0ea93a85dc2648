"""``for batch in zenbook.track(batches)``: inner progress of a step, shown while the step runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from zenbook.core.events import Progressed
from zenbook.engine.steps.output_capture import flush_soon
from zenbook.engine.steps.step_context import current_step

T = TypeVar("T")
_INTERVAL = 0.1  # seconds between two events


def track(iterable: Iterable[T], total: float | None = None, label: str = "") -> Iterator[T]:
    """Iterate, and show a bar in the box of the step that runs.

    Outside of a run it only iterates, so that a step can be called as a plain function.

    Args:
        iterable: What to iterate over.
        total: The number of items, where the iterable has no length.
        label: A few words to show beside the bar.

    Yields:
        The items.
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
            bar.advance()
        bar.report()
    finally:
        bar.close()


class _Bar:
    """Reports how many items are done, ten times a second at most, and soon after a pause begins."""

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._done, self._sent, self._at = 0, -1, 0.0
        self._lock = threading.RLock()
        self._is_flush_due = self._closed = False
        self.report()

    def advance(self) -> None:
        self._done += 1
        if time.monotonic() - self._at >= _INTERVAL:
            self.report()
        elif not self._is_flush_due:
            self._is_flush_due = True
            flush_soon(self)

    def flush(self) -> None:
        with self._lock:
            self._is_flush_due = time.monotonic() - self._at < _INTERVAL
            if self._is_flush_due:  # something was sent a moment ago
                flush_soon(self)
            else:
                self.report()

    def report(self) -> None:
        with self._lock:
            if not self._closed and self._sent != self._done:
                self._sent, self._at = self._done, time.monotonic()
                self._send(self._sent)

    def close(self) -> None:
        with self._lock:
            self._closed = True


__all__ = ["track"]
