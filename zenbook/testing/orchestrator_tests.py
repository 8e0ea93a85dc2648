"""What an orchestrator promises, as tests."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zenbook.core.events import Event, Listener, RunFinished, StepFinished, StepStarted
from zenbook.core.plan import Plan
from zenbook.display.run_view import RunView
from zenbook.engine.launcher import launch
from zenbook.engine.progress_displays import stop_watching, watch_runs_with
from zenbook.engine.run_context import as_stored
from zenbook.errors import RunError
from zenbook.history.run import Run
from zenbook.history.runs import find_run
from zenbook.pipelines.pipeline import Pipeline
from zenbook.stack.orchestrator import Orchestrator
from zenbook.stack.stack import OpenStack, open_stack

_SAMPLE = "zenbook_sample"
_PATIENCE = 45.0  # seconds for a step to begin


@dataclass
class Heard:
    """The events that a listener was told, in order."""

    events: list[Event] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        """Take note."""
        self.events.append(event)

    @property
    def ends(self) -> list[StepFinished]:
        """The ends of steps."""
        return [one for one in self.events if isinstance(one, StepFinished)]


class OrchestratorTests:
    """Tests of an orchestrator: give the fixture ``orchestrator``.

    Each test has a workspace of its own with the stores of this machine, so the orchestrator's workers have to reach
    its files. Orchestrators whose steps run in other processes have a class of their own: `WorkerOrchestratorTests`.
    """

    @pytest.fixture
    def orchestrator(self) -> Any:
        """The orchestrator, to be given by the class that inherits."""
        raise NotImplementedError("give the fixture `orchestrator`: one of yours")

    @pytest.fixture
    def stack(self, orchestrator: Orchestrator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStack:
        """The stores of this machine in a new workspace, and the orchestrator."""
        for name in [one for one in os.environ if one.upper().startswith("ZENBOOK_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("ZENBOOK_WORKSPACE", str(tmp_path))
        return open_stack().with_orchestrator(orchestrator)

    @pytest.fixture
    def sample(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
        """Pipelines in a module of the user's own: a step of zenbook's would not travel."""
        folder = tmp_path / "project"
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("sample_pipelines.py"), folder / f"{_SAMPLE}.py")
        monkeypatch.syspath_prepend(str(folder))
        yield importlib.import_module(_SAMPLE)
        del sys.modules[_SAMPLE]

    @pytest.fixture
    def heard(self) -> Iterator[Heard]:
        """What the runs of the test tell their listeners."""
        told = Heard()

        def watcher(view: RunView) -> Listener:  # noqa: ARG001
            return told

        watch_runs_with(watcher)
        yield told
        stop_watching(watcher)

    # --- what succeeds ------------------------------------------------------------------------------------------

    def test_all_steps_run_in_order_and_pass_on_their_outputs(self, stack: OpenStack, sample: ModuleType) -> None:
        """With objects and parameters of the pipeline, prints and metrics."""
        run = _run(stack, sample.scoring, sample.Table([10, 20]), scale=2.0)
        assert run.state == "succeeded"
        assert {name: str(one.state) for name, one in run.steps.items()} == dict.fromkeys(
            ["load", "split", "score"], "succeeded"
        )
        assert run.steps["split"].outputs["odd"].load() == [1, 3]
        assert run.steps["score"].outputs["score"].load() == 64.0
        assert run.steps["score"].inputs.keys() == {"table", "even", "odd"}
        assert run.metrics == {"score": 64.0, "rows": 5.0}
        assert run.steps["load"].logs == "loading 5\n"
        times = [(one.record.started_at or 0.0, one.record.ended_at or 0.0) for one in run.steps.values()]
        assert all(start <= end for start, end in times)
        assert all(end <= start for (_, end), (start, _) in pairwise(times))

    def test_the_listener_hears_what_is_recorded(self, stack: OpenStack, sample: ModuleType, heard: Heard) -> None:
        """One end of each step, in order, after its start; with the outputs that the store has."""
        run = _run(stack, sample.scoring, sample.Table([1]))
        assert [one.step for one in heard.ends] == ["load", "split", "score"]
        _same_as_recorded(stack, run, heard)
        for name in run.steps:
            kinds = [type(one) for one in heard.events if getattr(one, "step", "") == name]
            assert StepStarted in kinds
            assert kinds.index(StepStarted) < kinds.index(StepFinished)
        assert isinstance(heard.events[-1], RunFinished)

    def test_one_run_after_another(self, stack: OpenStack, sample: ModuleType) -> None:
        """Nothing of the first is left over for the second."""
        for rows in (1, 2, 3):
            run = _run(stack, sample.scoring, sample.Table([]), rows=rows)
            assert run.steps["load"].outputs["output"].load() == [*range(rows)]

    def test_threads_run_pipelines_at_once(self, stack: OpenStack, sample: ModuleType) -> None:
        """As runs in the background do; each gets its own outputs and lines."""

        def run(rows: int) -> Run:
            return _run(stack, sample.scoring, sample.Table([rows]), rows=rows)

        with ThreadPoolExecutor(2) as pool:
            runs = [*pool.map(run, (2, 3))]
        for rows, one in zip((2, 3), runs, strict=True):
            assert one.state == "succeeded"
            assert one.steps["load"].outputs["output"].load() == [*range(rows)]
            assert one.steps["load"].logs == f"loading {rows}\n"

    # --- the cache ----------------------------------------------------------------------------------------------

    def test_what_is_unchanged_comes_from_the_cache(self, stack: OpenStack, sample: ModuleType, heard: Heard) -> None:
        """And what is not runs; the listener hears of both."""
        first = _run(stack, sample.scoring, sample.Table([1]), scale=1.0)
        heard.events.clear()
        run = _run(stack, sample.scoring, sample.Table([1]), scale=3.0)
        assert [str(one.state) for one in run.steps.values()] == ["cached", "cached", "succeeded"]
        assert run.steps["load"].record.cached_from == first.id
        assert run.steps["score"].outputs["score"].load() == 9.0
        _same_as_recorded(stack, run, heard)

    def test_without_the_cache_every_step_runs(self, stack: OpenStack, sample: ModuleType) -> None:
        """As `use_cache` says."""
        _run(stack, sample.scoring, sample.Table([1]))
        run = _run(stack, sample.scoring, sample.Table([1]), use_cache=False)
        assert {str(one.state) for one in run.steps.values()} == {"succeeded"}

    # --- what fails ---------------------------------------------------------------------------------------------

    def test_a_step_that_fails_ends_the_run(self, stack: OpenStack, sample: ModuleType, heard: Heard) -> None:
        """Its own exception is raised or a `RunError` that tells it; what came before is kept, the rest is skipped."""
        with pytest.raises((ZeroDivisionError, RunError), match="division by zero"):
            _run(stack, sample.dividing, by=0)
        run = find_run()
        assert run.state == "failed"
        assert "division by zero" in run.error
        assert [str(one.state) for one in run.steps.values()] == ["succeeded", "failed", "skipped"]
        assert "ZeroDivisionError" in run.steps["divide"].error
        assert "return x / by" in run.steps["divide"].traceback
        assert run.steps["count"].outputs["output"].load() == 3
        _same_as_recorded(stack, run, heard)

    def test_a_failed_run_goes_on_from_where_it_was(self, stack: OpenStack, sample: ModuleType, tmp_path: Path) -> None:
        """What succeeded is not run again."""
        file = str(tmp_path / "attempts")
        with pytest.raises((ConnectionError, RunError), match="attempt 3"):
            _run(stack, sample.trying, file, needed=4)
        failed = find_run()
        assert (failed.steps["tries"].state, failed.steps["tries"].attempt) == ("failed", 3)
        resumed = Run(failed.id, stack).resume()
        assert resumed.steps["tries"].outputs["output"].load() == 4

    def test_a_step_is_tried_as_often_as_it_says(
        self, stack: OpenStack, sample: ModuleType, heard: Heard, tmp_path: Path
    ) -> None:
        """And the attempt that succeeded is recorded."""
        run = _run(stack, sample.trying, str(tmp_path / "attempts"), needed=3)
        assert (run.steps["tries"].state, run.steps["tries"].attempt) == ("succeeded", 3)
        assert "attempt 2 failed" in run.steps["tries"].logs
        _same_as_recorded(stack, run, heard)

    # --- what is interrupted ------------------------------------------------------------------------------------

    def test_an_interrupt_cancels_the_run(
        self, stack: OpenStack, sample: ModuleType, heard: Heard, tmp_path: Path
    ) -> None:
        """Within seconds: the step that runs is cancelled, what follows is skipped, and nothing goes on."""
        begun = tmp_path / "begun"
        with _interrupted_when(begun), pytest.raises(KeyboardInterrupt):
            _run(stack, sample.waiting, str(begun))
        run = find_run()
        assert run.state == "cancelled"
        assert [str(one.state) for one in run.steps.values()] == ["succeeded", "cancelled", "skipped"]
        assert run.duration is not None
        assert run.duration.total_seconds() < _PATIENCE
        _same_as_recorded(stack, run, heard)

    # --- for people ---------------------------------------------------------------------------------------------

    def test_it_describes_itself_and_can_be_checked(self, orchestrator: Orchestrator) -> None:
        """Each in one line."""
        for line in (orchestrator.describe(), orchestrator.check()):
            assert line.strip()
            assert line.isprintable()


class WorkerOrchestratorTests(OrchestratorTests):
    """Tests of an orchestrator whose steps run in other processes than this."""

    def test_a_worker_that_is_gone_without_a_word_is_a_crashed_step(
        self, stack: OpenStack, sample: ModuleType, heard: Heard
    ) -> None:
        """The run says which step it was, and does not wait for ever."""
        with pytest.raises(RunError, match="vanishes"):
            _run(stack, sample.vanishing)
        run = find_run()
        assert run.state == "failed"
        assert [str(one.state) for one in run.steps.values()] == ["succeeded", "crashed", "skipped"]
        _same_as_recorded(stack, run, heard)

    def test_workers_open_this_very_stack(
        self, stack: OpenStack, sample: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever folder they start in, and whatever stack is active by then."""
        elsewhere = tmp_path / "elsewhere"
        (elsewhere / ".zen").mkdir(parents=True)
        monkeypatch.chdir(elsewhere)
        monkeypatch.delenv("ZENBOOK_WORKSPACE")
        run = Run(launch(_plan(stack, sample.scoring, sample.Table([1])), stack), stack)
        assert run.state == "succeeded"
        assert not (elsewhere / ".zen" / "metadata.sqlite").exists()


