"""Time limits for calls, interrupts that wait while something is recorded, and coroutines in any thread."""

from __future__ import annotations

import contextvars
import ctypes
import signal
import threading
import types
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from zenbook.errors import StepTimeoutError

# --- interrupts -----------------------------------------------------------------------------------------------------

SignalHandler = Callable[[int, types.FrameType | None], Any]
_replaced: dict[int, SignalHandler] = {}  # the handlers that `_receive` has replaced, by signal


class _Gate:
    """``closed`` counts the active `uninterrupted` blocks, ``pending`` is the signal that waits for their end."""

    closed = 0
    pending = 0


@contextmanager
def interrupts_can_wait() -> Iterator[None]:
    """Let signals that stop a run (Ctrl-C, the stop button, SIGTERM) wait for the end of `uninterrupted` blocks."""
    installed = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and handler is not _receive:
                _replaced[number] = handler
                signal.signal(number, _receive)
                installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            if signal.getsignal(number) is _receive:
                signal.signal(number, _replaced[number])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait for the block's end, so that records are complete.

    It works within `interrupts_can_wait` and in the main thread; other threads do not get signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Gate.closed += 1
    try:
        yield
    finally:
        _Gate.closed -= 1
        if not _Gate.closed and _Gate.pending:
            number, _Gate.pending = _Gate.pending, 0
            _replaced[number](number, None)


def interrupt_waits() -> bool:
    """Whether the caller is in the main thread, in an `uninterrupted` block that the user has tried to stop."""
    return bool(_Gate.pending) and threading.current_thread() is threading.main_thread()


def _receive(number: int, frame: types.FrameType | None) -> None:
    if _Gate.closed:
        _Gate.pending = number
    else:
        _replaced[number](number, frame)


# --- time limits ----------------------------------------------------------------------------------------------------


class _Expired(BaseException):  # a step's own `except Exception` must not catch it
    pass


@contextmanager
def time_limit(seconds: float | None, step: str) -> Iterator[None]:
    """Limit the time that the block may take.

    In the main thread a timer signal ends it, which also ends a wait; elsewhere, or without such signals, the exception
    is set in the thread and is raised between two bytecodes.

    Args:
        seconds: The limit; None for no limit.
        step: The step's name, for the message.

    Yields:
        Nothing.

    Raises:
        StepTimeoutError: The block took longer.
    """
    if seconds is None:
        yield
        return
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    try:
        with (_by_signal if in_main else _by_exception)(seconds):
            yield
    except _Expired as expired:
        raise StepTimeoutError(
            f"Step {step!r} took longer than its timeout of {seconds:g} s.", "Give it more time: @step(timeout=…)."
        ).with_traceback(expired.__traceback__) from None


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def expire(_number: int, _frame: types.FrameType | None) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_exception(seconds: float) -> Iterator[None]:
    thread = threading.get_ident()
    lock, ended = threading.Lock(), threading.Event()

    def expire() -> None:
        with lock:
            if not ended.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Expired))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            ended.set()  # no exception is set from here on; one that was set before is raised in these lines
        timer.cancel()


# --- coroutines -----------------------------------------------------------------------------------------------------


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a thread with an event loop of its own: the kernel's loop is running already.

    An interrupt cancels the coroutine.

    Args:
        coroutine: What to run.

    Returns:
        Its result.

    Raises:
        BaseException: What the coroutine raised.
    """
    result: dict[str, Any] = {}
    import asyncio  # takes 50 ms

    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    cancelled = threading.Event()

    async def main() -> None:
        task = asyncio.ensure_future(coroutine)
        tasks.append((asyncio.get_running_loop(), task))
        if cancelled.is_set():
            task.cancel()
        result["value"] = await task

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  # raised in the caller's thread
            result["error"] = error

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="zenbook-await")
    thread.start()
    try:
        while thread.is_alive():  # in short waits, so that an interrupt is raised at once
            thread.join(0.05)
    except BaseException:
        cancelled.set()
        for loop, task in tasks:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        raise
    if "error" in result:
        raise result["error"]
    return result["value"]


def pause(seconds: float) -> None:
    """Wait in such a way that an interrupt ends the wait.

    Args:
        seconds: How long to wait.
    """
    threading.Event().wait(seconds)
