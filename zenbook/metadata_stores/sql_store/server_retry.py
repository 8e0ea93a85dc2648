"""How long to wait for a server that does not answer, and how to report the wait."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zenbook.interrupts import interrupt_waits
from zenbook.metadata_stores.sql_store.drivers.driver import Driver, ErrorClass

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
FIRST_WAIT = 3.0  # seconds to wait for a server that this process never reached: most likely it isn't running
CONFLICT_WAIT = 60.0  # seconds for which a transaction is tried again that conflicts with others
SLEEP_SLICE = 0.05  # seconds after which a pause checks for an interrupt
LONGEST_PAUSE = 3.0  # seconds between two attempts


class ServerRetry:
    """Repeats calls that failed because the server did not answer.

    After a wait in vain, later calls try only once, until one succeeds.

    Args:
        driver: Of the server.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.reached = False
        self.given_up = False
        self._waiting: set[int] = set()  # threads

    def run(self, attempt: Callable[[], T]) -> T:
        """Call a function until it succeeds or the time is over.

        Args:
            attempt: The function; a first success costs nothing more.

        Returns:
            Its result. The last error is raised.
        """
        try:
            result = attempt()
        except self.driver.failures as error:
            if self.driver.classify(error) not in (ErrorClass.LOST, ErrorClass.UNKNOWN_HOST, ErrorClass.CONFLICT):
                raise
            result = self._retry(attempt, error)
        self.reached, self.given_up = True, False
        return result

    def _retry(self, attempt: Callable[[], T], first: Exception) -> T:
        from tenacity import Retrying, retry_if_exception, wait_exponential, wait_random

        errors = [first]

        def again() -> T:
            if errors:
                raise errors.pop()
            return attempt()

        later = wait_exponential(multiplier=0.05, max=LONGEST_PAUSE) + wait_random(0, 0.1)
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, self.driver.failures)),
            stop=self._is_enough,
            wait=lambda state: 0.0 if self._is_first_loss(state) else later(state),
            sleep=self._sleep,
            before_sleep=self._report_wait,
            reraise=True,
        )
        try:
            result: T = retrying(again)
        except self.driver.failures as error:
            if self.driver.classify(error) is ErrorClass.LOST:
                self.given_up = True
            raise
        finally:
            waited = threading.get_ident() in self._waiting
            self._waiting.discard(threading.get_ident())
        if waited:
            _print_line(f"{self.driver.store} is back.")
        return result

    def _is_first_loss(self, state: RetryCallState) -> bool:
        """Whether a connection was lost that worked when it was last used: a new one may work at once."""
        is_first = state.attempt_number == 1 and self.reached and not self.given_up
        return is_first and self._error_class(state) is ErrorClass.LOST

    def _error_class(self, state: RetryCallState) -> ErrorClass:
        error = state.outcome.exception() if state.outcome is not None else None
        return self.driver.classify(error) if error is not None else ErrorClass.OTHER

    def _is_enough(self, state: RetryCallState) -> bool:
        error_class, waited = self._error_class(state), state.seconds_since_start or 0.0
        if error_class is ErrorClass.CONFLICT:
            return waited > CONFLICT_WAIT or interrupt_waits()
        if error_class in (ErrorClass.OTHER, ErrorClass.MISSING_TABLES) or interrupt_waits():
            return True
        if self.given_up:
            return True
        if not self.reached:
            return error_class is ErrorClass.UNKNOWN_HOST or waited > min(FIRST_WAIT, self.driver.settings.patience)
        return waited > self.driver.settings.patience

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not interrupt_waits():
            time.sleep(min(SLEEP_SLICE, left))

    def _report_wait(self, state: RetryCallState) -> None:
        thread = threading.get_ident()
        if self._error_class(state) is ErrorClass.CONFLICT or thread in self._waiting or not self.reached:
            return
        if state.attempt_number == 1:  # a new connection may work at once
            return
        first = not self._waiting
        self._waiting.add(thread)
        if first:
            limit = self.driver.settings.patience
            _print_line(f"{self.driver.store} does not answer: waiting up to {limit:g} s (interrupt to stop waiting).")


def _print_line(line: str) -> None:
    """Print to stderr, but not as output of a step: its log is written to the store that does not answer."""
    stream = sys.stderr
    if stream is not None:
        contextvars.Context().run(stream.write, f"zenbook: {line}\n")
