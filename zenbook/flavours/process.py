"""The orchestrator `process`: each step of a plan in a fresh Python process, as a remote backend would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from zenbook.core.events import Listener, StepFinished, StepStarted
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.errors import RunError
from zenbook.runs.execution import Execution, as_stored
from zenbook.runs.interruption import uninterrupted
from zenbook.runs.sequence import run_in_order
from zenbook.stack.components import Orchestrator
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.stack import OpenStack

_GRACE = 10.0  # seconds that an interrupted worker has to record its end


class ProcessSettings(BaseModel):
    """Who runs the workers."""

    model_config = ConfigDict(extra="forbid")
    python: Path = Field(Path(sys.executable), description="The interpreter of the workers; by default this one.")


class ProcessOrchestrator(Orchestrator):
    """Runs ``python -m zenbook.runs.worker`` for each step."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def execute(self, plan: Plan, run_id: str, stack: OpenStack, listener: Listener, *, use_cache: bool) -> None:
        """Run all steps, each in its own process."""
        with (
            tempfile.TemporaryDirectory(prefix="zenbook-") as folder,
            Execution.recorded(plan, run_id, stack, listener, use_cache=use_cache) as execution,
        ):
            file = Path(folder) / "plan.json"
            file.write_text(plan.to_json(), encoding="utf-8")
            command = [str(self.python), "-m", "zenbook.runs.worker", str(file)]
            options = ["--run", run_id, "--stack", stack.stack.name, *([] if use_cache else ["--no-cache"])]

            environment = {**os.environ, **stack.variables()}

            def run_one(node: Node) -> None:
                started = time.time()
                execution.listener.on_event(StepStarted(run_id, node.name, at=started))
                try:
                    ended = _work([*command, node.name, *options], environment)
                except KeyboardInterrupt:
                    with uninterrupted():
                        _tell(execution, node.name)
                    raise
                if not _tell(execution, node.name):
                    _crashed(execution, node.name, started, ended)

            run_in_order(plan, execution, run_one)

    def describe(self) -> str:
        """One line."""
        return f"each step in its own process of {self.python}"


class ProcessFlavour(Flavour):
    """Steps in processes of their own."""

    kind = ComponentKind.ORCHESTRATOR
    name = "process"
    settings = ProcessSettings

    def make(self, settings: ProcessSettings, home: Path) -> Orchestrator:
        """The orchestrator."""
        return ProcessOrchestrator(settings.python)


def _work(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a worker and show what it prints; its exit code and the last line that it printed."""
    last = ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        errors="replace",
    ) as worker:
        try:
            for line in worker.stdout or ():
                sys.stdout.write(line)
                last = line.strip() or last
            return worker.wait(), last
        except BaseException:
            worker.terminate()
            try:
                sys.stdout.write(worker.communicate(timeout=_GRACE)[0])
            except subprocess.TimeoutExpired:
                worker.kill()
            raise


def _tell(execution: Execution, name: str) -> bool:
    """Tell the others how the step ended, as the worker recorded it; False if it recorded no end.

    Raises `RunError` for a step that failed.
    """
    record = next((one for one in execution.metadata.steps([execution.run]) if one.name == name), None)
    if record is None or not record.state.ended:
        return False
    outputs = tuple((one.name, as_stored(one)) for one in execution.metadata.outputs([execution.run], name))
    metrics = [one for one in execution.metadata.metrics([execution.run]) if one.step == name]
    finished = StepFinished(
        execution.run,
        name,
        record.state,
        record.attempt,
        record.started_at,
        record.cache_key,
        outputs,
        metrics=tuple((one.name, one.value) for one in metrics),
        error=record.error,
        traceback=record.traceback,
        why=record.why,
        cached_from=record.cached_from,
        notes=record.notes,
        at=record.ended_at or time.time(),
    )
    execution.finished[name] = finished
    execution.watching.on_event(finished)
    if record.state is StepState.FAILED:
        raise RunError(
            f"Step {name!r} failed in its process: {record.error}.", f"Its traceback: zen show {execution.run} {name}"
        )
    return True


def _crashed(execution: Execution, name: str, started: float, ended: tuple[int, str]) -> None:
    """Tell that a worker was gone before it recorded the step's end. Raises `RunError`."""
    code, last = ended
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    error = f"its process {how}" + (f": {last}" if last and code >= 0 else "")
    execution.tell(StepFinished(execution.run, name, StepState.CRASHED, 1, started, error=error))
    raise RunError(
        f"Step {name!r} has no end: {error}.",
        "Did the system kill it for want of memory? Run the pipeline again." if code < 0 else "Run the pipeline again.",
    )
