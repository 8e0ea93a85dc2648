"""Two stored arrays: shape, dtype, and how far apart their values are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_BLOCK = 1 << 20  # values that are compared at once, so that little memory is needed


@dataclass(frozen=True, slots=True)
class ArrayChanges:
    """How two arrays differ. Distances are of arrays of one shape that hold numbers; a NaN in both counts as equal."""

    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    dtypes: tuple[str, str]
    share_changed: float | None = None  # of the values, 0 to 1
    largest: float | None = None  # absolute difference
    rms: float | None = None  # root of the mean squared difference

    @property
    def differs(self) -> bool:
        """Whether the arrays differ; arrays of types that cannot be compared count as different."""
        return self.shapes[0] != self.shapes[1] or self.dtypes[0] != self.dtypes[1] or self.share_changed != 0.0


def array_changes(old: Any, new: Any) -> ArrayChanges:
    """Compare two NumPy arrays, block by block.

    Args:
        old: The array of the first run.
        new: The array of the other run.

    Returns:
        How they differ. Values of which only one is NaN count as changed and have no distance.
    """
    shapes, dtypes = (tuple(old.shape), tuple(new.shape)), (str(old.dtype), str(new.dtype))
    if old.shape != new.shape or not old.size or "V" in old.dtype.kind + new.dtype.kind:
        return ArrayChanges(shapes, dtypes)
    numeric = {old.dtype.kind, new.dtype.kind} <= set("biufc")
    old_values, new_values = old.reshape(-1), new.reshape(-1)
    changed, known, largest, squares = 0, 0, 0.0, 0.0
    for start in range(0, old.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        changed_in_block, distances = _compare_block(old_values[block], new_values[block], numeric=numeric)
        changed += changed_in_block
        if distances is not None and distances.size:
            known += distances.size
            largest = max(largest, float(distances.max()))
            squares += float((distances**2).sum())
    share = changed / old.size
    if not numeric or not known:
        return ArrayChanges(shapes, dtypes, share)
    return ArrayChanges(shapes, dtypes, share, largest, math.sqrt(squares / known))


def _compare_block(old: Any, new: Any, *, numeric: bool) -> tuple[int, Any]:
    """How many values differ, and the absolute differences where both are known."""
    import numpy as np

    different = old != new
    if not numeric:
        return int(np.count_nonzero(different)), None
    wide = np.complex128 if "c" in (old.dtype.kind, new.dtype.kind) else np.float64
    old_values, new_values = old.astype(wide), new.astype(wide)
    old_nan, new_nan = np.isnan(old_values), np.isnan(new_values)
    changed = int(np.count_nonzero(different & ~(old_nan & new_nan)))
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.abs(np.where(different, new_values - old_values, 0))
    return changed, distances[~(old_nan | new_nan)]
