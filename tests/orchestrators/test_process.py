"""The worker, and the orchestrator that runs each step in it: the same outcome as in this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import pytest

from tests.scripts import SLOW, Started, run_script, write_script
from zenbook import find_run, log_metrics, pipeline, step
from zenbook.engine import worker
from zenbook.engine.launcher import create_pending_run
from zenbook.engine.run_ids import new_run_id
from zenbook.errors import RunError, StackError
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")


@step
def load(rows: int = 4) -> pd.DataFrame:
    print("loading", rows)
    return pd.DataFrame({"x": range(rows)})


@step
def split(frame: pd.DataFrame) -> tuple[Annotated[pd.DataFrame, "low"], Annotated[pd.DataFrame, "high"]]:
    return frame[frame.x < 2], frame[frame.x >= 2]


@step
def summary(low: pd.DataFrame, high: pd.DataFrame, scale: float) -> Annotated[float, "score"]:
    log_metrics(rows=len(low) + len(high))
    return float(low.x.sum() + high.x.sum()) * scale


@pipeline
def training(rows: int = 4, scale: float = 0.5) -> None:
    summary(*split(load(rows)), scale)


@step
def divide(x: int, by: int) -> float:
    return x / by


@pipeline
def dividing(by: int) -> None:
    divide(divide(1, by), 1)


def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_STACK_ORCHESTRATOR", "process")


def test_a_pipeline_in_processes_gives_what_it_gives_in_this_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = training()
    capsys.readouterr()
    in_processes(monkeypatch)
    there = training.options(cache=False)()
    assert there.state == "succeeded"
    for name, step_run in here.steps.items():
        other = there.steps[name]
        assert {out: (output.digest, output.format, output.type) for out, output in other.outputs.items()} == {
            out: (output.digest, output.format, output.type) for out, output in step_run.outputs.items()
        }
        assert (other.logs, other.metrics, other.params, other.inputs) == (
            step_run.logs,
            step_run.metrics,
            step_run.params,
            step_run.inputs,
        )
    assert there.metrics == here.metrics
    assert "loading 4" in capsys.readouterr().out
    assert {str(step_run.state) for step_run in training().steps.values()} == {"cached"}


def test_a_step_that_fails_in_its_process_says_so_here(monkeypatch: pytest.MonkeyPatch) -> None:
    in_processes(monkeypatch)
    with pytest.raises(RunError) as raised:
        dividing(0)
    run = find_run()
    assert raised.value.message == "Step 'divide' failed in its process: ZeroDivisionError: division by zero."
    assert f"zen show {run.id} divide" in raised.value.hint
    assert [str(step_run.state) for step_run in run.steps.values()] == ["failed", "skipped"]
    assert "return x / by" in run.steps["divide"].traceback
    assert "/zenbook/runs/" not in run.steps["divide"].traceback


@step
def kills_itself() -> int:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
    return 1


def test_a_worker_that_is_killed_is_a_crashed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    @pipeline
    def killing() -> None:
        divide(kills_itself(), 1)

    in_processes(monkeypatch)
    with pytest.raises(RunError, match=r"was killed \(SIGKILL\)"):
        killing()
    run = find_run()
    assert run.state == "failed"
    assert [str(step_run.state) for step_run in run.steps.values()] == ["crashed", "skipped"]


def test_a_worker_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_processes(monkeypatch)
    broken = tmp_path / "no-python"
    broken.write_text("#!/bin/sh\necho no such interpreter >&2\nexit 9\n")
    broken.chmod(0o755)
    (tmp_path / ".zen").mkdir()
    (tmp_path / ".zen" / "config.yaml").write_text(
        f"orchestrators:\n  process: {{flavour: process, python: {broken}}}\n"
    )
    with pytest.raises(RunError, match="ended with exit code 9: no such interpreter"):
        dividing(1)


def test_an_unknown_orchestrator_gets_close_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_STACK_ORCHESTRATOR", "proces")
    with pytest.raises(StackError) as raised:
        dividing(1)
    assert raised.value.hint == "Did you mean 'process'?"


def test_an_interrupt_ends_the_worker_too(workspace: Path) -> None:
    import signal

    with Started(write_script(workspace, SLOW), ZENBOOK_STACK_ORCHESTRATOR="process") as script:
        script.wait_for("waiting")
        script.process.send_signal(signal.SIGINT)
        script.end()
    run = find_run()
    assert run.state == "cancelled"
    assert run.steps["waits"].state == "cancelled"
    assert run.steps["waits"].attempt == 1
    assert run.steps["waits"].seconds is not None


# --- the worker itself ------------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path) -> tuple[Path, str]:
    """A plan's file and the id of its run, which nobody drives."""
    stack = open_stack()
    plan = dividing.plan(2)
    record = create_pending_run(plan, stack, process="")
    file = tmp_path / "plan.json"
    file.write_text(plan.to_json())
    return file, record.id


def test_the_worker_runs_one_step_after_the_other(plan: tuple[Path, str]) -> None:
    file, run = plan
    assert worker.main([str(file), "divide", "--run", run]) == 0
    assert worker.main([str(file), "divide_2", "--run", run]) == 0
    stored = open_stack().metadata.outputs([run])
    assert {output.step: json.loads(output.preview)["value"] for output in stored} == {"divide": 0.5, "divide_2": 0.5}


def test_a_step_whose_input_is_not_there_fails(plan: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    file, run = plan
    assert worker.main([str(file), "divide_2", "--run", run]) == 1
    assert "needs 'output' of step 'divide', which this run does not have" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "step", "run", "message"),
    [
        (None, "divied", None, "no step 'divied'.\nDid you mean 'divide'"),
        (None, "divide", "20200101-000000-000000", "Run '20200101-000000-000000' is not in"),
        (lambda text: "{", "divide", None, "This is not a zenbook plan"),
        (lambda text: "[]", "divide", None, "This is not a zenbook plan"),
        (lambda text: text.replace('"nodes"', '"nodez"'), "divide", None, "is damaged (KeyError: 'nodes')"),
        (lambda text: text.replace('"version":1', '"version":"x"'), "divide", None, "is damaged"),
        (lambda text: text.replace('"version":1', '"version":99'), "divide", None, "pip install -U zenbook"),
    ],
)
def test_bad_arguments_of_the_worker(
    plan: tuple[Path, str], capsys: pytest.CaptureFixture[str], edit, step: str, run: str | None, message: str
) -> None:
    file, of_plan = plan
    if edit is not None:
        file.write_text(edit(file.read_text()))
    assert worker.main([str(file), step, "--run", run or of_plan]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_a_plan_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert worker.main([str(tmp_path / "none.json"), "x", "--run", new_run_id()]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_step_that_fails_is_exit_code_1_with_the_users_traceback(tmp_path: Path, plan: tuple[Path, str]) -> None:
    file, run = plan
    file.write_text(file.read_text().replace('"by":2', '"by":0'))
    done = run_script(
        write_script(tmp_path, "from zenbook.engine.worker import main\nsys.exit(main(sys.argv[1:]))"),
        str(file), "divide", "--run", run,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ZeroDivisionError: division by zero")
    assert "zenbook/runs" not in done.stderr
    assert sys.executable
