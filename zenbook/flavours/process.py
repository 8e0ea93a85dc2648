"""The orchestrator `process`: each step of a plan in a fresh Python process, as a remote backend would run it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zenbook.core.events import Listener, StepFinished, StepStarted
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.errors import RunError
from zenbook.runs.sequence import run_in_order
from zenbook.runs.step_run import Execution, as_stored
from zenbook.stack.components import Orchestrator
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.stack import OpenStack

_GRACE = 10.0  # seconds that an interrupted worker has to record its end


class ProcessSettings(BaseModel):
    """``python``: the interpreter that runs the workers; by default the one that runs this."""

    model_config = ConfigDict(extra="forbid")
    python: Path = Path(sys.executable)


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

            def run_one(node: Node) -> None:
                execution.listener.on_event(StepStarted(run_id, node.name))
                self._work([*command, node.name, *options])
                self._tell(execution, node.name)

            run_in_order(plan, execution, run_one)

    def _work(self, command: list[str]) -> None:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:  # noqa: S603
            assert worker.stdout is not None
            try:
                for line in worker.stdout:
                    sys.stdout.write(line)
                worker.wait()
            except KeyboardInterrupt:
                worker.terminate()
                worker.wait(_GRACE)
                raise

    def _tell(self, execution: Execution, name: str) -> None:
        """Tell the others how the step ended, as the worker recorded it."""
        record = next((one for one in execution.metadata.steps([execution.run]) if one.name == name), None)
        if record is None or not record.state.ended:
            raise RunError(
                f"The process of step {name!r} ended without recording what became of the step.",
                "Was it killed, by the system for want of memory perhaps? Run the pipeline again.",
            )
        outputs = tuple((one.name, as_stored(one)) for one in execution.metadata.outputs([execution.run], name))
        finished = StepFinished(
            execution.run,
            name,
            record.state,
            record.attempt,
            record.started_at,
            record.cache_key,
            outputs,
            error=record.error,
            traceback=record.traceback,
            why=record.why,
            cached_from=record.cached_from,
            notes=record.notes,
        )
        execution.finished[name] = finished
        execution.watching.on_event(finished)
        if record.state not in (StepState.SUCCEEDED, StepState.CACHED):
            raise RunError(f"Step {name!r} failed in its process: {record.error}.", record.traceback)

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
