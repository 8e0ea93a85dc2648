"""Ids of runs, such as ``20261123-052055-k3f9a2``: they sort by time, and their ends differ."""

from __future__ import annotations

import secrets
import time

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u; in ASCII order


def new_run_id(now: float | None = None) -> str:
    """Make a new id: UTC date and time to the second, then microseconds (4 digits of base 32) and 2 random digits.

    Args:
        now: The time in seconds since 1970; by default the current time.

    Returns:
        The id.
    """
    moment = time.time() if now is None else now
    whole = int(moment)
    rest = int((moment - whole) * 1_000_000)
    digits = "".join(DIGITS[(rest >> shift) & 31] for shift in (15, 10, 5, 0))
    noise = "".join(secrets.choice(DIGITS) for _ in range(2))
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(whole))}-{digits}{noise}"
