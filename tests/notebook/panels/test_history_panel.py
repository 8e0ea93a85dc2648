"""The history panel in a real JupyterLab: each test is a scene, and leaves a screenshot beside its notebook."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.notebook.lab import LabNotebook
from tests.notebook.panels.scene import NEEDS_BROWSER, Scene, cell

pytestmark = NEEDS_BROWSER

STEPS = """import time
from pathlib import Path
from zenbook import log_metrics, pipeline, step

@step(cache=False)
def fit(lr: float, depth: int = 3):
    log_metrics(accuracy=1 - lr, loss=lr * 2)
    return lr

@step(cache=False)
def wait(name: str):
    while name and not Path(name).exists():
        time.sleep(0.02)

@step(cache=False)
def check(lr: float):
    if lr > 0.9:
        raise ValueError("it diverges")

@pipeline
def training(lr: float = 0.1, depth: int = 3, until: str = ""):
    fit(lr, depth)
    wait(until)
    check(lr)

@pipeline
def scoring(lr: float = 0.5):
    fit(lr)
"""
PAST = """import json
from zenbook.core.states import RunState
from zenbook.stack.records import Batch, MetricRecord, ParamRecord, RunRecord
from zenbook.stack.stack import open_stack

def make(count):
    store = open_stack().metadata
    metrics = []
    for at in range(count):
        run = f"20250101-{at // 3600:02}{at // 60 % 60:02}{at % 60:02}-aaaa00"
        state = RunState.FAILED if at % 10 == 3 else RunState.SUCCEEDED
        began = 1735689600.0 + at
        record = RunRecord(run, "nightly", "default", state, began, began, began + at % 7, "ValueError: no" if at % 10 == 3 else "")
        params = [ParamRecord(run, "", "seed", json.dumps(at))]
        store.create_run(record, steps=(), params=params, code=(), environment=None)
        metrics.append(MetricRecord(run, "", "score", 0, (at * 37 % 1000) / 1000, began))
    store.write(Batch(metrics=metrics))
