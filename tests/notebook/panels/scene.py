"""A scene: one notebook in a real JupyterLab, played in headless Chromium. It leaves screenshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.notebook.lab import CHROMIUM, LabNotebook, write_notebook

NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="chromium is not installed (make test installs it where apt is usable)"
    ),
]
TRAINING = "%load_ext zenbook\nfrom training_steps import *\n"  # the steps are a module: the pictures show the panel
STEPS = """import time
from pathlib import Path
import zenbook
from zenbook import log_metrics, pipeline, step

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.02)

@step(cache=False)
def load(rows: int = 500):
    import numpy as np, pandas as pd
    print("read", rows, "rows")
    return pd.DataFrame({"x": np.arange(rows) / 4, "kind": ["a", "b"] * (rows // 2)})

@step(cache=False)
def features(df, scale: float = 2.0):
    return df["x"].to_numpy() * scale

@step(cache=False)
def fit(X, wait: str, epochs: int = 20):
    from sklearn.linear_model import LogisticRegression
    for epoch in zenbook.track(range(epochs), label="epochs"):
        print(f"epoch {epoch}: loss {1 / (epoch + 1):.4f}")
        log_metrics(loss=1 / (epoch + 1), step=epoch)
        if epoch == 12:
            wait_for(wait)
    return LogisticRegression(C=0.5)

@step(cache=False)
def evaluate(model, df):
    return 0.93

@step(cache=False)
def broken(model):
    raise ValueError("no such printer")

@pipeline
def training(rows: int = 500, wait: str = "go"):
    df = load(rows)
    evaluate(fit(features(df), wait), df)

@pipeline
def failing(wait: str = "go"):
    model = fit(features(load()), wait)
    broken(model)
"""


class Scene:
    """A notebook in JupyterLab, its folder, and where the pictures go."""

    def __init__(self, page: Page, url: str, folder: Path, shots: Path, name: str) -> None:
        self.page, self.url, self.folder, self.shots, self.name = page, url, folder, shots, name
        self.complaints: list[str] = []  # of the browser's console

    def open(self, cells: list[str]) -> LabNotebook:
        """Open a new notebook and run its first cell."""
        return self.open_file(f"{self.name}.ipynb", cells)

    def open_file(self, path: str, cells: list[str]) -> LabNotebook:
        """Open a new notebook of the folder that JupyterLab serves, and run its first cell."""
        write_notebook(self.folder / Path(path).name, cells)
        book = LabNotebook(self.page, self.url, path)
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        book.run(0)
        return book

    def shot(self, name: str) -> None:
        """Take a picture."""
        self.page.screenshot(path=self.shots / f"{name}.png")

    def go(self, name: str = "go") -> None:
        """Let the steps go on that wait for a file."""
        (self.folder / name).touch()


def cell(book: LabNotebook, number: int) -> Locator:
    return book.root.locator(".jp-CodeCell").nth(number)


def step_of(book: LabNotebook, name: str) -> Locator:
    return book.root.locator(f".zb-box[data-step={name}]")


def ours(scene: Scene) -> list[str]:
    """Complaints about the panel, where a front end has some of its own."""
    return [one for one in scene.complaints if "anywidget" in one or "zb-" in one or "blob:" in one]
