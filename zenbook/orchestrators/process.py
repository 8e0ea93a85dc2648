"""The orchestrator `process`: each step of a plan in a fresh Python process, as a remote backend would run it."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from zenbook.core.events import Listener
from zenbook.core.plan import Plan
from zenbook.engine.worker_pool import Worker, WorkerExit, run_command, run_in_workers
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.orchestrator import Orchestrator, Stores


class ProcessSettings(BaseModel):
    """How the workers are started."""

    model_config = ConfigDict(extra="forbid")
    python: Path = Field(Path(sys.executable), description="The interpreter of the workers; by default this one.")


class ProcessOrchestrator(Orchestrator):
    """Runs ``python -m zenbook.engine.worker`` for each step."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        """Run all steps, each in its own process."""
        run_in_workers(plan, run_id, stack, listener, use_cache=use_cache, start=self._start)

    def describe(self) -> str:
        """One line."""
        return f"each step in its own process of {self.python}"

    def _start(self, worker: Worker) -> WorkerExit:
        return run_command([str(self.python), *worker.arguments], worker.variables)


class ProcessFlavour(Flavour):
    """Steps in processes of their own."""

    kind = ComponentKind.ORCHESTRATOR
    name = "process"
    settings = ProcessSettings

    def make(self, settings: ProcessSettings, home: Path) -> Orchestrator:
        """The orchestrator."""
        return ProcessOrchestrator(settings.python)
