"""What a recorded parameter is to SQL: a number, a text, a truth value, or JSON."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from fractions import Fraction
from typing import Any

LONGEST = 10**38  # the first integer that DECIMAL(38, 0) can't hold
_LARGE = 2**63
_LONG = 1000  # digits; a double ends at 309
_AS_NUMBER = {"$float": float, "$Decimal": float, "$Fraction": lambda text: float(Fraction(text))}
_DIGITS = frozenset("-0123456789")
_AS_TEXT = frozenset({"$path", "$UUID", "$datetime", "$date", "$time"})


class Kind(StrEnum):
    """In which column of the mirror a value is kept: each name has one for each kind that it ever had."""

    NONE = "none"  # None and not-a-number: the column only says that the name was there
    BOOL = "bool"
    INT = "int"
    HUGE = "huge"  # an integer of more than 64 bits
    FLOAT = "float"
    TEXT = "text"
    JSON = "json"  # a list or dict


TYPES = {
    Kind.NONE: "BOOLEAN",
    Kind.BOOL: "BOOLEAN",
    Kind.INT: "BIGINT",
    Kind.HUGE: "DECIMAL(38, 0)",
    Kind.FLOAT: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.JSON: "VARCHAR",
}


def plain(text: str) -> tuple[Kind, Any]:
    """A parameter's JSON (see `zenbook.core.plain_values`) as a value and its kind.

    Decimals and fractions are doubles, time spans seconds; other objects are what names them best, as text.
    """
    if text[:1] in _DIGITS:  # a number: three times as quick as by the parser of JSON
        whole = len(text) < _LONG and text.removeprefix("-").isdecimal()
        return _integer(int(text)) if whole else (Kind.FLOAT, float(text))
    try:
        return _of(json.loads(text), text)
    except ValueError:  # an integer in it has more digits than Python reads
        return Kind.TEXT, text


def _of(value: Any, text: str) -> tuple[Kind, Any]:
    match value:
        case None:
            return Kind.NONE, True
        case bool():
            return Kind.BOOL, value
        case int():
            return _integer(value)
        case float():
            return _float(value)
        case str():
            return Kind.TEXT, value
        case dict() if len(value) == 1 and next(iter(value)).startswith("$"):
            return _tagged(*next(iter(value.items())), text)
    return Kind.JSON, text


def _integer(value: int) -> tuple[Kind, Any]:
    if -_LARGE <= value < _LARGE:
        return Kind.INT, value
    if -LONGEST < value < LONGEST:
        return Kind.HUGE, value
    try:
        return Kind.FLOAT, float(value)
    except OverflowError:
        return Kind.FLOAT, math.copysign(math.inf, value)


def _float(value: float) -> tuple[Kind, Any]:
    # For SQL's comparisons not-a-number would be greater than all numbers, and so the best accuracy.
    return (Kind.NONE, True) if math.isnan(value) else (Kind.FLOAT, value)


def _tagged(tag: str, body: Any, text: str) -> tuple[Kind, Any]:
    if tag in _AS_NUMBER:
        return _float(_AS_NUMBER[tag](body))
    if tag == "$numpy":
        return _of(body[1], json.dumps(body[1]))
    if tag == "$timedelta":
        days, seconds, microseconds = (int(one) for one in body.split(","))
        return Kind.FLOAT, days * 86400 + seconds + microseconds / 1e6
    if tag in _AS_TEXT:
        return Kind.TEXT, body
    if tag in ("$enum", "$ref"):
        return Kind.TEXT, ".".join(str(one) for one in body[1 : 3 if tag == "$enum" else 2])
    if tag in ("$tuple", "$set", "$frozenset"):
        return Kind.JSON, json.dumps(body, ensure_ascii=False)
    return Kind.TEXT, text
