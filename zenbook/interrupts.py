"""End a call that takes too long, let interrupts wait while something is recorded, await a coroutine anywhere."""

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
_before: dict[int, SignalHandler] = {}  # whose place `_receive` has taken, by signal


class _Gate:
    """``closed`` counts the `uninterrupted` blocks that go on, ``came`` is the signal that waits for their end."""

    closed = 0
    came = 0


@contextmanager
def interrupts_can_wait() -> Iterator[None]:
    """For a run's time: what stops the run (Ctrl-C, the stop button, SIGTERM) waits for `uninterrupted` blocks."""
    mine = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and handler is not _receive:
                _before[number] = handler
                signal.signal(number, _receive)
                mine.append(number)
    try:
        yield
    finally:
        for number in mine:
            if signal.getsignal(number) is _receive:
                signal.signal(number, _before[number])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put an interrupt off until the block's end, so that what is recorded is recorded whole.

    Only within `interrupts_can_wait`, and in the main thread: the others get no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Gate.closed += 1
    try:
        yield
    finally:
        _Gate.closed -= 1
        if not _Gate.closed and _Gate.came:
            number, _Gate.came = _Gate.came, 0
            _before[number](number, None)


def interrupt_waits() -> bool:
    """Whether the main thread, which asks, is in an `uninterrupted` block that the user has tried to stop."""
    return bool(_Gate.came) and threading.current_thread() is threading.main_thread()


def _receive(number: int, frame: types.FrameType | None) -> None:
    if _Gate.closed:
        _Gate.came = number
    else:
        _before[number](number, frame)


# --- time limits ----------------------------------------------------------------------------------------------------


class _Expired(BaseException):  # a step's own `except Exception` must not catch it
    pass


@contextmanager
def time_limit(seconds: float | None, step: str) -> Iterator[None]:
    """Raise `StepTimeoutError` in the block when it takes longer.

    In the main thread a timer signal does it, which also ends a wait; elsewhere, or without such signals, the exception
    is set in the thread and lands between two bytecodes.
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
    lock, over = threading.Lock(), threading.Event()

    def expire() -> None:
        with lock:
            if not over.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Expired))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over.set()  # from here on it can't come any more; what was set before lands in these lines
        timer.cancel()


# --- coroutines -----------------------------------------------------------------------------------------------------


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, awaited in an event loop of its own thread: the kernel's loop is running already.

    An interrupt cancels it.
    """
    result: dict[str, Any] = {}
    import asyncio  # 50 ms, which a process that runs no coroutine is spared

    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    given_up = threading.Event()

    async def main() -> None:
        task = asyncio.ensure_future(coroutine)
        tasks.append((asyncio.get_running_loop(), task))
        if given_up.is_set():
            task.cancel()
        result["value"] = await task

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            result["error"] = error

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="zenbook-await")
    thread.start()
    try:
        while thread.is_alive():  # in short waits, so that an interrupt lands at once
            thread.join(0.05)
    except BaseException:
        given_up.set()
        for loop, task in tasks:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        raise
    if "error" in result:
        raise result["error"]
    return result["value"]


def pause(seconds: float) -> None:
    """Wait, open to interrupts."""
    threading.Event().wait(seconds)
