"""The conformance tests of orchestrators."""

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
_PATIENCE = 45.0  # seconds in which a step must start


@dataclass
class RecordingListener:
    """A listener that keeps the events in their order."""

    events: list[Event] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        """Keep an event.

        Args:
            event: The event.
        """
        self.events.append(event)

    @property
    def ends(self) -> list[StepFinished]:
        """The events that a step has ended."""
        return [event for event in self.events if isinstance(event, StepFinished)]


class OrchestratorTests:
    """Tests of an orchestrator. The class that inherits has a fixture ``orchestrator``.

    Each test has its own workspace with stores on this machine, so the orchestrator's workers must be able to read
    files of this machine. For orchestrators whose steps run in other processes there is `WorkerOrchestratorTests`.
    """

    @pytest.fixture
    def orchestrator(self) -> Any:
        """The orchestrator. The class that inherits overrides this fixture."""
        raise NotImplementedError("Define the fixture `orchestrator`: it returns an orchestrator of yours.")

    @pytest.fixture
    def stack(self, orchestrator: Orchestrator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStack:
        """A stack of the orchestrator and the stores of a new workspace."""
        for name in [variable for variable in os.environ if variable.upper().startswith("ZENBOOK_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("ZENBOOK_WORKSPACE", str(tmp_path))
        return open_stack().with_orchestrator(orchestrator)

    @pytest.fixture
    def sample(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
        """Pipelines in a module of the user, since functions of zenbook are not captured."""
        folder = tmp_path / "project"
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("sample_pipelines.py"), folder / f"{_SAMPLE}.py")
        monkeypatch.syspath_prepend(str(folder))
        yield importlib.import_module(_SAMPLE)
        del sys.modules[_SAMPLE]

    @pytest.fixture
    def listener(self) -> Iterator[RecordingListener]:
        """A listener of all runs of the test."""
        recording = RecordingListener()

        def watcher(view: RunView) -> Listener:  # noqa: ARG001
            return recording

        watch_runs_with(watcher)
        yield recording
        stop_watching(watcher)

    # --- runs that succeed ---------------------------------------------------------------------------------------

    def test_all_steps_run_in_order_and_pass_on_their_outputs(self, stack: OpenStack, sample: ModuleType) -> None:
        """The pipeline has objects and parameters, and its steps print and log metrics."""
        run = _run(stack, sample.scoring, sample.Table([10, 20]), scale=2.0)
        assert run.state == "succeeded"
        assert {name: str(step.state) for name, step in run.steps.items()} == dict.fromkeys(
            ["load", "split", "score"], "succeeded"
        )
        assert run.steps["split"].outputs["odd"].load() == [1, 3]
        assert run.steps["score"].outputs["score"].load() == 64.0
        assert run.steps["score"].inputs.keys() == {"table", "even", "odd"}
        assert run.metrics == {"score": 64.0, "rows": 5.0}
        assert run.steps["load"].logs == "loading 5\n"
        times = [(step.record.started_at or 0.0, step.record.ended_at or 0.0) for step in run.steps.values()]
        assert all(start <= end for start, end in times)
        assert all(end <= start for (_, end), (start, _) in pairwise(times))

    def test_the_listener_gets_the_events_that_are_recorded(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener
    ) -> None:
        """Each step ends once, in order, after its start, with the outputs that are in the store."""
        run = _run(stack, sample.scoring, sample.Table([1]))
        assert [end.step for end in listener.ends] == ["load", "split", "score"]
        _assert_events_match_records(stack, run, listener)
        for name in run.steps:
            kinds = [type(event) for event in listener.events if getattr(event, "step", "") == name]
            assert StepStarted in kinds
            assert kinds.index(StepStarted) < kinds.index(StepFinished)
        assert isinstance(listener.events[-1], RunFinished)

    def test_one_run_after_another(self, stack: OpenStack, sample: ModuleType) -> None:
        """A run does not affect the next one."""
        for rows in (1, 2, 3):
            run = _run(stack, sample.scoring, sample.Table([]), rows=rows)
            assert run.steps["load"].outputs["output"].load() == [*range(rows)]

    def test_threads_run_pipelines_at_once(self, stack: OpenStack, sample: ModuleType) -> None:
        """Background runs do that. Each run gets its own outputs and log lines."""

        def run(rows: int) -> Run:
            return _run(stack, sample.scoring, sample.Table([rows]), rows=rows)

        with ThreadPoolExecutor(2) as pool:
            runs = [*pool.map(run, (2, 3))]
        for rows, finished in zip((2, 3), runs, strict=True):
            assert finished.state == "succeeded"
            assert finished.steps["load"].outputs["output"].load() == [*range(rows)]
            assert finished.steps["load"].logs == f"loading {rows}\n"

    # --- the cache -----------------------------------------------------------------------------------------------

    def test_unchanged_steps_come_from_the_cache(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener
    ) -> None:
        """Changed steps run. The listener gets events of both."""
        first = _run(stack, sample.scoring, sample.Table([1]), scale=1.0)
        listener.events.clear()
        run = _run(stack, sample.scoring, sample.Table([1]), scale=3.0)
        assert [str(step.state) for step in run.steps.values()] == ["cached", "cached", "succeeded"]
        assert run.steps["load"].record.cached_from == first.id
        assert run.steps["score"].outputs["score"].load() == 9.0
        _assert_events_match_records(stack, run, listener)

    def test_without_the_cache_every_step_runs(self, stack: OpenStack, sample: ModuleType) -> None:
        """`use_cache=False` does that."""
        _run(stack, sample.scoring, sample.Table([1]))
        run = _run(stack, sample.scoring, sample.Table([1]), use_cache=False)
        assert {str(step.state) for step in run.steps.values()} == {"succeeded"}

    # --- runs that fail ------------------------------------------------------------------------------------------

    def test_a_step_that_fails_ends_the_run(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener
    ) -> None:
        """Its exception is raised, or a `RunError` that names it. Earlier outputs stay, later steps are skipped."""
        with pytest.raises((ZeroDivisionError, RunError), match="division by zero"):
            _run(stack, sample.dividing, by=0)
        run = find_run()
        assert run.state == "failed"
        assert "division by zero" in run.error
        assert [str(step.state) for step in run.steps.values()] == ["succeeded", "failed", "skipped"]
        assert "ZeroDivisionError" in run.steps["divide"].error
        assert "return x / by" in run.steps["divide"].traceback
        assert run.steps["count"].outputs["output"].load() == 3
        _assert_events_match_records(stack, run, listener)

    def test_a_failed_run_can_be_resumed(self, stack: OpenStack, sample: ModuleType, tmp_path: Path) -> None:
        """Steps that succeeded do not run again."""
        file = str(tmp_path / "attempts")
        with pytest.raises((ConnectionError, RunError), match="attempt 3"):
            _run(stack, sample.trying, file, needed=4)
        failed = find_run()
        assert (failed.steps["tries"].state, failed.steps["tries"].attempt) == ("failed", 3)
        resumed = Run(failed.id, stack).resume()
        assert resumed.steps["tries"].outputs["output"].load() == 4

    def test_a_step_is_retried(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener, tmp_path: Path
    ) -> None:
        """The attempt that succeeded is recorded."""
        run = _run(stack, sample.trying, str(tmp_path / "attempts"), needed=3)
        assert (run.steps["tries"].state, run.steps["tries"].attempt) == ("succeeded", 3)
        assert "attempt 2 failed" in run.steps["tries"].logs
        _assert_events_match_records(stack, run, listener)

    # --- interrupts ----------------------------------------------------------------------------------------------

    def test_an_interrupt_cancels_the_run(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener, tmp_path: Path
    ) -> None:
        """Within seconds the running step is cancelled, later steps are skipped, and nothing runs any more."""
        begun = tmp_path / "begun"
        with _interrupted_when(begun), pytest.raises(KeyboardInterrupt):
            _run(stack, sample.waiting, str(begun))
        run = find_run()
        assert run.state == "cancelled"
        assert [str(step.state) for step in run.steps.values()] == ["succeeded", "cancelled", "skipped"]
        assert run.duration is not None
        assert run.duration.total_seconds() < _PATIENCE
        _assert_events_match_records(stack, run, listener)

    # --- texts for people ----------------------------------------------------------------------------------------

    def test_it_describes_itself_and_can_be_checked(self, orchestrator: Orchestrator) -> None:
        """Both texts are one line."""
        for line in (orchestrator.describe(), orchestrator.check()):
            assert line.strip()
            assert line.isprintable()


class WorkerOrchestratorTests(OrchestratorTests):
    """Tests of an orchestrator whose steps run in other processes."""

    def test_a_worker_that_vanishes_is_a_crashed_step(
        self, stack: OpenStack, sample: ModuleType, listener: RecordingListener
    ) -> None:
        """The run ends, and its error names the step."""
        with pytest.raises(RunError, match="vanishes"):
            _run(stack, sample.vanishing)
        run = find_run()
        assert run.state == "failed"
        assert [str(step.state) for step in run.steps.values()] == ["succeeded", "crashed", "skipped"]
        _assert_events_match_records(stack, run, listener)

    def test_workers_open_the_same_stack(
        self, stack: OpenStack, sample: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The folder in which they start and the stack that is active then do not matter."""
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


def _assert_events_match_records(stack: OpenStack, run: Run, listener: RecordingListener) -> None:
    """Each step has ended once, and the event is equal to what is recorded."""
    ends = {end.step: end for end in listener.ends if end.run == run.id}
    assert len(ends) == len([end for end in listener.ends if end.run == run.id]), "the listener got two ends of a step"
    recorded = stack.metadata.steps([run.id])
    assert ends.keys() == {step.name for step in recorded}
    for step in recorded:
        end = ends[step.name]
        assert (end.state, end.attempt, end.error, end.why, end.cached_from, end.cache_key) == (
            *(step.state, step.attempt, step.error, step.why, step.cached_from, step.cache_key),
        )
        outputs = {row.name: as_stored(row).key for row in stack.metadata.outputs([run.id], step.name)}
        assert {name: stored.key for name, stored in end.outputs} == outputs


@contextmanager
def _interrupted_when(file: Path) -> Iterator[None]:
    """Interrupt this process, as Ctrl-C does, as soon as a file exists."""
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
