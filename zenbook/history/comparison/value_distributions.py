"""How the values of two columns are distributed, and how far apart the two distributions are.

Numbers and times: mean, standard deviation and quantiles, and the Kolmogorov–Smirnov distance (the largest difference
of the two empirical distribution functions). All else: the commonest values, and the total variation distance (half the
sum of the differences of the shares). Both are 0 for equal distributions and 1 for disjoint ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOP = 5  # values that are shown
SAMPLE = 250_000  # values of a longer column from which the Kolmogorov–Smirnov distance is estimated, to about 0.003


class Distance(StrEnum):
    """Which distance two columns are compared by."""

    KOLMOGOROV_SMIRNOV = "KS"
    TOTAL_VARIATION = "TV"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """One column's values. Numbers have mean, std (of the sample) and quantiles; others have their commonest values."""

    rows: int
    missing: int
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[Any, ...] = ()  # minimum, quartiles, maximum
    distinct: int | None = None
    top: Mapping[str, int] = field(default_factory=dict)  # value as text → how often


@dataclass(frozen=True, slots=True)
class Distributions:
    """Two columns' summaries and their distance; ``sampled`` says that the distance is an estimate."""

    old: Summary
    new: Summary
    kind: Distance = Distance.NONE
    distance: float | None = None
    sampled: bool = False


def distributions(old: Any, new: Any) -> Distributions:
    """Compare two Arrow columns by what they hold. Missing values and NaN count as missing.

    Args:
        old: The column of the first run, a chunked array.
        new: The column of the other run.

    Returns:
        Both summaries, and the distance of the distributions for numbers, times, texts and the like.
    """
    kinds = _kind(old.type), _kind(new.type)
    if kinds == ("number", "number") or (kinds == ("time", "time") and old.type == new.type):
        return _measured(old, new)
    if kinds == ("value", "value"):
        return _counted(old, new)
    return Distributions(Summary(len(old), old.null_count), Summary(len(new), new.null_count))


def _kind(kind: Any) -> str:
    import pyarrow as pa

    types = pa.types
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_temporal(kind) and not types.is_interval(kind):
        return "time"
    if types.is_dictionary(kind):
        return _kind(kind.value_type) if _kind(kind.value_type) == "value" else "other"
    if types.is_boolean(kind) or types.is_null(kind) or _is_text(kind):
        return "value"
    return "other"


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _measured(old: Any, new: Any) -> Distributions:
    values = _numbers(old), _numbers(new)
    distance, sampled = (None, False) if not (len(values[0]) and len(values[1])) else _kolmogorov_smirnov(*values)
    return Distributions(
        _measured_summary(old, values[0]),
        _measured_summary(new, values[1]),
        Distance.KOLMOGOROV_SMIRNOV,
        distance,
        sampled,
    )


def _numbers(column: Any) -> Any:
    """The values that are there, as a NumPy array of float64 or, for times, int64."""
    import numpy as np
    import pyarrow as pa

    present = column.drop_null() if column.null_count else column
    if _kind(column.type) == "time":
        width = pa.int64() if column.type.bit_width == 64 else pa.int32()
        return np.asarray(present.cast(width).to_numpy(), np.int64)
    numbers = np.asarray(present.cast(pa.float64(), safe=False).to_numpy())
    return numbers[~np.isnan(numbers)] if numbers.size and np.isnan(numbers.min()) else numbers


def _measured_summary(column: Any, values: Any) -> Summary:
    import numpy as np
    import pyarrow as pa

    rows = len(column)
    if not len(values):
        return Summary(rows, rows)
    if values.dtype.kind == "i":  # a time: its quantiles are values of the column, its mean says little
        quantiles = np.quantile(values, QUANTILES, method="lower")
        width = pa.int64() if column.type.bit_width == 64 else pa.int32()
        times = pa.array(quantiles.astype(np.int64)).cast(width).cast(column.type)
        return Summary(rows, rows - len(values), quantiles=tuple(map(str, times)))
    with np.errstate(invalid="ignore", over="ignore"):
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        numbers = tuple(map(float, np.quantile(values, QUANTILES)))
        return Summary(rows, rows - len(values), float(values.mean()), spread, numbers)


def _kolmogorov_smirnov(old: Any, new: Any) -> tuple[float, bool]:
    import numpy as np

    sampled = max(len(old), len(new)) > SAMPLE
    samples = [np.sort(_sample(values)) for values in (old, new)]
    places = np.concatenate(samples)
    old_share, new_share = (np.searchsorted(sample, places, side="right") / len(sample) for sample in samples)
    return float(np.abs(old_share - new_share).max()), sampled


def _sample(values: Any) -> Any:
    """The values, or as many of them as suffice, drawn with a fixed seed: the same columns give the same distance."""
    import numpy as np

    if len(values) <= SAMPLE:
        return values
    return values[np.random.default_rng(0).integers(0, len(values), SAMPLE)]


def _counted(old: Any, new: Any) -> Distributions:
    counts = _counts(old), _counts(new)
    totals = tuple(sum(each.values()) for each in counts)
    distance = None
    if all(totals):
        shares = (
            abs(counts[0].get(value, 0) / totals[0] - counts[1].get(value, 0) / totals[1])
            for value in counts[0].keys() | counts[1].keys()
        )
        distance = min(1.0, math.fsum(shares) / 2)
    return Distributions(
        _counted_summary(old, counts[0]), _counted_summary(new, counts[1]), Distance.TOTAL_VARIATION, distance
    )


def _counts(column: Any) -> dict[Any, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        return {}
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    table = pc.value_counts(column.drop_null())
    return dict(zip(table.field("values").to_pylist(), table.field("counts").to_pylist(), strict=True))


def _counted_summary(column: Any, counts: Mapping[Any, int]) -> Summary:
    commonest = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:TOP]
    return Summary(
        len(column), column.null_count, distinct=len(counts), top={str(value): count for value, count in commonest}
    )
