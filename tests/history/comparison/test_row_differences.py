"""Which rows of two tables differ, against a plain evaluation in Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zenbook.history.comparison.row_differences import Matching, row_changes

CELLS = st.one_of(st.none(), st.sampled_from(["a", "b", ""]))
NUMBERS = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")]))
ROWS = st.lists(st.tuples(CELLS, NUMBERS), max_size=8)


def table(rows):
    return pa.table(
        {"s": pa.array([one for one, _ in rows], pa.string()), "x": pa.array([one for _, one in rows], pa.float64())}
    )


def plain(row):
    text, number = row
    return text, None if number is None or number != number else number + 0.0


@given(ROWS, ROWS)
def test_rows_without_a_key_agree_with_a_plain_evaluation(old, new):
    found = row_changes(table(old), table(new))
    before, after = [plain(item) for item in old], [plain(item) for item in new]
    added, removed = (Counter(after) - Counter(before)).total(), (Counter(before) - Counter(after)).total()
    if found.matched_by is Matching.PLACE:
        assert len(old) == len(new)
        assert found.changed == sum(one != other for one, other in zip(before, after, strict=True))
    elif found.matched_by is Matching.CONTENT:
        assert (found.added, found.removed) == (added, removed)
        assert found.reordered == (before != after and sorted(map(str, before)) == sorted(map(str, after)))
    else:  # a column of texts may have been unique by chance
        assert found.matched_by is Matching.KEY


@given(
    st.dictionaries(st.integers(-3, 20), NUMBERS, min_size=1, max_size=10),
    st.dictionaries(st.integers(-3, 20), NUMBERS, min_size=1, max_size=10),
    st.randoms(use_true_random=False),
)
def test_rows_by_a_key_agree_with_a_plain_evaluation(old, new, random):
    shuffled = list(new.items())
    random.shuffle(shuffled)
    tables = [
        pa.table(
            {"k": pa.array([key for key, _ in rows], pa.int64()), "x": pa.array([x for _, x in rows], pa.float64())}
        )
        for rows in (list(old.items()), shuffled)
    ]
    found = row_changes(*tables, key="k")
    shared = old.keys() & new.keys()
    if not shared:
        assert found.matched_by is not Matching.KEY
        return
    assert found.key == "k"
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert found.changed == sum(plain(("", old[key])) != plain(("", new[key])) for key in shared)
    assert found.cells.get("x", 0) == found.changed


def test_a_column_of_unique_values_is_taken_as_the_key():
    old = pa.table({"x": [1.0, 2.0, 3.0], "name": ["a", "b", "c"]})
    new = pa.table({"x": [3.0, 9.0, 1.0, 5.0], "name": ["c", "b", "a", "d"]})
    found = row_changes(old, new)
    assert (found.matched_by, found.key) == (Matching.KEY, "name")
    assert (found.added, found.removed, found.changed, found.reordered) == (1, 0, 1, True)
    assert found.cells == {"x": 1}


def test_a_column_that_is_a_key_by_chance_is_not_taken():
    old = pa.table({"n": [1, 2, 3, 4]})
    new = pa.table({"n": [4, 50, 60, 70]})
    assert row_changes(old, new).matched_by is not Matching.KEY


def test_numbers_are_compared_across_their_types():
    old = pa.table({"x": pa.array([1, 2, 3], pa.int32())})
    new = pa.table({"x": pa.array([1.0, 2.0, 3.5])})
    assert row_changes(old, new).changed == 1


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_integers_beyond_the_precision_of_a_double_are_distinguished(kind):
    old, new = (pa.table({"x": pa.array([item, item], kind)}) for item in (2**53, 2**53 + 1))
    assert row_changes(old, new).changed == 2


def test_nested_cells_are_compared_and_very_long_columns_of_them_are_named():
    old = pa.table({"x": [1, 1, 1], "l": [[1], [2], None]})
    new = pa.table({"x": [1, 2, 1], "l": [[1], [3], None]})
    found = row_changes(old, new)
    assert (found.cells, found.changed) == ({"x": 1, "l": 1}, 1)
    long = [pa.table({"x": [n] * 150_000, "l": [[n]] * 150_000}) for n in (1, 2)]
    found = row_changes(*long)
    assert found.left_out == ("l",)
    assert found.changed == 150_000


def test_a_dictionary_column_counts_by_its_values():
    old = pa.table({"c": pa.array(["a", "b", "a"]).dictionary_encode()})
    new = pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array(["b", "a"]))})
    found = row_changes(old, new)
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


@pytest.mark.parametrize(("old", "new"), [([], [1, 2]), ([1, 2], [])])
def test_an_empty_table_has_lost_or_won_all_rows(old, new):
    tables = [pa.table({"x": pa.array(item, pa.int64())}) for item in (old, new)]
    for key in (None, "x"):
        found = row_changes(*tables, key=key)
        assert (found.added, found.removed) == (len(new), len(old))


def test_the_same_large_table_shuffled_is_only_reordered():
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=50_000), "k": rng.integers(0, 9, 50_000)}
    order = rng.permutation(50_000)
    found = row_changes(pa.table(columns), pa.table({name: one[order] for name, one in columns.items()}))
    assert found.reordered
    assert (found.added, found.removed) == (0, 0)
