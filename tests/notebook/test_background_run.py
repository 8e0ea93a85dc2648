"""A background run in a notebook whose front end shows no widgets: pictures, as for any run."""

from __future__ import annotations

from pathlib import Path

from tests.notebook.kernels import Kernel

STEPS = """
import time
from pathlib import Path
from zenbook import find_run, pipeline, step

@step(cache=False)
def waits(file: str):
    print("from the step")
    while not Path(file).exists():
        time.sleep(0.02)
    return 1

@pipeline
def waiting(file: str = "go"):
    waits(file)
"""


def test_the_kernel_is_free_and_prints_stay_in_the_steps_log(k: Kernel, tmp_path: Path) -> None:
    k.run(STEPS)
    started = k.run("run = waiting.options(background=True)()\nrun.state")
    assert started.seconds < 5
    assert "from the step" not in k.run("time.sleep(0.5)\n'free'").text
    (tmp_path / "go").touch()
    ended = k.run("run.wait(60)\nprint(run.state, run.logs)")
    assert "succeeded from the step" in ended.text


def test_a_run_that_goes_on_elsewhere_is_shown_live_where_it_is_asked_for(k: Kernel, tmp_path: Path) -> None:
    k.run(STEPS)
    k.run(
        "run = waiting.options(background=True)()\nrun.steps['waits']\nwhile run.state == 'pending': time.sleep(0.02)"
    )
    shown = k.run("find_run('latest')\n", ok=True)
    assert not shown.of("result"), "the output is the live one"
    (tmp_path / "go").touch()
    ended = k.run("run.wait(60)\nrun")
    assert "succeeded" in ended.of("result")[0]["data"]["text/plain"]
    assert "text/html" in ended.of("result")[0]["data"]


def test_the_notebooks_own_pipeline_can_run_in_the_background(k: Kernel) -> None:
    k.run("%%step numbers\nxs = [1, 2, 3]")
    k.run("%%step total\nsum_of = sum(xs)")
    k.run("from zenbook.notebook.magics import steps_of")
    k.run("run = steps_of(get_ipython()).run({}, stack=None, cache=True, background=True).wait(60)")
    assert k.run("run.state.value").result == "'succeeded'"


def test_cancelling_a_background_run_leaves_the_kernel_alone(k: Kernel) -> None:
    k.run(STEPS)
    k.run("run = waiting.options(background=True)(file='never')\nwhile run.state == 'pending': time.sleep(0.02)")
    assert k.run("run.cancel()\nrun.wait(60).state.value").result == "'cancelled'"
