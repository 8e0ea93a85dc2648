"""Convert a recorded parameter to a value with an SQL type: a number, a text, a truth value, or JSON."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from fractions import Fraction
from typing import Any

MAX_DECIMAL = 10**38  # the first integer that DECIMAL(38, 0) cannot hold
_MAX_BIGINT = 2**63  # the first integer that BIGINT cannot hold
_MAX_DIGITS = 1000  # of an integer; a double has at most 309
_AS_NUMBER = {"$float": float, "$Decimal": float, "$Fraction": lambda text: float(Fraction(text))}
_DIGITS = frozenset("-0123456789")
_AS_TEXT = frozenset({"$path", "$UUID", "$datetime", "$date", "$time"})


class Kind(StrEnum):
    """The kind of a value. In the mirror, a name has one column for each kind that its values ever had."""

    NONE = "none"  # None and not-a-number: the column only says that the name has a value
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


def to_typed_value(text: str) -> tuple[Kind, Any]:
    """Convert a parameter's JSON to a value that SQL can compare.

    Args:
        text: The JSON, as `zenbook.core.plain_values` encodes it.

    Returns:
        The kind and the value. Decimals and fractions become doubles, time spans become seconds, other objects the
        text that names them best.
    """
    if text[:1] in _DIGITS:  # a number: this is three times as fast as the JSON parser
        whole = len(text) < _MAX_DIGITS and text.removeprefix("-").isdecimal()
        return _typed_integer(int(text)) if whole else (Kind.FLOAT, float(text))
    try:
        return _typed(json.loads(text), text)
    except ValueError:  # it contains an integer with more digits than Python parses
        return Kind.TEXT, text


def _typed(value: Any, text: str) -> tuple[Kind, Any]:
    match value:
        case None:
            return Kind.NONE, True
        case bool():
            return Kind.BOOL, value
        case int():
            return _typed_integer(value)
        case float():
            return _typed_float(value)
        case str():
            return Kind.TEXT, value
        case dict() if len(value) == 1 and next(iter(value)).startswith("$"):
            return _typed_object(*next(iter(value.items())), text)
    return Kind.JSON, text


def _typed_integer(value: int) -> tuple[Kind, Any]:
    if -_MAX_BIGINT <= value < _MAX_BIGINT:
        return Kind.INT, value
    if -MAX_DECIMAL < value < MAX_DECIMAL:
        return Kind.HUGE, value
    try:
        return Kind.FLOAT, float(value)
    except OverflowError:
        return Kind.FLOAT, math.copysign(math.inf, value)


def _typed_float(value: float) -> tuple[Kind, Any]:
    # SQL sorts not-a-number above all numbers, so it would be the best accuracy.
    return (Kind.NONE, True) if math.isnan(value) else (Kind.FLOAT, value)


def _typed_object(tag: str, body: Any, text: str) -> tuple[Kind, Any]:
    if tag in _AS_NUMBER:
        return _typed_float(_AS_NUMBER[tag](body))
    if tag == "$numpy":
        return _typed(body[1], json.dumps(body[1]))
    if tag == "$timedelta":
        days, seconds, microseconds = (int(part) for part in body.split(","))
        return Kind.FLOAT, days * 86400 + seconds + microseconds / 1e6
    if tag in _AS_TEXT:
        return Kind.TEXT, body
    if tag in ("$enum", "$ref"):
        return Kind.TEXT, ".".join(str(part) for part in body[1 : 3 if tag == "$enum" else 2])
    if tag in ("$tuple", "$set", "$frozenset"):
        return Kind.JSON, json.dumps(body, ensure_ascii=False)
    return Kind.TEXT, text
