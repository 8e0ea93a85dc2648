"""What a user of JupyterLab sees, in a real browser."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.notebook.lab import CHROMIUM, LabNotebook, browser, jupyterlab, write_notebook

CELLS = [
    "%load_ext zenbook",
    """import time
from zenbook import pipeline, step

@step
def first():
    time.sleep(2)
    return 1

@step
def second(x):
    return x + 1

@pipeline
def training():
    second(first())

run = training()""",
    "%%step numbers\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('hello')",
    "%%step numbers\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('hello')",
    "%zen rusn",
    "%zen runs",
    """@step
def waits():
    time.sleep(60)

@pipeline
def long():
    waits()

long()""",
]


@pytest.mark.browser
def test_a_run_is_seen_while_it_goes_on_and_in_the_saved_notebook_without_a_kernel(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (make test installs it where apt is usable)")
    write_notebook(tmp_path / "book.ipynb", CELLS)
    with jupyterlab(tmp_path) as url, browser() as page:
        book = LabNotebook(page, url, "book.ipynb")
        book.run(0)
        book.run(1, wait=False)
        expect(book.output(1).first).to_contain_text("running", timeout=30_000)
        expect(book.output(1).first.locator("img")).to_be_visible()
        expect(book.output(1).first).to_contain_text("2 ran", timeout=30_000)
        assert book.output(1).count() == 1

        book.run(2)
        expect(book.root.locator(".jp-CodeCell").nth(2)).to_contain_text("hello")
        assert book.root.locator(".jp-CodeCell").nth(2).locator("img").count() == 1
        book.run(3)
        shown = book.root.locator(".jp-CodeCell").nth(3)
        expect(shown).to_contain_text("cached")
        expect(shown).to_contain_text("hello")
        assert shown.locator("img").count() == 1

        book.run(4)
        expect(book.output(4).first).to_contain_text("Did you mean 'run' or 'runs'?")
        book.run(5)
        expect(book.output(5).first).to_contain_text("training")

        book.run(6, wait=False)
        expect(book.output(6).first).to_contain_text("running", timeout=30_000)
        book.command("kernelmenu:interrupt")
        expect(book.output(6).first).to_contain_text("cancelled", timeout=5_000)
        book.idle()

        book.command("docmanager:save")
        saved = nbformat.read(tmp_path / "book.ipynb", as_version=4)
        (output,) = saved.cells[1].outputs
        assert set(output.data) == {"text/html", "text/plain"}
        assert "data:image/svg+xml;base64," in output.data["text/html"]
        assert "widgets" not in saved.metadata

        book.command("kernelmenu:shutdown", wait=False)
        page.context.clear_cookies()
        again = LabNotebook(page, url, "book.ipynb")  # what a reader of the file sees
        expect(again.output(1).first.locator("img")).to_be_visible()
