"""Workers: the processes that run the steps of orchestrators which don't run them in this one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from zenbook import find_run, pipeline, step
from zenbook.core.events import Listener
from zenbook.core.plan import Plan
from zenbook.engine.launcher import launch
from zenbook.engine.worker_pool import Worker, WorkerExit, run_command, run_in_workers
from zenbook.errors import RunError
from zenbook.stack.orchestrator import Orchestrator, Stores
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")


@step
def one() -> int:
    return 1


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def doubling() -> None:
    double(one())


class Counting(Orchestrator):
    """Takes note of its workers, and ends as it is told where it does not run them."""

    def __init__(self, shared: Path | None = None, ended: WorkerExit | None = None) -> None:
        self.shared, self.ended = shared, ended
        self.workers: list[Worker] = []

    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        run_in_workers(plan, run_id, stack, listener, use_cache=use_cache, start=self.start, shared=self.shared)

    def start(self, worker: Worker) -> WorkerExit:
        self.workers.append(worker)
        assert Plan.from_json(worker.plan.read_text(encoding="utf-8")).pipeline == "doubling"
        return self.ended or run_command([sys.executable, *worker.arguments], worker.variables)

    def describe(self) -> str:
        return "counting"


def run_on(orchestrator: Orchestrator, *, use_cache: bool = True) -> str:
    stack = open_stack().with_orchestrator(orchestrator)
    return launch(doubling.plan(), stack, use_cache=use_cache)


def test_each_worker_gets_all_that_it_needs(tmp_path: Path) -> None:
    counting = Counting(shared=tmp_path)
    run = run_on(counting, use_cache=False)
    assert [(one.step, one.run) for one in counting.workers] == [("one", run), ("double", run)]
    worker = counting.workers[0]
    assert worker.plan.is_relative_to(tmp_path)
    assert worker.arguments == (
        "-m", "zenbook.engine.worker", str(worker.plan), "one", "--run", run, "--stack", "default", "--no-cache",
    )  # fmt: skip
    assert worker.variables["ZENBOOK_WORKSPACE"] == str(tmp_path / ".zen")
    assert not worker.plan.exists()
    assert find_run().steps["double"].outputs["output"].load() == 2


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (WorkerExit(0), "its process ended with exit code 0"),
        (WorkerExit(9, "no such file"), "its process ended with exit code 9: no such file"),
        (WorkerExit(-signal.SIGKILL, "a line"), "its process was killed (SIGKILL)"),
        (WorkerExit(-50), "its process was killed (signal 50)"),
    ],
)
def test_a_worker_that_recorded_no_end_is_a_crashed_step(ended: WorkerExit, words: str) -> None:
    with pytest.raises(RunError) as raised:
        run_on(Counting(ended=ended))
    assert raised.value.message == f"Step 'one' crashed: {words}."
    assert "run out of memory" in raised.value.hint or ended.code >= 0
    run = find_run()
    assert [str(one.state) for one in run.steps.values()] == ["crashed", "skipped"]
    assert run.steps["one"].error == words


def test_a_command_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"'/no/such/python' could not be started: No such file or directory"):
        run_command(["/no/such/python"], {})


def test_a_command_shows_what_it_prints_and_its_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys; print('größer', os.environ['MINE']); print('last', file=sys.stderr); print(); sys.exit(3)"
    ended = run_command([sys.executable, "-c", code], {"MINE": "mine", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"})
    assert ended == WorkerExit(3, "last")
    assert capsys.readouterr().out == "größer mine\nlast\n\n"
    assert "MINE" not in os.environ
