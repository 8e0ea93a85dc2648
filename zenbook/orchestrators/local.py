"""The orchestrator `local`: a plan's steps one after another, in this process."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zenbook.core.events import Listener
from zenbook.core.plan import Plan
from zenbook.engine.run_context import RunContext
from zenbook.engine.scheduler import run_in_order
from zenbook.engine.steps.step_runner import run_step
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.orchestrator import Orchestrator, Stores


class LocalSettings(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid")


class LocalOrchestrator(Orchestrator):
    """Runs steps in the kernel's process, each from its capsule."""

    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        """Run all steps."""
        with RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context:
            run_in_order(plan, context, lambda node: run_step(context, node))

    def describe(self) -> str:
        """One line."""
        return "in this process, one step after another"


class LocalFlavour(Flavour):
    """Steps in this process."""

    kind = ComponentKind.ORCHESTRATOR
    name = "local"
    settings = LocalSettings

    def make(self, settings: LocalSettings, home: Path) -> Orchestrator:
        """The orchestrator."""
        return LocalOrchestrator()
