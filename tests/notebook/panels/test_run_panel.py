"""The run panel in a real JupyterLab: each test is a scene, and leaves a screenshot beside its notebook."""

from __future__ import annotations

import contextlib
import re

import nbformat
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as NothingYet

from tests.notebook.lab import LabNotebook, write_notebook
from tests.notebook.panels.scene import NEEDS_BROWSER, STEPS, TRAINING, Scene, cell, ours, step_of

pytestmark = NEEDS_BROWSER

LAB_FILES = {"training_steps.py": STEPS}


def test_a_run_goes_through_its_states_and_leaves_a_picture(scene: Scene) -> None:
    book = scene.open([TRAINING, "run = training(rows=600)"])
    book.run(1, wait=False)
    panel = book.root.locator(".zb-panel")
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    expect(step_of(book, "load")).to_have_attribute("data-state", "succeeded")
    expect(step_of(book, "evaluate")).to_have_attribute("data-state", "pending")
    expect(step_of(book, "fit")).to_contain_text("running, 60 %")
    expect(panel.locator(".zb-tail")).to_contain_text("epoch 12: loss 0.0769")
    expect(panel.locator(".zb-counts")).to_contain_text("2 ran")
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "2")
    expect(panel.locator(".zb-time")).to_have_text(re.compile(r"^[1-9]\d* s$"))
    scene.shot("running")

    scene.go()
    book.done(1)
    output = cell(book, 1)
    expect(output).to_contain_text("4 ran")
    expect(output.locator("img")).to_be_visible()
    expect(book.root.locator(".zb-panel")).to_have_count(0)
    scene.shot("ended")
    book.command("docmanager:save")
    file = scene.folder / f"{scene.name}.ipynb"
    saved = nbformat.read(file, as_version=4)
    (picture,) = (one for one in saved.cells[1].outputs if one.output_type == "display_data")
    assert set(picture.data) == {"text/html", "text/plain"}
    assert len(picture.data["text/html"]) + len(picture.data["text/plain"]) < 60_000
    assert "widgets" not in saved.metadata

    scene.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    trusted = LabNotebook(scene.page, scene.url, file.name)
    expect(cell(trusted, 1).locator("img")).to_be_visible()
    saved.cells[0].source += "\n# as somebody else sent it"
    nbformat.write(saved, scene.folder / "sent.ipynb")
    sent = LabNotebook(scene.page, scene.url, "sent.ipynb")
    expect(cell(sent, 1).locator("img")).to_be_visible()
    assert cell(sent, 1).locator("img").evaluate("image => image.naturalWidth") > 100
    scene.shot("untrusted")


def test_a_click_on_a_step_opens_all_about_it_while_the_kernel_is_busy(scene: Scene) -> None:
    book = scene.open([TRAINING, "run = training(rows=600)"])
    book.run(1, wait=False)
    details = book.root.locator(".zb-details")
    step_of(book, "load").click()
    expect(details.locator(".zb-log")).to_have_text("read 600 rows\n")
    details.get_by_role("tab", name="Outputs").click()
    expect(details.locator("table")).to_contain_text("float64")
    expect(details).to_contain_text("600 × 2")
    scene.shot("outputs")
    details.get_by_role("tab", name="Parameters").click()
    expect(details).to_contain_text("rows600")
    details.get_by_role("tab", name="Code").click()
    expect(details).to_contain_text("def load(rows: int = 500):")
    scene.shot("code")

    step_of(book, "fit").click()
    expect(details.locator(".zb-pre")).to_contain_text("track(range(epochs)")
    details.get_by_role("tab", name="Inputs").click()
    expect(details).to_contain_text("from features.output")
    expect(details).to_contain_text("mean 149.8")
    details.get_by_role("tab", name="Log").click()
    expect(details.locator(".zb-log")).to_contain_text("epoch 12: loss 0.0769")
    scene.shot("log")
    scene.go()
    book.done(1)


