"""The history panel's Compare button in a real JupyterLab: all that a comparison shows, with its pictures."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.notebook.panels.scene import NEEDS_BROWSER, Scene
from tests.notebook.panels.test_history_panel import opened, rows

pytestmark = NEEDS_BROWSER

SWEEP = """import matplotlib.figure
import pandas as pd
from zenbook import log_metrics, pipeline, step

def scaled(x):
    return x * 2

@step
def fit(lr: float) -> pd.DataFrame:
    for epoch in range(5):
        log_metrics(loss=1 / (1 + epoch * lr), step=epoch)
    log_metrics(accuracy=1 - scaled(lr))
    return pd.DataFrame({"id": range(20), "x": [scaled(lr * place) for place in range(20)]})

@step
def draw(frame: pd.DataFrame) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure(figsize=(3, 2))
    figure.add_subplot().plot(frame["x"])
    return figure

@pipeline
def training(lr: float = 0.1):
    draw(fit(lr))

for lr in (0.1, 0.2, 0.3):
    training(lr)

def scaled(x):
    return x * 3

training(0.3)
"""
CELL = """%load_ext zenbook
import subprocess, sys
subprocess.run([sys.executable, "sweep.py"], check=True, stdout=subprocess.DEVNULL)"""
DRAWN = "one => one.complete && one.naturalWidth > 20 && one.getBoundingClientRect().width > 100"


def drawn(pictures: Locator, many: int) -> None:
    """All pictures have been decoded, and have room."""
    expect(pictures).to_have_count(many)
    for place in range(many):
        assert pictures.nth(place).evaluate(DRAWN), pictures.nth(place).get_attribute("alt")


def test_code_frames_figures_and_charts_are_compared_in_the_panel(scene: Scene) -> None:
    """The scene itself sees to it that the browser's console has no complaint."""
    (scene.folder / "sweep.py").write_text(SWEEP, encoding="utf-8")
    _, panel = opened(scene, CELL)
    for place in (0, 1):
        rows(panel).nth(place).get_by_role("checkbox").click()
    panel.get_by_role("button", name="Compare").click()
    two = panel.get_by_role("region", name="Comparison of 2 runs")
    for text in ("Metrics", "scaled was edited", "return x * 3", "19 changed", "draw.output"):
        expect(two).to_contain_text(text)
    drawn(two.locator("img[src^='data:image/png']"), 2)
    drawn(two.locator("img[src^='data:image/svg']"), 1)
    scene.shot("history-compared-two")

    for place in (2, 3):
        rows(panel).nth(place).get_by_role("checkbox").click()
    theme = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
    scene.page.evaluate(theme, "JupyterLab Dark")
    try:
        panel.get_by_role("button", name="Compare").click()
        four = panel.get_by_role("region", name="Comparison of 4 runs")
        expect(four).to_contain_text("scaled was edited")
        drawn(four.locator("img[src^='data:image/svg']"), 3)
        scene.shot("history-compared-four-dark")
    finally:
        scene.page.evaluate(theme, "JupyterLab Light")
