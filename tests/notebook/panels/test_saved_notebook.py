"""What is left of the panels in the notebook's file, and what becomes of them when the page is loaded again."""

from __future__ import annotations

import nbconvert
import nbformat
from playwright.sync_api import Page, expect

from tests.notebook.lab import LabNotebook
from tests.notebook.panels.scene import NEEDS_BROWSER, STEPS, TRAINING, Scene, cell, ours, step_of

pytestmark = NEEDS_BROWSER

LAB_FILES = {"training_steps.py": STEPS}
CELLS = [
    TRAINING,
    "run = training.options(background=True)(wait='go')",
    "%zen panel",
    "%zen panel runs",
]


def with_panels(scene: Scene) -> LabNotebook:
    """A saved notebook that shows one of each panel, while its run goes on."""
    book = scene.open(CELLS)
    for number in (1, 2, 3):
        book.run(number)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    expect(cell(book, 2).get_by_role("img", name="works")).to_have_count(3)
    expect(cell(book, 3).locator("tr[data-run]").first).to_be_visible()
    book.command("docmanager:save")
    return book


def without_kernel(scene: Scene, name: str) -> LabNotebook:
    """A notebook as a reader opens it, and no kernel."""
    book = LabNotebook(scene.page, scene.url, name)
    scene.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    return book


def is_still(page: Page, book: LabNotebook) -> None:
    """Three pictures and nothing of a widget."""
    assert cell(book, 1).locator("img").evaluate("image => image.naturalWidth") > 100
    expect(cell(book, 1)).to_contain_text("training")
    expect(cell(book, 1)).to_contain_text("See its current state: %zen show")
    expect(cell(book, 2).locator("table")).to_contain_text("default")
    expect(cell(book, 3).locator("table")).to_contain_text("training")
    expect(book.root.locator(".zb-panel")).to_have_count(0)
    expect(page.locator(".jupyter-widgets, .jp-OutputArea-output[data-mime-type*=widget]")).to_have_count(0)
    assert "widget" not in book.root.locator(".jp-OutputArea-output").all_inner_texts()


def test_without_its_kernel_a_notebook_shows_pictures_whoever_opens_it(scene: Scene) -> None:
    with_panels(scene)
    file = scene.folder / f"{scene.name}.ipynb"
    saved = nbformat.read(file, as_version=4)
    shown = [one for each in saved.cells for one in each.outputs if one.output_type == "display_data"]
    assert len(shown) == 3
    assert all(set(one.data) == {"text/html", "text/plain"} for one in shown)
    assert "widgets" not in saved.metadata
    scene.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")

    is_still(scene.page, without_kernel(scene, file.name))
    scene.shot("stays-trusted")
    saved.cells[0].source += "\n# as somebody else sent it"
    nbformat.write(saved, scene.folder / "sent.ipynb")
    is_still(scene.page, without_kernel(scene, "sent.ipynb"))
    scene.shot("stays-untrusted")

    page, _ = nbconvert.HTMLExporter().from_notebook_node(saved)
    assert "widget-view" not in page
    (scene.folder / "page.html").write_text(page)
    scene.page.goto((scene.folder / "page.html").as_uri())
    expect(scene.page.locator("img[alt*=training]")).to_be_visible()
    scene.shot("stays-nbconvert")
    scene.complaints = ours(scene)  # nbconvert's page wants scripts from the internet
    scene.go()


def test_a_page_that_is_loaded_again_finds_the_panels_of_the_living_kernel(scene: Scene) -> None:
    with_panels(scene)
    again = LabNotebook(scene.page, scene.url, f"{scene.name}.ipynb")
    expect(step_of(again, "fit")).to_have_attribute("data-state", "running")
    step_of(again, "load").click()
    expect(cell(again, 1).locator(".zb-log")).to_have_text("read 500 rows\n")
    expect(cell(again, 2).get_by_role("img", name="works")).to_have_count(3)
    expect(cell(again, 3).locator("tr[data-run]").first).to_have_attribute("data-state", "running")
    scene.shot("loaded-again")
    scene.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    again.command("notebook:create-output-view")
    view = scene.page.locator(".jp-LinkedOutputView .zb-panel")
    expect(view.locator(".zb-box[data-step=fit]")).to_have_attribute("data-state", "running")
    scene.shot("shown-twice")
    scene.go()
    expect(view).to_have_count(0)
    expect(scene.page.locator(".jp-LinkedOutputView")).to_contain_text("4 ran")
