"""End a call that takes too long, and await a coroutine where an event loop runs already."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import signal
import threading
import types
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from zenbook.errors import StepTimeoutError


@contextmanager
def time_limit(seconds: float | None, step: str) -> Iterator[None]:
    """Raise `StepTimeoutError` in the block when it takes longer.

    In the main thread a timer signal does it, which also ends a wait; elsewhere, or without such signals, the exception
    is set in the thread and lands between two bytecodes.
    """
    if seconds is None:
        yield
        return
    error = StepTimeoutError(
        f"Step {step!r} took longer than its timeout of {seconds:g} s.", "Give it more time: @step(timeout=…)."
    )
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with _by_signal(seconds, error):
            yield
    else:
        with _by_exception(seconds, error):
            yield


@contextmanager
def _by_signal(seconds: float, error: StepTimeoutError) -> Iterator[None]:
    def expire(number: int, frame: types.FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_exception(seconds: float, error: StepTimeoutError) -> Iterator[None]:
    thread = threading.get_ident()
    expired = threading.Event()

    class Expired(BaseException):
        pass

    def expire() -> None:
        expired.set()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Expired))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Expired:
        raise error from None
    finally:
        timer.cancel()


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, awaited in an event loop of its own thread: the kernel's loop is running already.

    An interrupt cancels it.
    """
    result: dict[str, Any] = {}
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> None:
        task = asyncio.ensure_future(coroutine)
        loops.append((asyncio.get_running_loop(), task))
        result["value"] = await task

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            result["error"] = error

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="zenbook-await")
    thread.start()
    try:
        _join(thread)
    except BaseException:
        for loop, task in loops:
            loop.call_soon_threadsafe(task.cancel)
        raise
    if "error" in result:
        raise result["error"]
    return result["value"]


def _join(thread: threading.Thread) -> None:
    while thread.is_alive():  # in short waits, so that an interrupt lands at once
        thread.join(0.05)


def pause(seconds: float, wait: Callable[[float], object] = threading.Event().wait) -> None:
    """Wait, open to interrupts."""
    wait(seconds)
