"""Wait for a metadata store that cannot be reached when a worker starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from zenbook.errors import StoreUnreachableError
from zenbook.interrupts import pause

_LIMIT = 120.0  # seconds for which a worker waits for a metadata store
_INTERVAL = 0.5  # seconds between two attempts

T = TypeVar("T")


def retry_until_reachable(read: Callable[[], T]) -> T:
    """Read from a store, again and again for two minutes if it cannot be reached.

    Whoever created the run has reached the store, so it is likely to come back.

    Args:
        read: What reads from the store.

    Returns:
        What it returned.
    """
    try:
        return read()
    except StoreUnreachableError as error:
        sys.stderr.write(f"{error.message} The worker waits up to {_LIMIT:g} s for it.\n")
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed  # 20 ms, seldom needed

    retrying = Retrying(
        retry=retry_if_exception_type(StoreUnreachableError),
        stop=stop_after_delay(_LIMIT),
        wait=wait_fixed(_INTERVAL),
        sleep=pause,
        reraise=True,
    )
    return retrying(read)
