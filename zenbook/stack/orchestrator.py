"""What runs ask of an orchestrator, whatever its flavour, and what an orchestrator may use of a stack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from zenbook.errors import StackError

if TYPE_CHECKING:
    from zenbook.core.events import Listener
    from zenbook.core.plan import Plan
    from zenbook.stack.artifact_store import ArtifactStore
    from zenbook.stack.component_choice import Choice
    from zenbook.stack.flavour import ComponentKind
    from zenbook.stack.metadata_store import MetadataStore
    from zenbook.stack.records import RunRecord
    from zenbook.stack.workspace import Workspace


class StackChoices(Protocol):
    """The choices that a stack consists of; `zenbook.Stack` has them."""

    @property
    def name(self) -> str:
        """The stack's name."""

    @property
    def label(self) -> str:
        """The stack's name as people see it."""

    @property
    def metadata_store(self) -> Choice:
        """The choice of the metadata store."""

    def choice(self, kind: ComponentKind) -> Choice:
        """The choice of one component.

        Args:
            kind: The component's kind.

        Returns:
            The choice.
        """


class Stores(Protocol):
    """The part of an open stack that an orchestrator may use; `zenbook.stack.stack.OpenStack` has it."""

    @property
    def stack(self) -> StackChoices:
        """The stack's settings."""

    @property
    def artifacts(self) -> ArtifactStore:
        """The open artifact store."""

    @property
    def metadata(self) -> MetadataStore:
        """The open metadata store."""

    @property
    def workspace(self) -> Workspace:
        """The workspace in which the stack was opened."""

    def variables(self) -> dict[str, str]:
        """The environment variables with which another process of this machine opens this stack; may hold secrets."""


class Orchestrator(ABC):
    """Executes a plan. It sees no function and no cell."""

    @abstractmethod
    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        """Run the plan's steps in order, record each, and send each event to the listener.

        The run's row exists already; the launcher sends the events of the run's start and end. The exception of a
        step is raised after the event of its end, and `KeyboardInterrupt` when the run is interrupted.

        Args:
            plan: What to run.
            run_id: The id of the run's row.
            stack: Where outputs and records go.
            listener: Gets the events of the steps.
            use_cache: Whether a step may take its outputs from an earlier run.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line for people."""

    def check(self) -> str:
        """Check whether it can be reached.

        Returns:
            One line for people.
        """
        return self.describe()

    def cancel(self, run: RunRecord, stack: Stores) -> None:
        """Cancel a run that is running elsewhere: one whose row names no process.

        Args:
            run: The run's row.
            stack: The stack on which it runs.

        Raises:
            StackError: The run cannot be cancelled from here.
        """
        raise StackError(f"{self.describe()} cannot cancel runs from here.", "Cancel the run where it is running.")

    def rejoin(self, run: RunRecord, stack: Stores) -> None:  # noqa: B027  # most runs end with their process
        """Record the end of a run that ended elsewhere while no process was following it.

        Args:
            run: The run's row.
            stack: The stack on which it ran.
        """
