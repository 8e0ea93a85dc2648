"""The worker under its lasting name, ``python -m zenbook.runs.worker``, which exported pipelines hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import zenbook
from zenbook import pipeline, step
from zenbook.engine.launcher import create_pending_run
from zenbook.stack.stack import open_stack

IMPORTED = {
    "by name": "import zenbook.runs.worker",
    "its function": "from zenbook.runs.worker import main",
    "after the function": "import zenbook\nzenbook.runs\nimport zenbook.runs.worker",
    "the package alone": "from zenbook import runs\nimport zenbook.engine.worker",
}


@step
def kind_of_runs() -> str:
    import zenbook

    return type(zenbook.runs).__name__


@pipeline
def looking() -> None:
    kind_of_runs()


def test_it_runs_a_step_of_a_plan_in_which_runs_is_a_function(workspace: Path) -> None:
    stack = open_stack()
    plan = looking.plan()
    record = create_pending_run(plan, stack, process="")
    (workspace / "plan.json").write_text(plan.to_json())
    worker = [sys.executable, "-m", "zenbook.runs.worker", "plan.json", "kind_of_runs", "--run", record.id]
    done = subprocess.run(worker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert zenbook.find_run(record.id).steps["kind_of_runs"].outputs["output"].load() == "function"


@pytest.mark.parametrize("statements", IMPORTED.values(), ids=IMPORTED)
def test_runs_is_a_function_after_the_worker_was_imported(workspace: Path, statements: str) -> None:
    code = f"{statements}\nimport zenbook\nfrom zenbook import runs\nassert runs is zenbook.runs\nprint(zenbook.runs())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
