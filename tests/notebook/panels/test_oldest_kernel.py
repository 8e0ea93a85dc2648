"""The oldest ipykernel that is supported: one notebook, in a kernel alone and in JupyterLab."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.notebook.kernels import kernel
from tests.notebook.lab import CHROMIUM, LabNotebook, write_notebook
from tests.notebook.panels.scene import STEPS, TRAINING, Scene, cell, step_of

ROOT = Path(__file__).resolve().parents[3]
OLDEST = ROOT / ".cache" / "ipykernel-oldest"
KERNEL = {
    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "oldest",
    "language": "python",
    "env": {"PYTHONPATH": str(OLDEST)},
}
LAB_FILES = {"training_steps.py": STEPS, ".jupyter/data/kernels/oldest/kernel.json": json.dumps(KERNEL)}

pytestmark = pytest.mark.skipif(
    not (OLDEST / ".zenbook-version").exists(), reason="the oldest ipykernel is not installed (make ipykernel)"
)


def opened(scene: Scene, *cells: str) -> LabNotebook:
    write_notebook(scene.folder / f"{scene.name}.ipynb", [TRAINING, *cells], "oldest")
    book = LabNotebook(scene.page, scene.url, f"{scene.name}.ipynb")
    book.run(0)
    return book


def test_steps_cells_runs_and_the_stop_button_work_on_it(tmp_path: Path) -> None:
    (tmp_path / "training_steps.py").write_text(STEPS)
    (tmp_path / "go").touch()
    with kernel(tmp_path, PYTHONPATH=str(OLDEST)) as old:
        version = (OLDEST / ".zenbook-version").read_text().strip()
        assert old.run("import ipykernel; ipykernel.__version__").result.strip("'").startswith(version)
        old.run(TRAINING)
        done = old.run("run = training()\nrun.state, run.metrics")
        assert "0.93" in done.text
        old.run("%%step numbers\ntotal = sum(range(5))")
        assert old.run("total").result == "10"
        message = old.start("training(wait='never')")
        old.until(message, "epoch 12")
        old.interrupt()
        assert old.finish(message).error == "KeyboardInterrupt"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (make test installs it where apt is usable)")
def test_the_panel_is_live_cancels_and_says_that_the_kernel_answers_later(scene: Scene) -> None:
    book = opened(scene, "run = training(wait='stay')", "%zen panel runs")
    book.run(1, wait=False)
    expect(step_of(book, "fit")).to_have_attribute("data-state", "running")
    step_of(book, "load").click()
    details = book.root.locator(".zb-details")
    details.get_by_role("tab", name="Outputs").click()
    expect(details).to_contain_text("This kernel cannot respond while a cell is running")
    step_of(book, "fit").click()
    details.get_by_role("tab", name="Log").click()
    expect(details.locator(".zb-log")).to_contain_text("epoch 12: loss 0.0769")
    step_of(book, "features").click()
    expect(details.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    expect(details).to_contain_text("This kernel cannot respond while a cell is running")
    scene.shot("oldest-kernel")
    book.root.get_by_role("button", name="Cancel run").click()
    book.done(1)
    expect(cell(book, 1)).to_contain_text("1 cancelled")
    book.run(2)
    panel = cell(book, 2).locator(".zb-history")
    panel.locator("tr[data-run] [data-key=pipeline]").click()
    run = panel.get_by_role("region", name=re.compile("^Run 2"))
    run.locator(".zb-box[data-step=load]").click()
    expect(run.locator(".zb-log")).to_have_text("read 500 rows\n")
