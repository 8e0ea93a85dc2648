"""Distances of columns, against SciPy's and a plain count."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from zenbook.history.comparison.value_distributions import SAMPLE, Distance, distributions


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_of_numbers_is_scipys(seed):
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=500).round(1), rng.normal(0.3, 1.2, size=400).round(1)
    found = distributions(column(old), column(new))
    assert found.kind is Distance.KOLMOGOROV_SMIRNOV
    assert found.distance == pytest.approx(stats.ks_2samp(old, new).statistic)
    assert found.new.mean == pytest.approx(new.mean())
    assert found.new.std == pytest.approx(new.std(ddof=1))
    assert found.new.quantiles == pytest.approx(np.quantile(new, [0, 0.25, 0.5, 0.75, 1]))
    assert not found.sampled


def test_long_columns_are_sampled_and_say_so():
    rng = np.random.default_rng(1)
    old, new = rng.normal(size=2 * SAMPLE), rng.normal(0.5, size=2 * SAMPLE)
    found = distributions(column(old), column(new))
    assert found.sampled
    assert found.distance == pytest.approx(stats.ks_2samp(old, new).statistic, abs=0.005)
    assert found == distributions(column(old), column(new))


def test_missing_values_and_nan_are_missing():
    found = distributions(column([1.0, None, float("nan")]), column([None, None, 2.0]))
    assert (found.old.rows, found.old.missing, found.new.missing) == (3, 2, 2)
    assert found.distance == 1.0


def test_a_column_of_nothing_has_no_distance():
    found = distributions(column([None, None], pa.float64()), column([1.0, 2.0]))
    assert found.distance is None
    assert found.old.mean is None


def test_texts_are_compared_by_their_shares():
    found = distributions(column(["a", "a", "b", None]), column(["a", "b", "b", "c"]))
    assert found.kind is Distance.TOTAL_VARIATION
    assert found.distance == pytest.approx((abs(2 / 3 - 1 / 4) + abs(1 / 3 - 2 / 4) + 1 / 4) / 2)
    assert found.old.top == {"a": 2, "b": 1}
    assert (found.old.distinct, found.new.distinct, found.old.missing) == (2, 3, 1)


@pytest.mark.parametrize(
    "kind", [pa.bool_(), pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.binary()], ids=str
)
def test_values_of_other_kinds_are_counted(kind):
    values = [[True, True, False], [True, False, False]]
    if kind != pa.bool_():
        values = [["x" if item else "y" for item in each] for each in values]
    old, new = (pa.chunked_array([pa.array(each).cast(kind)]) for each in values)
    assert distributions(old, new).distance == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.date32(), pa.duration("ms")], ids=str
)
def test_times_have_quantiles_and_a_distance(kind):
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    old, new = (pa.chunked_array([pa.array(each, width).cast(kind)]) for each in ([1, 2, 3], [3, 4, 5]))
    found = distributions(old, new)
    assert found.distance == pytest.approx(2 / 3)
    assert found.old.quantiles[0] == str(pa.array([1], width).cast(kind)[0])


def test_infinities_do_no_harm():
    found = distributions(column([1.0, float("inf")]), column([1.0, float("-inf")]))
    assert found.distance == 0.5


def test_kinds_that_have_no_distance_say_how_many_are_missing():
    found = distributions(column([[1], None]), column([[2], [3]]))
    assert (found.kind, found.distance, found.old.missing) == (Distance.NONE, None, 1)


def test_numbers_and_texts_have_no_distance():
    day = datetime.date(2026, 1, 1)
    assert distributions(column([1, 2]), column(["a", "b"])).kind is Distance.NONE
    assert distributions(column([day]), column([1.0])).kind is Distance.NONE
