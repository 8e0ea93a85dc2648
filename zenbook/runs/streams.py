"""What a step prints and logs is recorded and still shown.

For the time of a run, `sys.stdout` and `sys.stderr` are proxies that pass everything on and give a copy to the step of
the current context, so that prints of other threads stay out of a step's log.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

Sink = Callable[[str, str], None]  # (stream, text)

_sink: ContextVar[Sink | None] = ContextVar("zenbook_sink", default=None)
_EVERY = 0.2  # seconds between two records of a step that prints all the time
_MOST = 64 * 1024  # characters kept back at most


@contextmanager
def proxied_streams() -> Iterator[None]:
    """Put the proxies in place, and take them out again."""
    out, err = _Proxy(sys.stdout, "stdout"), _Proxy(sys.stderr, "stderr")
    before = sys.stdout, sys.stderr
    handler = _LogHandler()
    root = logging.getLogger()
    sys.stdout, sys.stderr = out, err  # type: ignore[assignment]
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        if sys.stdout is out:  # type: ignore[comparison-overlap]
            sys.stdout = before[0]
        if sys.stderr is err:  # type: ignore[comparison-overlap]
            sys.stderr = before[1]


@contextmanager
def recorded(sink: Sink) -> Iterator[None]:
    """Give what is printed and logged in this context to ``sink``, in pieces of some lines."""
    gathered = _Gathered(sink)
    token = _sink.set(gathered.put)
    try:
        yield
    finally:
        _sink.reset(token)
        gathered.flush()


@contextmanager
def also(sink: Sink) -> Iterator[None]:
    """Give each write in this context to another sink as well, at once."""
    first = _sink.get()

    def both(stream: str, text: str) -> None:
        if first is not None:
            first(stream, text)
        sink(stream, text)

    token = _sink.set(both)
    try:
        yield
    finally:
        _sink.reset(token)


class _Gathered:
    """Joins the many small writes of `print` to a few."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.stream = ""
        self.parts: list[str] = []
        self.size = 0
        self.since = 0.0

    def put(self, stream: str, text: str) -> None:
        if stream != self.stream:
            self.flush()
            self.stream, self.since = stream, time.monotonic()
        self.parts.append(text)
        self.size += len(text)
        if self.size > _MOST or (text.endswith("\n") and time.monotonic() - self.since > _EVERY):
            self.flush()

    def flush(self) -> None:
        text = "".join(self.parts)
        self.parts, self.size, self.since = [], 0, time.monotonic()
        if text:
            self.sink(self.stream, text)


class _Proxy:
    """A text stream that also tells the current step."""

    def __init__(self, base: TextIO, name: str) -> None:
        self._base = base
        self._name = name

    def write(self, text: str) -> int:
        sink = _sink.get()
        if sink is not None and sys._getframe(1).f_globals.get("__name__") != "logging":
            sink(self._name, text)
        return self._base.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)


class _LogHandler(logging.Handler):
    """Records log messages; shows those that nobody else would, as `logging.lastResort` does."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        sink = _sink.get()
        if sink is not None:
            sink("log", self.format(record) + "\n")
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _is_shown(record.name, self):
            last.handle(record)


def _is_shown(name: str, ours: logging.Handler) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(handler is not ours for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
