"""Wait for a metadata store that is away at a worker's start."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from zenbook.errors import StoreUnreachableError
from zenbook.interrupts import pause

_PATIENCE = 120.0  # seconds for which a worker waits for a metadata store at its start
_PAUSE = 0.5

T = TypeVar("T")


def retry_until_reachable(read: Callable[[], T]) -> T:
    """Read from a store that may be away: whoever made the run has reached it, so it is likely to come back."""
    end = time.monotonic() + _PATIENCE
    told = False
    while True:
        try:
            return read()
        except StoreUnreachableError as error:
            if time.monotonic() > end:
                raise
            if not told:
                told = True
                sys.stderr.write(f"{error.message} The worker waits up to {_PATIENCE:g} s for it.\n")
            pause(_PAUSE)