"""
READY = "%load_ext zenbook\nimport zenbook\nfrom history_steps import *\n"
LAB_FILES = {"history_steps.py": STEPS, "past.py": PAST}
THREE = READY + "for lr in (0.1, 0.3):\n    training(lr)\nscoring();"


def own_workspace(scene: Scene) -> str:
    """Code that gives the notebook a workspace in which there are no runs."""
    return f"import os; os.environ['ZENBOOK_WORKSPACE'] = os.path.abspath('zen-{scene.name}/.zen')\n"


def opened(scene: Scene, code: str, *more: str) -> tuple[LabNotebook, Locator]:
    book = scene.open([own_workspace(scene) + code, "%zen panel runs", *more])
    book.done(0)
    book.run(1)
    panel = cell(book, 1).locator(".zb-history")
    expect(panel).to_be_visible()
    return book, panel


def rows(panel: Locator) -> Locator:
    return panel.locator("tr[data-run]")


def column(panel: Locator, key: str) -> list[str]:
    return panel.locator(f"td[data-key='{key}']").all_inner_texts()


def test_runs_appear_by_themselves_and_go_through_their_states(scene: Scene) -> None:
    start = "run = training.options(background=True)(lr=0.7, until='go')"
    book, panel = opened(scene, THREE, start)
    expect(rows(panel)).to_have_count(3)
    assert column(panel, "p:lr") == ["0.5", "0.3", "0.1"]
    book.run(2)
    expect(rows(panel)).to_have_count(4)
    newest = rows(panel).first
    expect(newest).to_have_attribute("data-state", "running")
    expect(newest.locator("[data-key='m:accuracy']")).to_have_text("0.3")
    scene.shot("history-live")
    scene.go()
    expect(newest).to_have_attribute("data-state", "succeeded")
    expect(newest.locator("[data-key=took]")).not_to_be_empty()


def test_filters_and_sorting(scene: Scene) -> None:
    _, panel = opened(scene, THREE + "\ntry:\n    training(0.95)\nexcept ValueError:\n    pass")
    expect(rows(panel)).to_have_count(4)
    panel.get_by_label("State", exact=True).select_option("failed")
    expect(rows(panel)).to_have_count(1)
    expect(rows(panel).locator("[data-key=state]")).to_have_attribute("title", "ValueError: it diverges")
    panel.get_by_label("State", exact=True).select_option("")
    expect(rows(panel)).to_have_count(4)
    panel.get_by_label("Pipeline", exact=True).fill("scoring")
    panel.get_by_label("Pipeline", exact=True).press("Enter")
    expect(rows(panel)).to_have_count(1)
    panel.get_by_label("Pipeline", exact=True).fill("")
    panel.get_by_label("Pipeline", exact=True).press("Enter")
    expect(rows(panel)).to_have_count(4)
    panel.get_by_label("Text", exact=True).fill("lr=0.3")
    expect(rows(panel)).to_have_count(1)
    expect(panel.locator(".zb-foot")).to_contain_text("1 of 4 loaded runs")
    panel.get_by_label("Text", exact=True).fill("")

    panel.get_by_role("button", name="accuracy").click()
    expect(panel.locator("td[data-key='m:accuracy']")).to_have_text(["0.9", "0.7", "0.5", "0.05"])
    expect(panel.get_by_role("columnheader", name="accuracy")).to_have_attribute("aria-sort", "descending")
    panel.get_by_role("button", name="lr").click()
    expect(panel.locator("td[data-key='p:lr']")).to_have_text(["0.95", "0.5", "0.3", "0.1"])
    panel.get_by_role("button", name="lr").click()
    expect(panel.locator("td[data-key='p:lr']")).to_have_text(["0.1", "0.3", "0.5", "0.95"])
    scene.shot("history-sorted")


def test_an_expression_filters_and_what_is_wrong_with_it_is_said_beside_it(scene: Scene) -> None:
    book, panel = opened(scene, THREE, "training(0.05);")
    expect(rows(panel)).to_have_count(3)
    where = panel.get_by_label("Where", exact=True)
    where.fill("metrics.accuracy > 0.6 and params.lr < 0.2")
    where.press("Enter")
    expect(rows(panel)).to_have_count(1)
    assert column(panel, "p:lr") == ["0.1"]
    scene.shot("history-where")
    book.run(2)  # what is run meanwhile appears if it is so
    expect(rows(panel)).to_have_count(2)
    where.fill("metrics.acuracy > 0.6")
    where.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("accuracy")
    expect(where).to_have_attribute("aria-invalid", "true")
    scene.shot("history-where-wrong")
    where.fill("")
    expect(rows(panel)).to_have_count(4)
    expect(panel.get_by_role("alert")).to_be_hidden()


def test_a_run_is_exported_and_the_line_that_does_it_is_shown(scene: Scene) -> None:
    _, panel = opened(scene, THREE)
    rows(panel).nth(1).locator("[data-key=pipeline]").click()
    panel.get_by_role("button", name="Export…").click()
    form = panel.get_by_role("form", name="Export the run")
    form.get_by_label("Export as").select_option("script")
    expect(form.get_by_label("Folder")).to_have_value("exports/training-script")
    form.get_by_label("Folder").fill("written")
    scene.page.keyboard.press("Enter")
    run = rows(panel).nth(1).get_attribute("data-run")
    expect(form.locator(".zb-did code")).to_have_text(f"%zen export script {run} --to written")
    scene.shot("history-export")
    (script,) = (scene.folder / "written").glob("*.py")
    assert "lr" in script.read_text()
    form.get_by_label("Folder").fill("")
    form.get_by_role("button", name="Export", exact=True).click()
    expect(form).to_contain_text("No folder given.")


def test_a_run_that_goes_on_is_opened_and_cancelled(scene: Scene) -> None:
    book, panel = opened(scene, READY + "run = training.options(background=True)(lr=0.7, until='never')")
    expect(rows(panel).first).to_have_attribute("data-state", "running")
    rows(panel).first.locator("[data-key=pipeline]").click()
    panel.get_by_role("button", name="Cancel run").click()
    expect(rows(panel).first).to_have_attribute("data-state", "cancelled")
    expect(panel.locator(".zb-box[data-step=wait]")).to_have_attribute("data-state", "cancelled")
    expect(cell(book, 1).locator(".jp-OutputArea-child")).to_have_count(1)


def test_two_ticked_runs_are_compared_and_one_is_opened(scene: Scene) -> None:
    _, panel = opened(scene, THREE)
    rows(panel).nth(1).get_by_role("checkbox").click()
    expect(panel.get_by_role("button", name="Compare")).to_be_disabled()
    rows(panel).nth(2).get_by_role("checkbox").click()
    expect(panel).to_contain_text("2 ticked")
    panel.get_by_role("button", name="Compare").click()
    compared = panel.get_by_role("region", name="Comparison of 2 runs")
    expect(compared).to_contain_text("accuracy")
    expect(compared).to_contain_text("0.3")
    scene.shot("history-compared")
    panel.get_by_role("button", name="Close the comparison").click()
    expect(compared).to_be_hidden()

    rows(panel).nth(1).locator("[data-key=pipeline]").click()
    run = panel.get_by_role("region", name=re.compile("^Run 2"))
    run.locator(".zb-box[data-step=fit]").click()
    run.get_by_role("tab", name="Parameters").click()
    expect(run).to_contain_text("depth3")
    scene.shot("history-opened")
    before = rows(panel).count()
    run.get_by_role("button", name="Resume").click()
    expect(panel.locator(".zb-note").first).to_contain_text("in the background")
    expect(rows(panel)).to_have_count(before + 1)
    expect(rows(panel).first).to_have_attribute("data-state", "succeeded", timeout=30_000)
    scene.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    run.get_by_role("button", name="Copy id").click()
    expect(panel.locator(".zb-note").first).to_contain_text("Copied 2")
    assert scene.page.evaluate("() => navigator.clipboard.readText()") == rows(panel).nth(2).get_attribute("data-run")


def test_delete_asks_and_names_a_stack_for_production(scene: Scene) -> None:
    production = "\n%zen stack register live --production\n%zen stack use live\n"
    ready, _, runs = THREE.partition("for lr")
    _, panel = opened(scene, ready + production + "for lr" + runs)
    expect(panel.locator(".zb-stack")).to_have_text("on live (production)")
    expect(rows(panel)).to_have_count(3)
    rows(panel).nth(0).get_by_role("checkbox").click()
    rows(panel).nth(2).get_by_role("checkbox").click()
    panel.get_by_role("button", name="Delete…").first.click()
    asked = panel.get_by_role("alertdialog")
    expect(asked).to_contain_text("Delete 2 runs")
    expect(asked).to_contain_text("The stack live is for production.")
    expect(asked.get_by_role("button", name="Keep them")).to_be_focused()
    scene.shot("history-delete")
    scene.page.keyboard.press("Escape")
    expect(asked).to_be_hidden()
    expect(rows(panel)).to_have_count(3)
    panel.get_by_role("button", name="Delete…").first.click()
    asked.get_by_role("button", name="Delete 2 runs").click()
    expect(rows(panel)).to_have_count(1)
    expect(panel.locator(".zb-note").first).to_contain_text("2 runs were deleted")
    expect(panel.locator(".zb-foot")).to_have_text(re.compile("^1 run"))


def test_a_switch_of_the_stack_shows_its_runs(scene: Scene) -> None:
    switch = "%zen stack register other\n%zen stack use other"
    book, panel = opened(scene, THREE, switch)
    expect(panel.locator(".zb-stack")).to_have_text("on default")
    book.run(2)
    expect(panel.locator(".zb-stack")).to_have_text("on other", timeout=4000)


def test_thousands_of_runs_are_paged_and_the_keyboard_is_enough(scene: Scene) -> None:
    _, panel = opened(scene, READY + "import past\npast.make(3000)")
    keys = scene.page.keyboard
    expect(panel.locator(".zb-foot")).to_contain_text("100 runs loaded, and there are older ones")
    assert rows(panel).count() < 60, "rows out of sight are not in the page"
    rows(panel).first.focus()
    newest = rows(panel).first.get_attribute("data-run")
    keys.press("ArrowDown")
    expect(rows(panel).nth(1)).to_be_focused()
    keys.press("Space")
    expect(rows(panel).nth(1)).to_have_attribute("aria-selected", "true")
    keys.press("End")
    expect(panel.locator(".zb-foot")).to_contain_text("200 runs loaded")
    expect(panel.locator("tr:focus")).to_have_attribute("aria-rowindex", "101")
    scene.shot("history-paged")
    for loaded in range(300, 1300, 100):
        keys.press("End")
        expect(panel.locator(".zb-foot")).to_contain_text(f"{loaded:,} runs loaded")
    assert rows(panel).count() < 60
    panel.get_by_role("button", name="score").click()
    expect(panel.locator(".zb-foot")).to_contain_text("sorted among these, and there are older ones")
    expect(rows(panel).first.locator("[data-key='m:score']")).to_have_text("0.999")
    panel.get_by_role("button", name="Load older").click()
    expect(panel.locator(".zb-foot")).to_contain_text("1,300 runs loaded")
    panel.get_by_role("button", name="Sort all").click()
    expect(panel.locator(".zb-foot")).to_contain_text("100 runs loaded, the first of all runs in this order")
    expect(panel.locator("[data-key='m:score']").nth(2)).to_have_text("0.999")
    panel.get_by_role("button", name="Load more").click()
    expect(panel.locator(".zb-foot")).to_contain_text("200 runs loaded")
    assert panel.locator("[data-key='m:score']").nth(4).inner_text() == "0.998"
    panel.get_by_role("button", name="score").click()
    expect(rows(panel).first.locator("[data-key='m:score']")).to_have_text("0")
    panel.get_by_role("button", name="score").click()
    expect(panel.locator(".zb-foot")).to_contain_text("100 runs loaded, and there are older ones")
    panel.get_by_role("button", name="score").click()
    panel.get_by_label("State", exact=True).select_option("failed")
    expect(panel.locator(".zb-foot")).to_contain_text("100 runs loaded")
    assert {one.strip() for one in column(panel, "state")} == {"failed"}
    panel.get_by_label("State", exact=True).select_option("")
    expect(rows(panel).first.locator("[data-key=state]")).to_have_text("succeeded")
    panel.get_by_role("button", name="score").click()
    panel.get_by_role("button", name="score").click()
    expect(rows(panel).first).to_have_attribute("data-run", newest or "")
    rows(panel).first.focus()
    keys.press("Enter")
    expect(panel.get_by_role("region", name=f"Run {newest}")).to_be_visible()


def sideways(page: Page) -> bool:
    return page.locator(".zb-history").evaluate("panel => panel.scrollWidth > panel.clientWidth + 1")


def test_columns_are_chosen_in_the_dark_and_in_a_narrow_column(scene: Scene) -> None:
    theme = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
    scene.page.goto(f"{scene.url}/lab")
    _, panel = opened(scene, THREE + "\ntry:\n    training(0.95)\nexcept ValueError:\n    pass")
    scene.page.evaluate(theme, "JupyterLab Dark")
    try:
        panel.get_by_text("Columns", exact=True).click()
        panel.get_by_label("error").check()
        panel.get_by_label("loss").uncheck()
        scene.shot("history-columns-dark")
        scene.page.keyboard.press("Escape")
        assert "ValueError: it diverges" in column(panel, "error")
        assert not column(panel, "m:loss")
        rows(panel).nth(1).get_by_role("checkbox").click()
        rows(panel).nth(2).get_by_role("checkbox").click()
        panel.get_by_role("button", name="Compare").click()
        expect(panel.get_by_role("region", name="Comparison of 2 runs")).to_contain_text("accuracy")
        scene.shot("history-dark")
        scene.page.set_viewport_size({"width": 560, "height": 1200})
        expect(rows(panel).first).to_be_visible()
        scene.shot("history-narrow")
        assert not sideways(scene.page)
    finally:
        scene.page.evaluate(theme, "JupyterLab Light")
