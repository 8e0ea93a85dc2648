import json

import numpy as np
import pytest

from zenbook.errors import FormatError
from zenbook.formats import BytesSource, format_named

ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "strided": np.arange(20)[::3],
    "strided 2d": np.arange(40).reshape(5, 8)[::2, 1::3],
    "reversed": np.arange(5.0)[::-1],
    "no dimension": np.array(3.5),
    "empty": np.empty((0, 3), "f4"),
    "empty fortran": np.empty((3, 0), order="F"),
    "bool": np.array([True, False]),
    "half": np.array([1, np.nan], "f2"),
    "complex": np.array([1j, np.nan]),
    "long double": np.array([1, 2], np.longdouble),
    "big-endian": np.array([1, 2], ">i4"),
    "texts": np.array(["a", "żółw", ""]),
    "bytes": np.array([b"a", b"bcd"]),
    "no-width texts": np.array(["", ""]),
    "datetimes": np.array(["2026-11-23", "NaT"], "M8[ns]"),
    "months": np.array(["2026-11"], "M8[M]"),
    "timedeltas": np.array([1, 2], "m8[25s]"),
    "structured": np.array([(1, 2.0, "a")], [("a", "i4"), ("b", "f8"), ("c", "U3")]),
    "nested": np.zeros(2, [("a", [("x", "i2"), ("y", "f4", (2, 2))])]),
    "void": np.zeros(2, "V5"),
    "negative zero": np.array([-0.0, 0.0]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_exactly_and_writable(store, name):
    array = ARRAYS[name]
    before = array.copy(order="K")
    stored = store(array)
    assert stored.format.name == "numpy"
    one, other = stored.load(), stored.load()
    assert type(one) is np.ndarray
    assert one.dtype == array.dtype
    assert one.shape == array.shape
    assert one.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous
    assert one.tobytes() == array.tobytes()
    assert one.flags.writeable
    if one.size:
        one[...] = np.zeros_like(one)
    assert other.tobytes() == array.tobytes()
    assert array.tobytes() == before.tobytes()
    stored.assert_untouched()
    json.dumps(stored.format.preview(array), allow_nan=False)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None], object),
        np.ma.masked_array([1, 2], [True, False]),
        np.array([(1, [])], [("a", "i4"), ("b", object)]),
        np.array(["a", "bb"], np.dtypes.StringDType()),
        np.rec.array([(1, 2.0)], names="a,b"),
        np.zeros(1, np.dtype([("a", "i4"), ("b", "f8")], align=True)),
        np.zeros(1, [("ż", "i4")]),
    ],
    ids=lambda array: f"{type(array).__name__} {array.dtype}",
)
def test_what_npy_cannot_tell_is_pickled_without_a_note(store, array):
    stored = store(array)
    assert stored.format.name == "pickle-data" or array.dtype.isalignedstruct
    assert stored.format.note == ""
    loaded = stored.load()
    assert type(loaded) is type(array)
    assert loaded.dtype == array.dtype
    assert loaded.dtype.isalignedstruct == array.dtype.isalignedstruct
    assert str(loaded) == str(array)


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1.5), np.float32(-0.0), np.float16(2), np.int8(-3), np.uint64(2**64 - 1), np.bool(True),
        np.complex64(1j),
        np.str_("a"), np.str_(""), np.bytes_(b"ab"), np.datetime64("2026-11-23", "D"), np.datetime64("NaT", "ns"),
        np.timedelta64(3, "h"), np.longdouble("0.1"), np.zeros(1, [("a", "i4"), ("b", "f8")])[0],
    ],
    ids=lambda scalar: f"{type(scalar).__name__} {scalar}",
)  # fmt: skip
def test_numpy_scalars_keep_their_type(store, scalar):
    stored = store(scalar)
    assert stored.format.name == "numpy-scalar"
    loaded = stored.load()
    assert type(loaded) is type(scalar)
    assert loaded.dtype == scalar.dtype
    assert repr(loaded) == repr(scalar)
    json.dumps(stored.format.preview(scalar), allow_nan=False)


def test_a_mapped_array_costs_no_copy(store):
    array = np.zeros(1_000_000)
    assert store(array).load().base is not None


def test_damaged_bytes_are_reported(store):
    whole = store(np.arange(100)).bytes
    for damaged in (b"nonsense", whole[:-8], whole[:20]):
        with pytest.raises(FormatError, match=r"not a readable \.npy"):
            format_named("numpy").read(BytesSource(damaged))