def test_the_keyboard_is_enough(scene: Scene) -> None:
    book = scene.open([TRAINING, "run = training()"])
    book.run(1, wait=False)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    step_of(book, "load").focus()
    keys = scene.page.keyboard
    keys.press("ArrowRight")
    expect(step_of(book, "features")).to_be_focused()
    keys.press("Tab")
    expect(step_of(book, "fit")).to_be_focused()
    keys.press("ArrowLeft")
    expect(step_of(book, "features")).to_be_focused()
    scene.shot("focus")
    keys.press("Enter")
    details = book.root.locator(".zb-details")
    expect(details).to_contain_text("features")
    expect(details.get_by_role("tab", name="Log")).to_be_focused()
    keys.press("ArrowRight")
    expect(details.get_by_role("tab", name="Outputs")).to_be_focused()
    expect(details).to_contain_text("numpy.ndarray")
    keys.press("Escape")
    expect(details).to_be_hidden()
    expect(step_of(book, "features")).to_be_focused()
    assert step_of(book, "features").get_attribute("aria-label", timeout=1000).startswith("features: succeeded in")
    scene.go()
    book.done(1)


def test_cancel_stops_the_run_and_so_does_the_kernels_stop_button(scene: Scene) -> None:
    book = scene.open([TRAINING, "run = training(wait='stay')", "run = training(wait='stay')"])
    book.run(1, wait=False)
    # Python leaves a package half imported when its import is interrupted, and `load` imports one.
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    book.root.get_by_role("button", name="Cancel run").click()
    scene.shot("cancelling")
    book.done(1)
    expect(cell(book, 1)).to_contain_text("cancelled")
    expect(book.root.locator(".zb-panel")).to_have_count(0)
    book.run(2, wait=False)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    book.command("kernelmenu:interrupt")
    book.done(2)
    expect(cell(book, 2)).to_contain_text("1 cancelled")
    scene.shot("cancelled")


def test_where_the_kernel_hears_nothing_the_server_interrupts_it(scene: Scene) -> None:
    deaf = "from zenbook.notebook.panels import run_panel\nrun_panel.RunPanel.answer = lambda self, request: None"
    book = scene.open([TRAINING + deaf, "run = training(wait='stay')"])
    book.run(1, wait=False)
    # Python leaves a package half imported when its import is interrupted, and `load` imports one.
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    book.root.get_by_role("button", name="Cancel run").click()
    book.done(1)
    expect(cell(book, 1)).to_contain_text("cancelled")


def test_a_step_cell_has_a_small_panel_and_then_its_line(scene: Scene) -> None:
    prepare = "%%step prepare\nfor one in zenbook.track(range(10), label='files'):\n    if one == 4:\n        time.sleep(.2)\n    if one == 5:\n        wait_for('go')\nparts = 3"
    book = scene.open([TRAINING, prepare, "%%step stuck\nwait_for('stay')\nx = 1"])
    book.run(1, wait=False)
    panel = book.root.locator(".zb-panel.zb-small")
    expect(panel).to_contain_text("prepare")
    expect(panel.locator(".zb-tail")).to_contain_text("files 5 of 10")
    assert panel.locator(".zb-box").count() == 0
    scene.shot("step-cell")
    scene.go()
    book.done(1)
    expect(cell(book, 1)).to_contain_text("✓ prepare")
    expect(panel).to_have_count(0)

    book.run(2, wait=False)
    book.root.get_by_role("button", name="Cancel the step").click()
    book.done(2)
    expect(cell(book, 2)).to_contain_text("stuck · cancelled")
    scene.shot("step-cell-cancelled")


def test_a_failed_background_run_says_so(scene: Scene) -> None:
    book = scene.open([TRAINING, "run = failing.options(background=True)(wait='go')"])
    book.run(1)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    scene.go()
    output = cell(book, 1)
    expect(output).to_contain_text("no such printer")
    expect(output).to_contain_text("1 failed")
    scene.shot("failed")


def test_a_run_of_before_can_be_opened_again_with_all_its_details(scene: Scene) -> None:
    again = "from zenbook.notebook.panels.run_panel import open_panel\nopen_panel(run)"
    book = scene.open([TRAINING, "run = failing.options(background=True)(wait='go').wait(60)", again])
    scene.go()
    book.run(1)
    expect(cell(book, 1)).to_contain_text("no such printer", timeout=30_000)
    book.run(2)
    panel = cell(book, 2).locator(".zb-panel")
    expect(panel).to_contain_text("1 failed")
    expect(panel.get_by_role("button", name="Cancel run")).to_be_hidden()
    step_of(book, "broken").click()
    expect(panel.get_by_role("tab", name="Error")).to_have_attribute("aria-selected", "true")
    expect(panel.locator(".zb-body")).to_contain_text('raise ValueError("no such printer")')
    scene.shot("error")
    step_of(book, "fit").click()
    panel.get_by_role("tab", name="Outputs").click()
    expect(panel.locator(".zb-body")).to_contain_text("sklearn.LogisticRegression")
    expect(panel.locator(".zb-body")).to_contain_text("C0.5")
    scene.shot("model")


