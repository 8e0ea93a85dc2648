"""Two stored frames: schema, rows and the distribution of each column that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zenbook.history.comparison.row_differences import INDEX, RowChanges, row_changes
from zenbook.history.comparison.value_distributions import Distributions, distributions

ARROW_FILES = frozenset({"pandas", "pandas-series", "arrow", "arrow-batch", "polars", "polars-series"})


@dataclass(frozen=True, slots=True)
class FrameChanges:
    """How two frames differ. ``types`` holds columns of another type, ``columns`` those whose values differ."""

    rows: tuple[int, int]
    added_columns: Mapping[str, str] = field(default_factory=dict)  # name → type
    removed_columns: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    row_changes: RowChanges = field(default_factory=RowChanges)
    columns: Mapping[str, Distributions] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether the frames differ."""
        rows = self.row_changes
        counts = (rows.added, rows.removed, rows.changed, rows.reordered, rows.left_out)
        schema = (self.added_columns, self.removed_columns, self.types, self.columns)
        return self.rows[0] != self.rows[1] or any(counts) or any(schema)


def frame_changes(old: Any, new: Any, *, key: str | None = None) -> FrameChanges:
    """Compare two Arrow tables.

    5,000,000 rows of 8 columns take 1 to 5 s (texts are slower than numbers), and the memory of a few columns beyond
    the tables.

    Args:
        old: The table of the first run.
        new: The table of the other run.
        key: The column that identifies the rows; None to look for one.

    Returns:
        How they differ.
    """
    before, after = ({field.name: str(field.type) for field in table.schema} for table in (old, new))
    both = [name for name in before if name in after]
    unique = len(before) == old.num_columns and len(after) == new.num_columns
    rows = row_changes(old, new, key=key)
    matched_by = {rows.key, INDEX}
    return FrameChanges(
        (old.num_rows, new.num_rows),
        {name: kind for name, kind in after.items() if name not in before},
        {name: kind for name, kind in before.items() if name not in after},
        {name: (before[name], after[name]) for name in both if before[name] != after[name]},
        rows,
        {
            name: distributions(old.column(name), new.column(name))
            for name in both
            if unique and name not in matched_by and not old.column(name).equals(new.column(name))
        },
    )


def as_table(value: Any) -> Any | None:
    """A loaded frame or series as an Arrow table. Columns of objects become text.

    Args:
        value: Any object.

    Returns:
        The table; None for an object that is neither a frame, a series nor a table.
    """
    import pyarrow as pa

    kind = type(value).__module__.partition(".")[0], type(value).__name__
    match kind:
        case ("pyarrow", "Table"):
            return value
        case ("pyarrow", "RecordBatch"):
            return pa.Table.from_batches([value])
        case ("polars", "DataFrame"):
            return value.to_arrow()
        case ("polars", "Series"):
            return value.to_frame().to_arrow()
        case ("pandas", "Series"):
            return _of_pandas(value.to_frame("value" if value.name is None else value.name))
        case ("pandas", "DataFrame"):
            return _of_pandas(value)
    return None


def _of_pandas(frame: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[f"__index_{n}__" for n in range(frame.index.nlevels)])
    arrays = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        try:
            arrays.append(pa.array(column, from_pandas=True))
        except (pa.ArrowException, TypeError, ValueError):
            arrays.append(pa.array([None if value is None else str(value) for value in column], pa.string()))
    return pa.table(arrays, names=[str(name) for name in frame.columns])
