import base64
import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]

SETUP = """
import time
from zenbook.core.events import *
from zenbook.core.states import RunState, StepState
from zenbook.notebook.progress import NotebookProgress
from zenbook.display.run_view import RunView, StepView

def started(count, run="r1"):
    names = [f"step-{at}" for at in range(count)]
    view = RunView(run, "training", edges=tuple(zip(names, names[1:])), steps={name: StepView(name) for name in names})
    progress = NotebookProgress(view)
    progress.on_event(RunStarted(run))
    return progress

def step(progress, name, seconds=0.0, state=StepState.SUCCEEDED):
    run = progress.view.run
    progress.on_event(StepStarted(run, name))
    if seconds:
        time.sleep(seconds)
    progress.on_event(StepFinished(run, name, state, 1))

def ended(progress, state=RunState.SUCCEEDED, error=""):
    progress.on_event(RunFinished(progress.view.run, state, error))
"""


class Kernel(NotebookClient):
    """Runs cells in a real kernel and keeps what it said about displays, with the time."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.said.append((time.monotonic(), msg["msg_type"], msg["content"]))
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def executed(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def execute(*sources):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in (SETUP, *sources)])
        client = Kernel(notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(tmp_path)}})
        client.said = []
        client.execute()
        saved = nbformat.reads(nbformat.writes(notebook), as_version=4)
        return [cell.outputs for cell in saved.cells[1:]], client.said

    return execute


def svg(output):
    return base64.b64decode(
        re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', output.data["text/html"])[1]
    ).decode()


def test_a_quick_run_shows_one_final_picture_above_what_it_prints(executed):
    (outputs,), said = executed("p = started(3)\nprint('hi')\nfor at in range(3): step(p, f'step-{at}')\nended(p)")
    assert [kind for _, kind, _ in said] == ["display_data", "update_display_data"]
    assert not said[0][2]["data"]["text/html"]
    output, _ = outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"text/html", "text/plain"}
    assert output.data["text/plain"].startswith("training r1 succeeded in")
    assert svg(output).count('<use href="#succeeded"') == 3


def test_a_slow_run_is_one_output_updated_in_place(executed):
    (outputs,), said = executed(
        "p = started(4)\nfor at in range(4):\n    step(p, f'step-{at}', 0.2)\n    print('done', at)\nended(p)"
    )
    kinds = [kind for _, kind, _ in said]
    assert kinds[0] == "display_data"
    assert len(kinds) >= 4
    assert set(kinds[1:]) == {"update_display_data"}
    assert len({content["transient"]["display_id"] for _, _, content in said}) == 1
    displays = [one for one in outputs if one.output_type == "display_data"]
    assert len(displays) == 1
    assert "4 ran" in displays[0].data["text/plain"], "the saved notebook has the last state"
    assert svg(displays[0]).count('<use href="#succeeded"') == 4


def test_a_step_that_blocks_is_shown_while_it_runs_in_the_cell_that_runs_it(executed):
    (first, second), said = executed(
        "p = started(2)\nstep(p, 'step-0')\nstep(p, 'step-1', 1.0)\nended(p)",
        "'another cell'",
    )
    _, (shown_at, _, content), *_, (ended_at, _, _) = said
    assert "1 running" in content["data"]["text/plain"]
    assert ended_at - shown_at > 0.6, "shown about 0.15 s after the start, not at the end"
    assert len(first) == 1
    assert [one.output_type for one in second] == ["execute_result"]


def test_updates_are_throttled(executed):
    (outputs,), said = executed(
        "began = time.monotonic()\np = started(100)\nfor at in range(100): step(p, f'step-{at}', 0.01)\n"
        "ended(p)\nprint(time.monotonic() - began)"
    )
    seconds = float(outputs[-1].text)
    assert 3 <= len(said) <= 8 * seconds + 2, seconds


def test_a_failed_run_shows_its_error(executed):
    (outputs,), _ = executed(
        "p = started(2)\nstep(p, 'step-0', state=StepState.FAILED)\nstep(p, 'step-1', state=StepState.SKIPPED)\n"
        "ended(p, RunState.FAILED, 'ValueError: <x>')"
    )
    assert "ValueError: &lt;x&gt;" in outputs[0].data["text/html"]
    assert '<use href="#failed"' in svg(outputs[0])


def test_what_a_step_captures_does_not_hold_the_progress(executed):
    (outputs,), _ = executed(
        "from IPython.utils.capture import capture_output\n"
        "p = started(1)\n"
        "p.on_event(StepStarted('r1', 'step-0'))\n"
        "with capture_output() as captured:\n    display('mine')\n    time.sleep(0.4)\n"
        "p.on_event(StepFinished('r1', 'step-0', StepState.SUCCEEDED))\n"
        "ended(p)\n"
        "print(len(captured.outputs))"
    )
    display, printed = outputs
    assert display.output_type == "display_data"
    assert printed.text == "1\n"


def test_two_runs_in_one_cell_have_two_outputs(executed):
    (outputs,), _ = executed("for run in 'ab':\n    p = started(1, run)\n    step(p, 'step-0')\n    ended(p)")
    assert [one.data["text/plain"].split()[1] for one in outputs] == ["a", "b"]


def test_without_ipython_it_says_so():
    from zenbook.display.run_view import RunView
    from zenbook.notebook.progress import NotebookProgress

    with pytest.raises(RuntimeError, match="IPython"):
        NotebookProgress(RunView("r", "p"))
