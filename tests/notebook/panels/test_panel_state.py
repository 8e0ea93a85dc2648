import json
import time
from itertools import pairwise

from zenbook.core.events import Measured, Progressed, RunStarted, StepFinished, StepStarted
from zenbook.core.states import StepState
from zenbook.display.run_view import RunView, StepView
from zenbook.notebook.panels.panel_state import Changes, description, everything, patches


def view_of(count: int) -> RunView:
    names = [f"step-{at}" for at in range(count)]
    view = RunView(
        "r1", "training", "default", {"rows": 5}, tuple(pairwise(names)), {name: StepView(name) for name in names}
    )
    view.on_event(RunStarted("r1", at=100.0))
    return view


def test_one_change_is_one_small_patch():
    view = view_of(60)
    view.on_event(StepStarted("r1", "step-7", at=101.5))
    (patch,) = patches(view, Changes(steps={"step-7"}), 100.0)
    assert patch == {"s": {"7": [StepState.RUNNING, 1.5, None, 1]}}


def test_all_that_there_is_comes_in_patches_of_less_than_a_kilobyte():
    view = view_of(200)
    for name in view.steps:
        view.on_event(StepStarted("r1", name, at=101.5))
        view.on_event(StepFinished("r1", name, StepState.FAILED, 1, error="ValueError: " + "x" * 5000))
    view.error = "y" * 5000
    found = list(patches(view, everything(view), 100.0))
    assert max(len(json.dumps(one)) for one in found) <= 1024
    assert {at for one in found for at in one.get("s", {})} == {str(at) for at in range(200)}
    assert {at for one in found for at in one.get("e", {})} == {str(at) for at in range(200)}


def test_progress_metrics_and_the_log_are_told():
    view = view_of(2)
    view.on_event(StepStarted("r1", "step-1"))
    view.on_event(Progressed("r1", "step-1", 3, 8, "epochs"))
    view.on_event(Measured("r1", "step-1", "loss", 0.25))
    changes = Changes(progress={"step-1"}, metrics=True, log_step="step-1", log=(4, "epoch 3"))
    (patch,) = patches(view, changes, 100.0)
    assert patch == {"p": {"1": [3, 8, "epochs"]}, "m": ["loss 0.25"], "l": [1, 4, "epoch 3"]}


def test_a_step_that_the_run_does_not_know_is_left_out():
    assert list(patches(view_of(1), Changes(steps={"stranger"}), 100.0)) == []


def test_the_description_of_sixty_steps_is_small_and_says_where_boxes_are():
    view = view_of(60)
    told = description(view, time.time())
    assert len(json.dumps(told)) < 20_000
    assert [one[0] for one in told["steps"]] == list(view.steps)
    assert told["facts"] == "on default · rows = 5"
    assert told["state"]["r"][0] == "running"
    assert set(told["state"]["s"]) == {str(at) for at in range(60)}