FIGURE = """
@step
def draw(points: int = 9):
    from matplotlib.figure import Figure
    figure = Figure(figsize=(4, 2))
    figure.subplots().plot([at * at for at in range(points)])
    return figure

@pipeline
def drawing():
    draw()
"""


def test_a_figure_is_previewed_and_the_reason_of_a_hit_is_told(scene: Scene) -> None:
    book = scene.open([TRAINING + FIGURE, "drawing()\ndrawing();", "%zen panel latest"])
    book.run(1)
    book.done(1)
    book.run(2)
    panel = cell(book, 2).locator(".zb-panel")
    panel.locator(".zb-box[data-step=draw]").click()
    expect(panel.locator(".zb-caption")).to_contain_text("cached · unchanged since run 2")
    panel.get_by_role("tab", name="Outputs").click()
    figure = panel.get_by_role("img", name="Figure output")
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.naturalWidth") > 100
    scene.shot("figure")


def test_a_background_run_leaves_the_kernel_free_and_is_found_again_after_a_restart(scene: Scene) -> None:
    book = scene.open(
        [
            TRAINING,
            "run = training.options(background=True)(wait='stay')",
            "training(wait='go').state",
            "print('free')",
            "import zenbook\n%load_ext zenbook\nzenbook.runs()[1]",
            "zenbook.runs()[1].state",
        ]
    )
    book.run(1)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    book.run(3)
    expect(cell(book, 3)).to_contain_text("free")
    book.run(2, wait=False)
    expect(book.root.locator(".zb-panel")).to_have_count(2)
    expect(book.root.locator(".zb-box[data-step=fit][data-state=running]")).to_have_count(2)
    scene.shot("two-runs")
    scene.go()
    book.done(2)
    expect(book.root.locator(".zb-panel")).to_have_count(1)

    book.restart()
    expect(book.root.locator(".zb-panel.zb-gone")).to_contain_text("The kernel has stopped")
    book.run(4)
    live = book.root.locator(".zb-panel:not(.zb-gone)")
    expect(live.locator("[data-step=fit]")).to_have_attribute("data-state", "running")
    live.locator("[data-step=fit]").click()
    expect(live.locator(".zb-log")).to_contain_text("epoch 12")
    scene.shot("found-again")
    live.get_by_role("button", name="Cancel run").click()
    expect(cell(book, 4)).to_contain_text("cancelled")
    expect(live).to_have_count(0)
    book.run(5)
    expect(cell(book, 5)).to_contain_text("CANCELLED")


SIXTY = """
@step(cache=False)
def node(*xs, wait: str = ""):
    if wait:
        wait_for(wait)
    return 1

@pipeline
def sixty():
    import random
    chance = random.Random(3)
    layers, made = [], []
    for layer in range(12):
        above = layers[-1] if layers else []
        layers.append([node.options(name=f"node_{layer}_{at}")(*chance.sample(above, min(2, len(above))), wait="go" if (layer, at) == (7, 2) else "") for at in range(5)])
"""


def sideways(page: Page) -> bool:
    """Whether the panel, and not the graph within it, is wider than its place."""
    return page.locator(".zb-panel").evaluate("panel => panel.scrollWidth > panel.clientWidth + 1")


def test_sixty_steps_stay_readable_in_the_dark_and_in_a_narrow_column(scene: Scene) -> None:
    book = scene.open([TRAINING + SIXTY, "run = sixty()"])
    theme = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
    scene.page.evaluate(theme, "JupyterLab Dark")
    try:
        book.run(1, wait=False)
        running = book.root.locator(".zb-box[data-state=running]")
        expect(running).to_have_count(1)
        expect(running).to_be_in_viewport()
        scene.shot("sixty-dark")
        scene.page.set_viewport_size({"width": 640, "height": 1200})
        expect(running).to_be_visible()
        scene.shot("sixty-narrow")
        assert not sideways(scene.page)
        book.root.get_by_role("button", name="Fit to the width").click()
        graph = scene.page.locator(".zb-panel .zb-scroll")
        assert graph.evaluate("frame => frame.scrollWidth <= frame.clientWidth + 1")
        scene.shot("sixty-fit")
        scene.go()
        book.done(1)
        expect(cell(book, 1)).to_contain_text("60 ran")
        scene.shot("sixty-ended")
    finally:
        scene.page.evaluate(theme, "JupyterLab Light")


