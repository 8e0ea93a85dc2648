"""Record what a step prints and logs; it is still shown.

While a run is executed, `sys.stdout` and `sys.stderr` are proxies that pass everything on and give a copy to the step
of the current context, so that prints of other threads stay out of a step's log. Log messages are read where they are
created (the log record factory), so that all handlers work as usual, those of before the run too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TextIO

Sink = Callable[[str, str], None]  # (stream, text)
OnRewrite = Callable[[str], None]  # receives a line that is still being rewritten

_sink: ContextVar[Sink | None] = ContextVar("zenbook_sink", default=None)
_FLUSH_INTERVAL = 0.25  # seconds after which printed text is passed on
_MAX_BUFFERED = 64 * 1024  # characters
_lock = threading.RLock()


@contextmanager
def proxied_streams() -> Iterator[None]:
    """Install the proxies while the block runs; runs in several threads share them."""
    with _lock:
        used = [_use("stdout"), _use("stderr")]
        _listen_to_logging()
    try:
        yield
    finally:
        with _lock:
            for proxy in used:
                _leave(proxy)


def _use(name: str) -> _Proxy | None:
    stream = getattr(sys, name)
    if stream is None:  # under pythonw there is none
        return None
    proxy = stream if isinstance(stream, _Proxy) else _Proxy(stream, name)
    proxy.users += 1
    setattr(sys, name, proxy)
    return proxy


def _leave(proxy: _Proxy | None) -> None:
    if proxy is None:
        return
    proxy.users -= 1
    if not proxy.users and getattr(sys, proxy.name_of_stream) is proxy:
        setattr(sys, proxy.name_of_stream, proxy.base)


@contextmanager
def recorded(sink: Sink, on_rewrite: OnRewrite | None = None) -> Iterator[None]:
    """Record what is printed and logged in this context while the block runs.

    Args:
        sink: Receives the text in pieces of some lines. Of a line that is rewritten by carriage returns, as progress
            bars do, it receives the last state.
        on_rewrite: Receives the states of such a line before the last.

    Yields:
        Nothing.
    """
    buffer = _LineBuffer(sink, on_rewrite)
    token = _sink.set(buffer.put)
    try:
        yield
    finally:
        _sink.reset(token)
        buffer.end()


@contextmanager
def also(sink: Sink) -> Iterator[None]:
    """Give each write in this context to another sink as well, at once.

    Args:
        sink: The other sink.

    Yields:
        Nothing.
    """
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


class _LineBuffer:
    """Joins the many small writes of `print` to a few; any thread may write."""

    def __init__(self, sink: Sink, on_rewrite: OnRewrite | None = None) -> None:
        self.sink = sink
        self.on_rewrite = on_rewrite
        self.rewritten: dict[str, str] = {}  # by stream, the line that may yet be rewritten
        self.lock = threading.RLock()
        self.stream = ""
        self.parts: list[str] = []
        self.size = 0

    def put(self, stream: str, text: str) -> None:
        with self.lock:
            if stream != self.stream:
                self.flush()
                self.stream = stream
            if not self.parts:
                _ticker.flush_soon(self)
            self.parts.append(text)
            self.size += len(text)
            if self.size > _MAX_BUFFERED:
                self.flush()

    def flush(self) -> None:
        with self.lock:
            text = "".join(self.parts)
            self.parts, self.size = [], 0
            if text and ("\r" in text or self.rewritten.get(self.stream)):
                text = self._finished_lines(text)
            if text:
                self.sink(self.stream, text)

    def _finished_lines(self, text: str) -> str:
        """The complete lines, each in its last state; a line that is still rewritten waits."""
        text = self.rewritten.pop(self.stream, "") + text
        done, end, last = text.rpartition("\n")
        if "\r" in last:
            self.rewritten[self.stream] = last = _last_state(last) + "\r"
            if self.on_rewrite is not None:
                self.on_rewrite(last.strip())
            last = ""
        return "".join(f"{_last_state(line)}\n" for line in done.split("\n")) + last if end else last

    def end(self) -> None:
        with self.lock:
            self.flush()
            for stream, line in self.rewritten.items():
                self.sink(stream, line.rstrip("\r") + "\n")
            self.rewritten.clear()


def _last_state(line: str) -> str:
    """What a terminal shows of a line: the text behind its last carriage return."""
    line = line.rstrip("\r")
    return line[line.rfind("\r") + 1 :]


class Buffer(Protocol):
    """What holds something back for a moment."""

    def flush(self) -> None:
        """Pass on what is held back."""


def flush_soon(buffer: Buffer) -> None:
    """Flush a buffer in a moment, in another thread: the step may be busy then.

    Args:
        buffer: What is flushed.
    """
    _ticker.flush_soon(buffer)


class _Ticker:
    """A thread that passes on what was printed a moment ago, also while a step is busy and does not print."""

    def __init__(self) -> None:
        self.waiting: set[Buffer] = set()
        self.something = threading.Event()
        self.thread: threading.Thread | None = None

    def flush_soon(self, buffer: Buffer) -> None:
        self.waiting.add(buffer)
        self.something.set()
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, daemon=True, name="zenbook-logs")
            self.thread.start()

    def run(self) -> None:
        pause = threading.Event()
        while self.something.wait():
            pause.wait(_FLUSH_INTERVAL)
            self.something.clear()
            due = []
            while self.waiting:
                due.append(self.waiting.pop())
            for buffer in due:  # one that asks for another flush meanwhile waits for the next round
                buffer.flush()


_ticker = _Ticker()


class _Proxy:
    """A text stream that also writes to the current step's log."""

    def __init__(self, base: TextIO, name: str) -> None:
        self.base = base
        self.name_of_stream = name
        self.users = 0

    def write(self, text: str) -> int:
        written = self.base.write(text)  # first: it refuses bytes, by which callers recognise the kind of stream
        sink = _sink.get()
        if sink is not None and sys._getframe(1).f_globals.get("__name__") != "logging":
            sink(self.name_of_stream, text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.base)


# --- logging --------------------------------------------------------------------------------------------------------

_FORMAT = logging.Formatter()
_last = threading.local()  # its last record: another factory may wrap ours, and ours that one


def _listen_to_logging() -> None:
    make = logging.getLogRecordFactory()
    if getattr(make, "of_zenbook", False):
        return

    def make_and_log(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        sink = _sink.get()
        if sink is not None and getattr(_last, "record", None) is not record:
            _last.record = record
            sink("log", f"{record.levelname} {record.name}: {_message(record)}\n")
        return record

    make_and_log.of_zenbook = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_and_log)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
        return f"{text}\n{_FORMAT.formatException(record.exc_info)}" if record.exc_info else text
    except Exception:  # noqa: BLE001  # logging itself reports a message that does not fit its arguments
        return str(record.msg)


def _in_forked_child() -> None:
    """Show what a child prints, without recording it: the parent numbers the lines of the log."""
    global _lock, _ticker
    _lock, _ticker = threading.RLock(), _Ticker()
    _sink.set(None)


with contextlib.suppress(AttributeError):  # where there is no fork
    os.register_at_fork(after_in_child=_in_forked_child)
