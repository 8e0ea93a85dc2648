"""What the panels cost the page of a real JupyterLab, and what the history panel costs with many runs."""

from __future__ import annotations

import json
import statistics
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from benchmarks.figures import Figure, Result
from benchmarks.history_in_sql import _fill
from benchmarks.measuring import empty_folder, in_turns, seconds
from tests.notebook.lab import CHROMIUM, LabNotebook, browser, jupyterlab, write_notebook
from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
from zenbook.notebook.panels.history_rows import Newest, RunFilter, page, rows_of
from zenbook.stack.stack import OpenStack, open_stack

STEPS, CHANGES = 60, 500
READY = f"""%load_ext zenbook
import json, time
from zenbook import pipeline, step
from zenbook.core.events import *
from zenbook.core.states import StepState
from zenbook.notebook.panels.run_panel import RunPanel
from zenbook.display.run_view import RunView, StepView

@step(cache=False)
def node(*above):
    return 1

@pipeline
def sixty():
    made = []
    for at in range({STEPS}):
        made.append(node.options(name=f"node_{{at}}")(*made[-2:]))

names = [f"s{{at}}" for at in range({STEPS})]"""
NEW = """view = RunView("r", "many", edges=tuple(zip(names, names[1:])), steps={one: StepView(one) for one in names})
panel = RunPanel(view)
began = time.time()
panel.on_event(RunStarted("r"))
print(began)"""
CHANGE = f"""sizes = []
send = panel._widget.send
panel._widget.send = lambda message: (sizes.append(len(json.dumps(message))), send(message))
began = time.time()
for at in range({CHANGES}):
    name = names[at % {STEPS}]
    begins = at // {STEPS} % 2 == 0
    panel.on_event(StepStarted("r", name) if begins else StepFinished("r", name, StepState.SUCCEEDED, 1))
    #
panel.flush()
panel._widget.send = send
print(began, max(sizes), len(sizes))"""
RESET = 'for one in names: panel.on_event(StepFinished("r", one, StepState.CACHED))\npanel.flush()'
LAST = f"s{(CHANGES - 1) % STEPS}"
WATCH = """([name, state]) => { window.seen = 0; const watcher = new MutationObserver(() => {
    const boxes = document.querySelectorAll(`.zb-box[data-state="${state}"]`);
    if (name ? ![...boxes].some(box => box.dataset.step === name) : boxes.length !== 60) return;
    watcher.disconnect();
    requestAnimationFrame(() => { window.seen = Date.now() / 1000 });
}); watcher.observe(document.body, {subtree: true, childList: true, attributes: true}) }"""


def measure(*, runs: int = 100_000, repeats: int = 5) -> Result:
    """Milliseconds in the page and kB in the file; for the history also with ``runs`` runs."""
    with empty_folder() as folder:
        painted, coalesced, single, largest, grown = _in_the_page(folder, repeats) if CHROMIUM else (0.0,) * 5
    few, many = (_history(count, repeats) for count in (100, runs))
    return Result(
        "The panels in a browser",
        (
            Figure(f"first paint, {STEPS} steps, from the run's start", painted * 1e3, "ms", 500.0),
            Figure(
                f"{CHANGES} changes on {STEPS} steps, from the first to the last drawn", coalesced * 1e3, "ms", 500.0
            ),
            Figure("the same, each change sent by itself", single * 1e3, "ms"),
            Figure("largest message", largest, "bytes", 1000.0),
            Figure(f"what a run of {STEPS} steps adds to the file", grown / 1e3, "kB", 60.0),
            Figure(f"history: the newest page of {runs:,} runs", many["newest"] * 1e3, "ms"),
            Figure("the same, over that of 100 runs", many["newest"] / few["newest"], "×", 2.0),
            Figure("history: a look when nothing has changed", many["again"] * 1e3, "ms"),
            Figure("history: an older page", many["older"] * 1e3, "ms"),
            Figure("history: a page of those of one state", many["state"] * 1e3, "ms"),
            Figure("history: where and order in SQL, once it is mirrored", many["sql"] * 1e3, "ms"),
        ),
        "First paint holds the 150 ms for which a run shows nothing, in case it is over by then.",
    )


def _in_the_page(folder: Path, repeats: int) -> tuple[float, float, float, float, float]:
    by_itself = CHANGE.replace("    #\n", "    panel.flush()\n")
    write_notebook(folder / "book.ipynb", [READY, NEW, CHANGE, by_itself, RESET, "panel.end(None)", "sixty();"])
    with jupyterlab(folder) as url, browser() as tab:
        book = LabNotebook(tab, url, "book.ipynb")
        book.run(0)
        painted, coalesced, single, largest = [], [], [], 0.0
        for _ in range(repeats):
            painted.append(_until(book, tab, 1, "", "pending")[0])
            book.run(4)
            for cell, found in ((2, coalesced), (3, single)):
                took, said = _until(book, tab, cell, LAST, "running")
                found.append(took)
                largest = max(largest, float(said[1]))
                book.run(4)
                expect(book.root.locator(f".zb-box[data-step={LAST}]")).to_have_attribute("data-state", "cached")
            book.run(5)
        book.command("docmanager:save")
        before = (folder / "book.ipynb").stat().st_size
        book.run(6)
        book.command("docmanager:save")
        grown = (folder / "book.ipynb").stat().st_size - before
    return *(statistics.median(one) for one in (painted, coalesced, single)), largest, float(grown)


def _until(book: LabNotebook, tab: Page, cell: int, name: str, state: str) -> tuple[float, list[str]]:
    """Seconds from what a cell prints first until the page has drawn a state, and all that it prints."""
    tab.evaluate(WATCH, [name, state])
    book.run(cell)
    tab.wait_for_function("() => window.seen")
    said = book.root.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output pre").last.inner_text().split()
    return tab.evaluate("() => window.seen") - float(said[0]), said


def _history(runs: int, repeats: int) -> dict[str, float]:
    """Seconds of what the history panel asks, by name."""
    with empty_folder() as folder:
        (folder / ".zen").mkdir()
        with closing(sqlite_store(folder / ".zen" / "metadata.sqlite")) as store:
            _fill(store, 0, runs)
        stack = open_stack()
        followed = Newest(RunFilter())
        followed.look(stack)
        last = page(stack, RunFilter())[0][-1].id
        asked = RunFilter.from_message({"where": "params.p1 < 0.5", "order": "-m:m5"})
        page(stack, asked)
        turns = in_turns(
            {
                "newest": lambda _: seconds(lambda: Newest(RunFilter()).look(stack)),
                "again": lambda _: seconds(lambda: followed.look(stack)),
                "older": lambda _: seconds(lambda: _rows(stack, RunFilter(), last)),
                "state": lambda _: seconds(lambda: _rows(stack, RunFilter.from_message({"state": "succeeded"}))),
                "sql": lambda _: seconds(lambda: _rows(stack, asked)),
            },
            repeats,
        )
        return {name: turns[name] for name in turns.values}


def _rows(stack: OpenStack, wanted: RunFilter, before: str | None = None) -> Any:
    return json.dumps(rows_of(stack.metadata, page(stack, wanted, before)[0]))
