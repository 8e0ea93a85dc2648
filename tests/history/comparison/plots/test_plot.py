"""Pictures of many runs: static, and as charts that Vega-Lite accepts."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import zenbook
from zenbook import log_metrics, pipeline, step
from zenbook.display.chart_svg import Scale
from zenbook.errors import RunError
from zenbook.history.comparison.plots.plot import MIME, Plot


@step
def learn(rate: float, kind: str) -> float:
    for epoch in range(5):
        log_metrics(loss=rate / (epoch + 1), step=epoch * 10)
    if kind == "b":
        log_metrics({"odd.name [x]": 1.0})
    return rate**0.5


@pipeline
def learning(rate: float = 0.1, kind: str = "a") -> None:
    learn(rate, kind)


@pytest.fixture
def runs(workspace: Path) -> zenbook.history.runs.Runs:
    for rate, kind in ((0.001, "a"), (0.1, "b"), (10.0, "a")):
        learning(rate, kind)
    return zenbook.runs()


def checked(plot: Plot) -> list[ET.Element]:
    """The picture is XML that needs nothing, and the chart is one that altair's schema accepts."""
    tree = ET.fromstring(plot.svg)
    assert not re.search(r"href|<script|<style|url\(", plot.svg)
    assert not re.search(r"nan|inf\b", "".join(re.findall(r' (?:d|x|y|cx|cy)="([^"]*)"', plot.svg)))
    plot.chart().to_dict()
    bundle = plot._repr_mimebundle_()
    assert bundle["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert json.loads(json.dumps(bundle[MIME], allow_nan=False))["data"]["values"]
    live = plot.interactive()._repr_mimebundle_()
    assert live[MIME] == bundle[MIME]
    assert live["image/svg+xml"] == plot.svg
    assert "text/html" not in live
    return list(tree.iter())


def named(found: list[ET.Element], tag: str) -> list[ET.Element]:
    return [item for item in found if item.tag.endswith(f"}}{tag}")]


def test_parallel_coordinates_have_a_line_for_each_run(runs) -> None:
    plot = runs.plot(metric="learn")
    found = checked(plot)
    titles = [item.text for item in named(found, "title")]
    assert sum(run.id in str(title) for run in runs for title in titles) >= 3
    words = {item.text for item in named(found, "text")}
    assert {"rate", "kind", "a", "b", "loss", "learn"} <= words


def test_a_scatter_has_a_point_for_each_run(runs) -> None:
    found = checked(runs.scatter("rate", "learn"))
    assert len(named(found, "circle")) == 3
    assert {"0.001", "0.01", "10"} <= {item.text for item in named(found, "text")}  # its logarithm is drawn
    assert len(named(checked(runs.scatter("kind", "learn")), "circle")) == 3


@pytest.mark.parametrize("over", ["step", "time"])
def test_curves_have_a_line_for_each_run(runs, over) -> None:
    plot = runs.curves("loss", over=over)
    checked(plot)
    values = plot.spec["data"]["values"]
    assert len(values) == 15
    if over == "step":
        assert sorted({value["x"] for value in values}) == [0, 10, 20, 30, 40]
    assert runs.curves(over=over).title == plot.title


def test_a_run_without_a_metric_is_left_out_of_its_axis(runs) -> None:
    plot = runs.plot(metric="odd.name [x]")
    checked(plot)
    assert sum(item["axis"] == "odd.name [x]" for item in plot.spec["data"]["values"]) == 1


@step
def strange(value: float) -> float:
    log_metrics(huge=1e300 * value, same=1.0)
    for epoch in range(3):
        log_metrics(gap=math.nan if epoch == 1 else value, step=epoch)
    return value


@pipeline
def straying(value: float) -> None:
    strange(value)


def test_values_that_are_not_finite_are_left_out(workspace: Path) -> None:
    for value in (1.0, math.inf, -2.0, math.nan):
        straying(value)
    runs = zenbook.runs()
    checked(runs.plot())
    checked(runs.scatter("value", "huge"))
    checked(runs.curves("gap"))


def test_misspelt_names_get_close_matches(runs) -> None:
    for ask, hint in (
        (lambda: runs.plot(metric="lern"), "'learn'"),
        (lambda: runs.scatter("rat", "learn"), "'rate'"),
        (lambda: runs.curves("los"), "'loss'"),
        (lambda: runs.curves(over="stpe"), "'step'"),
    ):
        with pytest.raises(RunError) as raised:
            ask()
        assert f"Did you mean {hint}?" in raised.value.hint


def test_runs_that_agree_cannot_be_plotted(workspace: Path) -> None:
    learning()
    learning()
    with pytest.raises(RunError, match="Nothing to plot"):
        zenbook.runs().plot()


def test_ticks_are_round_and_within_the_scale() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert Scale(3.0, 3.0, 0, 1).ticks() == [3.0]
    for low, high in ((-1.3, 7.9), (1e-9, 2e-9), (99_990, 100_010), (0, 3)):
        ticks = Scale(low, high, 0, 1).ticks()
        assert 2 <= len(ticks) <= 7
        assert all(low - 1e-12 <= tick <= high * (1 + 1e-12) for tick in ticks)