def test_at_two_hundred_percent_nothing_is_cut_off(scene: Scene) -> None:
    chromium = scene.page.context.browser
    assert chromium is not None
    # What a browser's zoom does to a window of 1100 x 1400: half the room, twice the pixels.
    scene.page = chromium.new_page(viewport={"width": 550, "height": 700}, device_scale_factor=2)
    try:
        book = scene.open([TRAINING, "run = training()"])
        book.run(1, wait=False)
        expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
        step_of(book, "load").click()
        book.root.get_by_role("tab", name="Outputs").click()
        expect(book.root.locator(".zb-artifact table")).to_be_visible()
        book.root.locator(".zb-panel").evaluate("panel => panel.scrollIntoView()")
        scene.shot("zoomed")
        assert not sideways(scene.page)
        scene.go()
        book.done(1)
    finally:
        scene.page.close()


MANY = """
import time
from zenbook.core.events import *
from zenbook.core.states import StepState
from zenbook.notebook.panels.run_panel import RunPanel
from zenbook.display.run_view import RunView, StepView
names = [f"s{at}" for at in range(60)]
view = RunView("r", "many", edges=tuple(zip(names, names[1:])), steps={one: StepView(one) for one in names})
panel = RunPanel(view)
panel.on_event(RunStarted("r"))
"""


def test_a_new_panel_paints_all_its_boxes_at_once(scene: Scene) -> None:
    again = MANY.partition("names =")
    book = scene.open([TRAINING + MANY, "panel.end(None)\n" + again[1] + again[2]])
    expect(book.root.locator(".zb-box")).to_have_count(60)
    watch = """() => { window.counts = new Set(); new MutationObserver(() => {
        window.counts.add(document.querySelectorAll(".jp-CodeCell")[1].querySelectorAll(".zb-box").length);
    }).observe(document.body, {subtree: true, childList: true}) }"""
    scene.page.evaluate(watch)
    book.run(1)
    boxes = cell(book, 1).locator(".zb-box")
    expect(boxes).to_have_count(60)
    assert set(scene.page.evaluate("() => [...window.counts]")) <= {0, 60}, "the graph was seen half drawn"
    names = scene.page.evaluate("() => [...document.querySelectorAll('.zb-box')].map(box => box.dataset.step)")
    assert names == [f"s{at}" for at in range(60)]
    places = boxes.evaluate_all("boxes => boxes.map(box => box.getAttribute('transform'))")
    assert len(set(places)) == 60


def test_five_hundred_changes_arrive_in_small_messages(scene: Scene) -> None:
    change = """import json
sizes = []
send = panel._widget.send
panel._widget.send = lambda message: (sizes.append(len(json.dumps(message))), send(message))
for at in range(500):
    name = names[at % 60]
    panel.on_event(StepStarted("r", name) if at // 60 % 2 == 0 else StepFinished("r", name, StepState.SUCCEEDED, 1))
    panel.flush()
panel._widget.send = send
print(len(sizes), max(sizes))"""
    book = scene.open(
        [TRAINING + MANY, change, "[panel.on_event(StepFinished('r', one, StepState.CACHED)) for one in names];"]
    )
    expect(book.root.locator(".zb-box")).to_have_count(60)
    watch = """() => {
        const seen = window.seen = [];
        const watcher = new MutationObserver(() => seen.push(performance.now()));
        watcher.observe(document.querySelector(".zb-panel svg[role=group]"), {subtree: true, attributes: true});
    }"""
    for _ in range(3):
        scene.page.evaluate(watch)
        book.run(1)
        expect(step_of(book, "s19")).to_have_attribute("data-state", "running")
        assert scene.page.evaluate("() => window.seen.length") > 0
        sent, largest = map(int, cell(book, 1).locator(".jp-OutputArea-output").last.inner_text().split())
        assert sent >= 500
        assert largest <= 1000
        book.run(2)


LOG = """
@step(cache=False)
def talks(lines: int):
    for one in range(lines):
        print("line", one)
    wait_for("go")

@pipeline
def talking(lines: int):
    talks(lines)
"""


