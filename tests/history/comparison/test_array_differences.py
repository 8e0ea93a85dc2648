"""How far apart arrays are."""

from __future__ import annotations

import numpy as np
import pytest

from zenbook.history.comparison.array_differences import array_changes


def test_distances_are_those_of_numpy():
    rng = np.random.default_rng(0)
    old = rng.normal(size=(1200, 1100))  # more than one block
    new = old.copy()
    new[::2] += rng.normal(size=(600, 1100))
    found = array_changes(old, new)
    assert found.share_changed == 0.5
    assert found.largest == pytest.approx(np.abs(new - old).max())
    assert found.rms == pytest.approx(np.sqrt(((new - old) ** 2).mean()))


def test_nan_in_both_is_equal_and_nan_in_one_has_no_distance():
    found = array_changes(np.array([1.0, np.nan, np.nan, 4.0]), np.array([1.0, np.nan, 3.0, 6.0]))
    assert found.share_changed == 0.5
    assert found.largest == 2.0
    assert found.rms == pytest.approx(np.sqrt(4 / 2))


def test_arrays_of_other_shapes_or_types_show_only_these():
    found = array_changes(np.zeros((2, 3), "f4"), np.zeros(6))
    assert found.shapes == ((2, 3), (6,))
    assert found.dtypes == ("float32", "float64")
    assert found.share_changed is None


@pytest.mark.parametrize(
    ("old", "new", "share", "largest"),
    [
        (np.array([True, False]), np.array([True, True]), 0.5, 1.0),
        (np.array([1, 2], "u1"), np.array([2, 1], "u1"), 1.0, 1.0),
        (np.array([1 + 1j, 0]), np.array([1 + 4j, 0]), 0.5, 3.0),
        (np.array([np.inf, 1.0]), np.array([np.inf, 2.0]), 0.5, 1.0),
        (np.array(["a", "b"]), np.array(["a", "c"]), 0.5, None),
        (np.array(["2026-01-01"], "M8[D]"), np.array(["2026-01-02"], "M8[D]"), 1.0, None),
        (np.zeros(0), np.zeros(0), None, None),
    ],
)
def test_kinds_of_arrays(old, new, share, largest):
    found = array_changes(old, new)
    assert (found.share_changed, found.largest) == (share, largest)
