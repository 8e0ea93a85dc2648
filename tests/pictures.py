"""``make pictures``: the screenshots of README and documentation, taken again from a real JupyterLab."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.notebook.lab import CHROMIUM, FLAGS, LabNotebook, jupyterlab, write_notebook

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
FREQUENT, RARE = 192, 64  # colours of a palette, which keeps the files small
EDGE = 6  # px around what is shown
STEPS = '''"""Who is going to leave? Made-up customers, and a model."""
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

import zenbook
from zenbook import log_metrics, step

Frame = pd.DataFrame

@step
def load(rows: int = 5_000) -> Frame:
    draw = np.random.default_rng(1)
    months, calls = draw.integers(1, 72, rows), draw.poisson(2, rows)
    plan = draw.choice(["basic", "family", "business"], rows, p=[0.6, 0.3, 0.1])
    fee = np.round(draw.normal(30, 9, rows), 2)
    left = (calls * 0.5 - months * 0.03 + draw.normal(0, 0.8, rows)) > 0
    return Frame({"months": months, "plan": plan, "fee": fee, "calls": calls, "left": left})

@step
def split(customers: Frame, test_size: float = 0.25) -> tuple[Annotated[Frame, "train"], Annotated[Frame, "test"]]:
    cut = int(len(customers) * (1 - test_size))
    return customers[:cut], customers[cut:]

@step
def fit(train: Frame, lr: float = 0.1, epochs: int = 20):
    from sklearn.linear_model import SGDClassifier
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=lr, random_state=1)
    X, y = train[["months", "calls"]] / [72, 5], train["left"]
    for epoch in zenbook.track(range(epochs), label="epochs"):
        model.partial_fit(X[epoch::epochs], y[epoch::epochs], classes=[False, True])
        loss = float(-np.log(np.clip(model.predict_proba(X)[np.arange(len(y)), y.astype(int)], 1e-9, 1)).mean())
        print(f"epoch {epoch:2}: loss {loss:.4f}")
        log_metrics(loss=loss, step=epoch)
        time.sleep(0.02)
        if epoch == 12:
            while not Path("go").exists():
                time.sleep(0.02)
    if lr > 10:
        raise ValueError(f"the loss diverges with lr={lr}")
    return model

@step
def evaluate(model, test: Frame) -> Annotated[float, "accuracy"]:
    return float(model.score(test[["months", "calls"]] / [72, 5], test["left"]))

@step
def weights(model):
    return pd.Series(model.coef_[0], ["months", "calls"], name="weight")
'''
PIPELINE = """@pipeline
def training(rows: int = 5_000, lr: float = 0.1):
    train, test = split(load(rows))
    model = fit(train, lr=lr)
    return evaluate(model, test), weights(model)"""
READY = "%load_ext zenbook\nimport zenbook\nfrom zenbook import pipeline\nfrom steps import *\n"
MANY = """for lr in (0.3, 0.03, 0.01, 30, 0.1, 0.003):
    try:
        training(lr=lr, rows=2_000 if lr == 0.1 else 5_000)
    except ValueError:
        pass"""
STACKS = """import zenbook
zenbook.components.register("artifact_store", "shared", "local", path="/tmp/churn/shared")
zenbook.stacks.register("nightly", artifact_store="shared", production=True)"""


@dataclass(slots=True)
class Studio:
    """A page, the folder that its JupyterLab serves, and where pictures go."""

    page: Page
    url: str
    folder: Path

    def open(self, *cells: str) -> LabNotebook:
        """A new notebook whose first cell has run; the runs wait for a file."""
        write_notebook(self.folder / "churn.ipynb", list(cells))
        self.go(waiting=True)
        book = LabNotebook(self.page, self.url, "churn.ipynb")
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        book.run(0)
        return book

    def go(self, *, waiting: bool = False) -> None:
        """Let the runs go on, or wait."""
        (self.folder / "go").unlink(missing_ok=True) if waiting else (self.folder / "go").touch()

    def dark(self, *, on: bool) -> None:
        """Switch the theme."""
        theme = "JupyterLab Dark" if on else "JupyterLab Light"
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", theme)
        expect(self.page.locator(f"body[data-jp-theme-light={str(not on).lower()}]")).to_have_count(1)

    def take(self, name: str, first: Locator, last: Locator | None = None) -> None:
        """One picture, cropped to an element, or to all from one to another."""
        first.evaluate("element => element.scrollIntoView({block: 'center'})")
        self.page.mouse.move(0, 0)
        start, end = first.bounding_box(), (last or first).bounding_box()
        assert start is not None
        assert end is not None
        top, left = start["y"] - EDGE, start["x"] - EDGE
        right = max(one["x"] + one["width"] for one in (start, end)) + EDGE
        clip = {"x": left, "y": top, "width": right - left, "height": end["y"] + end["height"] + EDGE - top}
        shot = self.page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
        image = with_few_colours(Image.open(io.BytesIO(shot)).convert("RGB"))
        FOLDER.mkdir(exist_ok=True)
        image.save(FOLDER / f"{name}.png", optimize=True)


def with_few_colours(image: Image.Image) -> Image.Image:
    """The image with a palette: grounds and texts keep their colours, and small signs about theirs."""
    counted = sorted(image.getcolors(image.width * image.height) or [], reverse=True)
    palette = [part for _, colour in counted[:FREQUENT] for part in colour]
    rare = image.quantize(RARE, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    holder = Image.new("P", (1, 1))
    holder.putpalette([*palette, *rare[: 3 * RARE]])
    return image.quantize(palette=holder, dither=Image.Dither.NONE)


def a_run(studio: Studio) -> None:
    """``run``: while it goes on; ``step`` and ``step-dark``: one of its steps, opened."""
    book = studio.open(READY, PIPELINE, "run = training(lr=0.03)", "run = training(lr=0.1)")
    studio.go()
    for cell in (1, 2):
        book.run(cell)
    studio.go(waiting=True)
    book.run(3, wait=False)
    fit = book.root.locator(".zb-box[data-step=fit]")
    expect(fit).to_contain_text("60 %")
    cells = book.root.locator(".jp-CodeCell")
    cells.nth(2).evaluate("cell => { cell.style.display = 'none' }")
    book.root.locator(".jp-OutputArea-child:has(pre)").evaluate_all("all => all.forEach(one => one.remove())")
    studio.take("run", cells.nth(1), cells.nth(3))
    book.root.locator(".zb-box[data-step=split]").click()
    book.root.get_by_role("tab", name="Outputs").click()
    expect(book.root.locator(".zb-artifact table").first).to_be_visible()
    studio.take("step", book.root.locator(".zb-panel"))
    studio.dark(on=True)
    studio.take("step-dark", book.root.locator(".zb-panel"))
    studio.dark(on=False)
    studio.go()
    book.done(3)


def the_stacks(studio: Studio) -> None:
    """``stack``: another one is chosen; ``stack-form``: a component is registered, with a mistake."""
    book = studio.open("%load_ext zenbook\n" + STACKS, "%zen panel")
    book.run(1)
    panel = book.root.locator(".zb-stacks")
    panel.get_by_label("Stack", exact=True).select_option("nightly")
    panel.get_by_role("button", name="Check").click()
    expect(panel.get_by_role("img", name="works")).to_have_count(3)
    studio.take("stack", book.root.locator(".jp-CodeCell").nth(1))
    panel.get_by_role("button", name="Register a component").click()
    form = panel.get_by_role("form", name="Register a component")
    form.get_by_label("Kind", exact=True).select_option("metadata_store")
    form.get_by_label("Flavour", exact=True).select_option("mysql")
    form.get_by_label("Name *", exact=True).fill("prod-db")
    form.get_by_label("password", exact=True).fill("not shown")
    form.get_by_label("port", exact=True).fill("99999")
    studio.page.keyboard.press("Tab")
    expect(form).to_contain_text("less than or equal to 65535")
    studio.take("stack-form", form)


def the_history(studio: Studio) -> None:
    """``history``: runs, two of them ticked; ``history-dark``; ``compare``: the two side by side."""
    book = studio.open(READY + PIPELINE, MANY, "run = training.options(background=True)(lr=0.2)", "%zen panel runs")
    studio.go()
    book.run(1)
    studio.go(waiting=True)
    book.run(2)
    book.run(3)
    panel = book.root.locator(".zb-history")
    rows = panel.locator("tr[data-run]")
    expect(rows.first.locator("[data-key='m:loss']")).not_to_be_empty(timeout=30_000)
    for row in (4, 6):
        rows.nth(row).get_by_role("checkbox").click()
    studio.take("history", book.root.locator(".jp-CodeCell").nth(3))
    studio.dark(on=True)
    studio.take("history-dark", book.root.locator(".jp-CodeCell").nth(3))
    studio.dark(on=False)
    panel.get_by_role("button", name="Compare").click()
    compared = panel.get_by_role("region", name="Comparison of 2 runs")
    expect(compared).to_contain_text("accuracy")
    studio.take("compare", compared)
    studio.go()


SCENES: dict[Callable[[Studio], None], tuple[str, ...]] = {
    a_run: ("run", "step", "step-dark"),
    the_stacks: ("stack", "stack-form"),
    the_history: ("history", "history-dark", "compare"),
}
PICTURES = tuple(f"{name}.png" for names in SCENES.values() for name in names)


@contextmanager
def studio() -> Iterator[Studio]:
    """A JupyterLab on an empty folder, whose path is seen in a picture, and a page with sharp pixels."""
    folder = Path("/tmp/churn")  # it is seen in a picture, on every machine the same
    folder.mkdir()
    (folder / "steps.py").write_text(STEPS)
    try:
        with jupyterlab(folder) as url, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
            page = chromium.new_page(viewport={"width": 1000, "height": 1600}, device_scale_factor=1.5)
            page.set_default_timeout(30_000)
            yield Studio(page, url, folder)
            chromium.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Take all pictures, or those of the scenes that are named."""
    wanted = sys.argv[1:] or [scene.__name__ for scene in SCENES]
    with studio() as one:
        for scene, names in SCENES.items():
            if scene.__name__ in wanted:
                scene(one)
                for name in names:
                    print(f"docs/pictures/{name}.png", (FOLDER / f"{name}.png").stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
