"""How long a server is waited for that does not answer, and how that is told."""

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
FIRST = 3.0  # seconds for which a server is waited for that this process never reached: most likely it isn't there
CONFLICTS = 60.0  # seconds for which a transaction is tried again that others get in the way of
SLICE = 0.05  # seconds after which a wait looks whether the user wants to stop
LONGEST = 3.0  # seconds between two attempts


class Patience:
    """Tries again what failed for want of the server.

    Once the server was waited for in vain, later calls try only once, until one succeeds.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.reached = False
        self.given_up = False
        self._waiting: set[int] = set()  # threads

    def keep_trying(self, attempt: Callable[[], T]) -> T:
        """What ``attempt`` gives, or raises the last time. Does nothing slow where the first attempt succeeds."""
        try:
            result = attempt()
        except self.driver.failures as error:
            if self.driver.trouble(error) not in (ErrorClass.LOST, ErrorClass.ABSENT, ErrorClass.CONFLICT):
                raise
            result = self._try_again(attempt, error)
        self.reached, self.given_up = True, False
        return result

    def _try_again(self, attempt: Callable[[], T], first: Exception) -> T:
        from tenacity import Retrying, retry_if_exception, wait_exponential, wait_random

        errors = [first]

        def again() -> T:
            if errors:
                raise errors.pop()
            return attempt()

        later = wait_exponential(multiplier=0.05, max=LONGEST) + wait_random(0, 0.1)
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, self.driver.failures)),
            stop=self._is_enough,
            wait=lambda state: 0.0 if self._is_news(state) else later(state),
            sleep=self._sleep,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            result: T = retrying(again)
        except self.driver.failures as error:
            if self.driver.trouble(error) is ErrorClass.LOST:
                self.given_up = True
            raise
        finally:
            waited = threading.get_ident() in self._waiting
            self._waiting.discard(threading.get_ident())
        if waited:
            _say(f"{self.driver.store} is back.")
        return result

    def _is_news(self, state: RetryCallState) -> bool:
        """Whether a connection was lost that was well when it was last used: a new one may be had at once."""
        return (
            state.attempt_number == 1 and self.reached and not self.given_up and self._trouble(state) is ErrorClass.LOST
        )

    def _trouble(self, state: RetryCallState) -> ErrorClass:
        error = state.outcome.exception() if state.outcome is not None else None
        return self.driver.trouble(error) if error is not None else ErrorClass.OTHER

    def _is_enough(self, state: RetryCallState) -> bool:
        trouble, waited = self._trouble(state), state.seconds_since_start or 0.0
        if trouble is ErrorClass.CONFLICT:
            return waited > CONFLICTS or interrupt_waits()
        if trouble is ErrorClass.OTHER or trouble is ErrorClass.MISSING_TABLES or interrupt_waits():
            return True
        if self.given_up:
            return True
        if not self.reached:
            return trouble is ErrorClass.ABSENT or waited > min(FIRST, self.driver.settings.patience)
        return waited > self.driver.settings.patience

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not interrupt_waits():
            time.sleep(min(SLICE, left))

    def _tell(self, state: RetryCallState) -> None:
        thread = threading.get_ident()
        if self._trouble(state) is ErrorClass.CONFLICT or thread in self._waiting or not self.reached:
            return
        if state.attempt_number == 1:  # a new connection may help at once
            return
        first = not self._waiting
        self._waiting.add(thread)
        if first:
            limit = self.driver.settings.patience
            _say(f"{self.driver.store} does not answer: waiting up to {limit:g} s for it (interrupt to stop waiting).")


def _say(line: str) -> None:
    """On stderr, outside of what a step prints: its log would have to be written to the store that is away."""
    stream = sys.stderr
    if stream is not None:
        contextvars.Context().run(stream.write, f"zenbook: {line}\n")