def test_a_log_of_a_hundred_thousand_lines_is_loaded_on_demand(scene: Scene) -> None:
    book = scene.open([TRAINING + LOG, "run = talking.options(background=True)(lines=100_000)"])
    book.run(1)
    expect(step_of(book, "talks")).to_have_attribute("data-state", "running", timeout=30_000)
    step_of(book, "talks").click()
    log = book.root.locator(".zb-log")
    expect(log).to_contain_text("line 99999", timeout=30_000)
    assert log.evaluate("log => log.textContent.split('\\n').length") < 2100
    scene.shot("long-log")
    before = int(log.inner_text().split()[1])
    book.root.get_by_role("button", name="Load earlier lines").click()
    expect(log).to_contain_text(f"line {before - 1}\n")
    scene.go()
    expect(cell(book, 1)).to_contain_text("1 ran")


def test_a_progress_bar_in_a_step_is_one_line(scene: Scene) -> None:
    bars = """
@step(cache=False)
def slow():
    from tqdm import tqdm
    for one in tqdm(range(40), desc="rows", ncols=60, mininterval=0):
        time.sleep(0.01)
        if one == 20:
            wait_for("go")

@pipeline
def bars():
    slow()
"""
    book = scene.open([TRAINING + bars, "run = bars()", "print(repr(run.logs))"])
    book.run(1, wait=False)
    expect(step_of(book, "slow")).to_contain_text("running, 50 %")
    expect(book.root.locator(".zb-tail .zb-line")).to_have_count(1)
    scene.shot("tqdm")
    scene.go()
    book.done(1)
    book.run(2)
    expect(cell(book, 2)).to_contain_text("40/40")
    assert cell(book, 2).inner_text().count("rows:") == 1


def test_a_busy_kernel_that_hears_nothing_says_so_in_the_details(scene: Scene) -> None:
    deaf = "from zenbook.notebook.panels import run_panel\nrun_panel.RunPanel.answer = lambda self, request: None"
    book = scene.open([TRAINING + deaf, "run = training()"])
    book.run(1, wait=False)
    step_of(book, "fit").click()
    details = book.root.locator(".zb-details")
    expect(details.locator(".zb-log")).to_contain_text("epoch 12: loss 0.0769")
    details.get_by_role("tab", name="Outputs").click()
    expect(details).to_contain_text("The kernel is busy")
    scene.go()
    book.done(1)


def test_notebook_7_shows_the_same_panels(scene: Scene) -> None:
    cells = [TRAINING, "%zen panel", "%zen panel runs", "run = training(wait='stay')"]
    write_notebook(scene.folder / "seven.ipynb", cells)
    page = scene.page
    page.goto(f"{scene.url}/notebooks/seven.ipynb")
    page.locator(".jp-CodeCell").nth(3).wait_for()
    indicator = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(indicator).to_have_attribute("data-status", "idle", timeout=60_000)  # without a kernel, Run does nothing
    begun = page.locator(".jp-CodeCell .jp-InputArea-prompt").filter(has_text=re.compile(r"\[[*\d]"))
    for _ in range(5):  # until the session is there, which this page does not tell, Run does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        with contextlib.suppress(NothingYet):
            begun.first.wait_for(timeout=5_000)
            break
    expect(page.locator(".zb-box[data-step=fit]")).to_have_attribute("data-state", "running", timeout=30_000)
    page.locator(".zb-box[data-step=load]").click()
    expect(page.locator(".zb-log")).to_have_text("read 500 rows\n")
    expect(page.locator(".zb-stacks").get_by_role("img", name="works")).to_have_count(3)
    newest = page.locator(".zb-history tr[data-run]").first
    expect(newest).to_have_attribute("data-state", "running")
    scene.shot("notebook-7")
    page.get_by_role("button", name="Cancel run").click()
    expect(page.locator(".jp-CodeCell").nth(3)).to_contain_text("1 cancelled")
    expect(newest).to_have_attribute("data-state", "cancelled")
    scene.complaints = ours(scene)  # it has no file browser, and says so


def test_voila_shows_the_picture_and_the_tables(scene: Scene) -> None:
    write_notebook(scene.folder / "served.ipynb", [TRAINING, "%zen panel", "run = training()", "%zen panel runs"])
    scene.go()
    scene.page.goto(f"{scene.url}/voila/render/served.ipynb")
    picture = scene.page.locator("img[alt*=training]")
    expect(picture).to_be_visible(timeout=60_000)
    expect(scene.page.locator("body")).to_contain_text("4 ran", timeout=60_000)
    expect(scene.page.locator("table").first).to_contain_text("default")
    expect(scene.page.locator("table").last).to_contain_text("succeeded")
    scene.shot("voila")
    scene.complaints = ours(scene)  # it wants fonts from the internet, and extensions that are not for it
