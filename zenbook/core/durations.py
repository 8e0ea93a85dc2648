"""Durations as users write them: seconds, a `timedelta`, or a text such as ``"1h30m"``."""

from __future__ import annotations

import datetime
import math
import re

from zenbook.errors import DefinitionError

Duration = float | str | datetime.timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object, option: str, step: str) -> float:
    """Turn a duration into seconds.

    Args:
        value: Seconds as a number, a `timedelta`, or a text such as '90s', '10m', '1h30m'.
        option: The option's name, for the message.
        step: The step's name, for the message.

    Returns:
        The duration in seconds, 0 or more.

    Raises:
        DefinitionError: The value is not a duration.
    """
    result: float | None = None
    if isinstance(value, datetime.timedelta):
        result = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        result = float(value)
    elif isinstance(value, str):
        result = _parse(value)
    if result is None or not math.isfinite(result) or result < 0:
        raise DefinitionError(
            f"The option {option} of step {step!r} is {value!r}, which is not a duration.",
            "Give seconds as a number, or a text such as '90s', '10m' or '1h30m'.",
        )
    return result


def _parse(text: str) -> float | None:
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    whole = "".join(number + unit for number, unit in parts)
    known = all(unit in _UNITS for _, unit in parts) or (len(parts) == 1 and not parts[0][1])
    if not parts or not known or whole != re.sub(r"\s+", "", text.lower()):
        return None
    return sum(float(number) * _UNITS.get(unit, 1.0) for number, unit in parts)
