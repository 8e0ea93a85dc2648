import base64
import io
import json

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from zenbook.formats import BundleFormat
from zenbook.formats.figures import FigureFormat


@pytest.fixture
def figure():
    fig, axes = plt.subplots(1, 2, figsize=(5, 3))
    axes[0].plot([1, 2, 3], label="line")
    axes[0].legend()
    axes[1].imshow(np.arange(9).reshape(3, 3))
    fig.suptitle("title")
    yield fig
    plt.close("all")


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


def test_a_figure_looks_the_same_and_can_be_drawn_on(store, figure):
    stored = store(figure)
    assert stored.format.name == "figure"
    one, other = stored.load(), stored.load()
    assert type(one) is Figure
    assert png(one) == png(figure)
    one.axes[0].plot([3, 2, 1])
    one.canvas.draw()
    assert np.asarray(one.canvas.buffer_rgba()).any()
    assert png(one) != png(other) == png(figure)
    stored.assert_untouched()


@pytest.mark.parametrize("bundled", [False, True])
def test_loading_a_figure_leaves_pyplot_alone(store, figure, bundled):
    stored = store({"fig": figure, "ax": figure.axes[0]}, BundleFormat()) if bundled else store(figure)
    current = plt.figure()
    numbers = plt.get_fignums()
    loaded = stored.load()
    if bundled:
        assert loaded["ax"].figure is loaded["fig"]
        loaded = loaded["fig"]
    assert plt.get_fignums() == numbers
    assert plt.gcf() is current
    loaded.axes[0].plot([1])
    assert plt.gcf() is current
    plt.close("all")
    assert not plt.get_fignums()
    stored.load()
    assert not plt.get_fignums()


def test_writing_and_previewing_leave_the_figure_as_it_was(store, figure):
    canvas, manager, stale = figure.canvas, figure.canvas.manager, figure.stale
    numbers = plt.get_fignums()
    before = store(figure).bytes
    facts = store(figure).format.preview(figure)
    assert facts["size"] == [5.0, 3.0]
    assert facts["axes"] == 2
    assert len(json.dumps(facts)) < 31_000
    assert (figure.canvas, figure.canvas.manager, figure.stale) == (canvas, manager, stale)
    assert plt.get_fignums() == numbers
    assert store(figure).bytes == before


def test_a_figure_inside_another_value_does_not_open_either(store, figure):
    stored = store([figure, 1])
    plt.close("all")
    assert type(stored.load()[0]) is Figure
    assert not plt.get_fignums()


def test_an_axes_brings_its_figure(store, figure):
    loaded = store(figure.axes[0]).load()
    assert png(loaded.figure) == png(figure)


def test_a_picture_of_a_busy_chart_fits_into_the_preview():
    """A matrix of numbers, with colours that run into each other, took more than its 30 kB as a plain PNG."""
    made, axes = plt.subplots(figsize=(4, 4))
    axes.imshow(np.arange(100).reshape(10, 10))
    for place in range(100):
        axes.text(place % 10, place // 10, str(place), ha="center", va="center")
    preview = FigureFormat().preview(made)
    assert len(preview["png"]) <= 30_000
    with Image.open(io.BytesIO(base64.b64decode(preview["png"]))) as image:
        assert image.size == (320, 320)
        assert len(image.convert("RGBA").getcolors(100_000)) > 50
