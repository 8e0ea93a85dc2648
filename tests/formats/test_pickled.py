import dataclasses
import json
import sqlite3
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pydantic
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zenbook.errors import FormatError
from zenbook.formats import BundleFormat, BytesSource, format_for, format_named


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    tags: frozenset[str] = frozenset()


class Model(pydantic.BaseModel):
    a: int | float
    b: list[tuple[int, ...]] = []
    _secret: int = pydantic.PrivateAttr(default=0)


class Odd:
    def __init__(self, inner):
        self.inner = inner


class Refusing:
    def __reduce__(self):
        raise ValueError("not today.")


def test_dataclasses_and_models_come_back_exactly(store):
    stored = store(Point(1, frozenset({"a"})))
    assert stored.format.name == "pickle"
    assert stored.load() == Point(1, frozenset({"a"}))
    assert stored.format.preview(Point(1))["fields"]["x"] == "1"
    model = Model(a=1.0, b=[(1, 2)])
    model._secret = 5
    stored = store(model)
    assert stored.format.name == "pydantic"
    loaded = stored.load()
    assert type(loaded) is Model
    assert loaded == model
    assert type(loaded.a) is float
    assert loaded._secret == 5
    assert loaded.model_fields_set == {"a", "b"}
    assert stored.format.preview(model) == {"class": f"{__name__}.Model", "fields": {"a": "1.0", "b": "[(1, 2)]"}}


def test_models_are_stored_as_sklearn_without_a_note(store):
    X, y = np.random.default_rng(0).random((100, 3)), np.arange(100) % 2
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, y)
    stored = store(model)
    assert (stored.format.name, stored.format.note) == ("sklearn", "")
    one, other = stored.load(), stored.load()
    assert (one.predict_proba(X) == model.predict_proba(X)).all()
    one[1].coef_[:] = 0
    assert (other[1].coef_ == model[1].coef_).all()
    stored.assert_untouched()
    facts = store(LogisticRegression(C=0.5)).format.preview(LogisticRegression(C=0.5))
    assert facts["class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert facts["params"]["C"] == "0.5"


def test_large_arrays_inside_an_object_are_mapped_and_writable(store):
    value = Odd(
        {"a": np.arange(100_000.0), "f": np.asfortranarray(np.ones((300, 200))), "df": pd.DataFrame(np.ones((9999, 3)))}
    )
    stored = store(value)
    assert (stored.format.name, stored.format.note) == (
        "pickle",
        "pickled: readable only by Python with the same packages",
    )
    one, other = stored.load(), stored.load()
    array = one.inner["a"]
    assert array.ctypes.data % 64 == 0
    array[:] = 0
    one.inner["df"].iloc[0, 0] = 7
    assert (other.inner["a"] == np.arange(100_000.0)).all()
    assert other.inner["f"].flags.f_contiguous
    pd.testing.assert_frame_equal(other.inner["df"], value.inner["df"])
    stored.assert_untouched()


def test_strided_and_read_only_arrays_survive(store):
    frozen = np.arange(5)
    frozen.flags.writeable = False
    loaded = store(Odd((np.arange(10)[::2], frozen))).load()
    assert loaded.inner[0].tolist() == [0, 2, 4, 6, 8]
    assert loaded.inner[0].flags.writeable
    assert not loaded.inner[1].flags.writeable


def test_closures_and_lambdas_travel_by_value(store):
    factor = 3
    stored = store(lambda x: x * factor)
    assert stored.load()(2) == 6


def test_a_bundle_keeps_what_its_members_share(store):
    array = np.arange(1000)
    stored = store({"a": array, "holder": Odd(array)}, BundleFormat())
    loaded = stored.load()
    assert loaded["holder"].inner is loaded["a"]
    assert stored.format.preview(loaded)["members"]["a"] == "numpy.ndarray"
    assert format_named("bundle").name == "bundle"


@pytest.mark.parametrize(
    ("value", "path", "kind", "hint"),
    [
        ((i for i in ()), "output", "generator", "list("),
        ({"model": Odd(threading.Lock())}, "output['model'].inner", "lock", "__getstate__"),
        ([1, [Odd({"c": sqlite3.connect(":memory:")})]], "output[1][0].inner['c']", "Connection", "inside the step"),
        (Odd(Path(__file__).open("rb")), "output.inner", "BufferedReader", "path"),  # noqa: SIM115
        (Odd(Refusing()), "output.inner", "Refusing", "format"),
        (sys._getframe(), "output", "frame", "Return something"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_pickled_is_named_with_its_place_and_the_way_out(value, path, kind, hint, tmp_path):
    file = (tmp_path / "file").open("wb")
    with pytest.raises(FormatError) as caught, file:
        format_for(value).write(value, file)
    assert f"{path} cannot be stored" in caught.value.message
    assert kind in caught.value.message
    assert hint in caught.value.hint
    assert (tmp_path / "file").stat().st_size == 0


def test_the_culprit_is_found_in_a_closure():
    lock = threading.Lock()
    with pytest.raises(FormatError, match="variable 'lock'"):
        format_named("pickle").write(lambda: lock, None)


def test_a_missing_package_is_named(store):
    stored = store(Point(1))
    data = stored.bytes.replace(Point.__module__.encode(), b"x" * len(Point.__module__))
    with pytest.raises(FormatError, match="not installed here"):
        stored.format.read(BytesSource(data))


@pytest.mark.parametrize("damaged", [b"", b"nonsense", b"nonsense" * 20])
def test_damaged_bytes_are_reported(damaged):
    with pytest.raises(FormatError):
        format_named("pickle").read(BytesSource(damaged))


def test_cut_bytes_are_reported(store):
    stored = store(Odd(np.arange(100_000)))
    for size in (10, 100, len(stored.bytes) // 2, len(stored.bytes) - 1):
        with pytest.raises(FormatError):
            stored.format.read(BytesSource(stored.bytes[:size]))


@pytest.mark.parametrize(
    "value", [Point(1), Model(a=1), KNeighborsClassifier(), Odd(1), pd.Index([1])], ids=lambda one: type(one).__name__
)
def test_previews_are_json(value):
    json.dumps(format_for(value).preview(value), allow_nan=False)