def _plan(stack: OpenStack, pipeline: Pipeline, *args: object, **kwargs: object) -> Plan:
    return pipeline._plan(stack, args, kwargs)


def _run(stack: OpenStack, pipeline: Pipeline, *args: object, use_cache: bool = True, **kwargs: object) -> Run:
    return Run(launch(_plan(stack, pipeline, *args, **kwargs), stack, use_cache=use_cache), stack)


def _same_as_recorded(stack: OpenStack, run: Run, heard: Heard) -> None:
    """Each step has one end, which is told and recorded alike."""
    told = {one.step: one for one in heard.ends if one.run == run.id}
    assert len(told) == len([one for one in heard.ends if one.run == run.id]), "a step's end was told twice"
    recorded = stack.metadata.steps([run.id])
    assert told.keys() == {one.name for one in recorded}
    for one in recorded:
        end = told[one.name]
        assert (end.state, end.attempt, end.error, end.why, end.cached_from, end.cache_key) == (
            *(one.state, one.attempt, one.error, one.why, one.cached_from, one.cache_key),
        )
        outputs = {row.name: as_stored(row).key for row in stack.metadata.outputs([run.id], one.name)}
        assert {name: stored.key for name, stored in end.outputs} == outputs


@contextmanager
def _interrupted_when(file: Path) -> Iterator[None]:
    """Interrupt this process, as Ctrl-C does, once a file is there."""
    over = threading.Event()

    def interrupt() -> None:
        until = time.monotonic() + _PATIENCE
        while not file.exists() and time.monotonic() < until and not over.wait(0.02):
            pass
        if file.exists() and not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
    waiting = threading.Thread(target=interrupt, daemon=True)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()
        signal.signal(signal.SIGINT, before)
