import enum
import threading

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zenbook.formats import groups_of_shared

X, Y = np.random.default_rng(0).random((60, 3)), np.arange(60) % 2


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def together(**values):
    groups = groups_of_shared(values)
    assert sorted(name for group in groups for name in group) == sorted(values)
    return [group for group in groups if len(group) > 1]


def busy_figure():
    fig, axes = plt.subplots(2, 2)
    axes[0, 0].plot([1, 2], marker="o", label="a")
    axes[0, 0].legend()
    axes[0, 1].scatter([1, 2], [3, 4], c=[0.1, 0.2], cmap="viridis")
    axes[1, 0].imshow(np.eye(3))
    axes[1, 1].hist([1, 2, 2])
    axes[1, 1].set_yscale("log")
    axes[0, 0].plot(pd.date_range("2026-01-01", periods=3), [1, 2, 3])
    axes[1, 0].plot(["a", "b"], [1, 2])
    fig.colorbar(axes[0, 1].collections[0])
    fig.canvas.draw()
    return fig, axes


def test_two_figures_are_two():
    assert together(one=busy_figure()[0], two=busy_figure()[0]) == []


def test_a_figure_and_its_axes_are_one():
    fig, axes = busy_figure()
    other, _ = busy_figure()
    assert together(fig=fig, n=1, ax=axes[0, 0]) == [("fig", "ax")]
    assert together(axes=axes, other=other, fig=fig) == [("axes", "fig")]
    assert together(axes=list(axes.flat), fig=fig) == [("axes", "fig")]


def test_a_line_brings_its_figure():
    fig, axes = busy_figure()
    assert together(lines=axes[0, 0].lines[:], fig=fig) == [("lines", "fig")]


def test_an_estimator_and_its_pipeline_are_one():
    scaler = StandardScaler()
    pipeline = make_pipeline(scaler, LogisticRegression()).fit(X, Y)
    assert together(pipeline=pipeline, scaler=scaler, model=pipeline[-1]) == [("pipeline", "scaler", "model")]


def test_models_of_the_same_data_are_apart():
    assert together(a=LogisticRegression().fit(X, Y), b=LogisticRegression().fit(X, Y), X=X, y=Y) == []
    assert together(a=RandomForestClassifier(3).fit(X, Y), b=RandomForestClassifier(3).fit(X, Y)) == []


def test_a_model_that_keeps_the_data_shares_it():
    mine = X.copy()  # X itself belongs to this module
    model = KNeighborsClassifier().fit(mine, Y)
    assert model._fit_X is mine
    assert together(X=mine, model=model) == [("X", "model")]
    assert together(X=mine.copy(), model=model) == []


def test_a_random_state_is_shared():
    state = np.random.RandomState(0)
    assert together(a=LogisticRegression(random_state=state), b=RandomForestClassifier(random_state=state)) == [
        ("a", "b")
    ]
    assert together(rng=state, b=RandomForestClassifier(random_state=state)) == [("rng", "b")]
    # NumPy's own global one belongs to NumPy.
    everyones = np.random.mtrand._rand
    assert together(a=LogisticRegression(random_state=everyones), b=LogisticRegression(random_state=everyones)) == []


def test_containers_share_what_they_hold():
    inner = [1]
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    assert together(a=[inner], b={"k": (inner,)}, c=[[1]]) == [("a", "b")]
    assert together(frame=frame, results={"frame": frame}) == [("frame", "results")]
    assert together(a=inner, again=inner) == [("a", "again")]
    assert together(frame=frame, again=frame) == [("frame", "again")]
    assert together(function=lambda: inner, inner=inner) == [("function", "inner")]


def test_sharing_is_transitive():
    one, two = [1], [2]
    assert together(a=[one], b=[one, two], c=[two], d=[]) == [("a", "b", "c")]


class Colour(enum.Enum):
    RED = [1]  # noqa: RUF012


def test_what_cannot_change_is_not_shared():
    text, pair, index = "a" * 1000, (1, ("x", frozenset({2}))), pd.Index(["u", "v"])
    dtype = pd.CategoricalDtype(["u"])
    frames = {name: pd.DataFrame({"x": [object(), 1]}, index=index) for name in "ab"}
    assert together(**frames) == []
    assert (
        together(
            a=[text, pair, dtype, Colour.RED, np.dtype("f8"), int, len, Colour],
            b=[pair, text, dtype, Colour.RED, Colour],
        )
        == []
    )
    assert together(a=text, b=text, c=pair, d=pair, e=index, f=index, g=None, h=None, i=Colour.RED, j=Colour.RED) == []


def test_a_frame_and_its_column_are_apart():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    assert together(frame=frame, column=frame["a"], array=frame["a"].to_numpy(), part=frame[["a"]]) == []
    polars = pl.DataFrame({"a": [1]})
    assert together(polars=polars, column=polars["a"]) == []


def test_objects_of_a_frame_are_met():
    inner = {"k": 1}
    frame = pd.DataFrame({"o": [inner, None]})
    assert together(frame=frame, inner=inner) == [("frame", "inner")]


def test_values_that_cannot_be_stored_are_left_for_storing():
    lock = threading.Lock()
    assert together(a=lock, b=[1], c=(i for i in ())) == []


def test_functions_of_the_notebook_do_not_share_its_globals():
    assert together(a=[busy_figure, together], b=[busy_figure]) == []


def test_nothing_is_pickled_when_there_is_nothing_to_compare(monkeypatch):
    class Loud:
        def __reduce__(self):
            raise AssertionError

    assert groups_of_shared({"a": Loud(), "b": 1, "c": "x"}) == [("a",), ("b",), ("c",)]
    assert groups_of_shared({}) == []


def test_looking_changes_nothing():
    fig, axes = busy_figure()
    numbers = plt.get_fignums()
    together(fig=fig, ax=axes[0, 0])
    assert plt.get_fignums() == numbers
    assert fig.canvas.manager is not None
