"""What the steps of one run share: the plan, the stores, the listeners, and how the steps so far ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zenbook.core.events import Event, Listener, Listeners, StepFinished, Stored
from zenbook.core.plan import Plan
from zenbook.engine.artifact_io import Reader
from zenbook.engine.liveness import driving_run
from zenbook.engine.recorder import Recorder
from zenbook.engine.run_end import keep_unrecorded
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.cell_display import SHOWN, CellDisplayRecorder
from zenbook.engine.steps.step_result import StepResult
from zenbook.engine.user_formats import user_formats
from zenbook.errors import StoreError
from zenbook.interrupts import interrupts_can_wait, uninterrupted
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.orchestrator import Stores
from zenbook.stack.records import OutputRecord

RANDOM = frozenset(random_state.OUTPUTS.values())
STATE = RANDOM | {library_settings.OUTPUT}  # of the process, passed from cell to cell
HIDDEN = STATE | {SHOWN}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a step whose retries another scheduler counts: a failed step is not tried again here.

    Attributes:
        number: The attempt's number, 1-based.
        last: Whether the scheduler gives up if this attempt fails.
        notes: Where the attempt runs and what is different there, for people.
    """

    number: int
    last: bool
    notes: tuple[str, ...] = ()


@dataclass
class RunContext:
    """What running the steps of one run needs, and how those that ran in this process ended.

    Attributes:
        plan: What is run.
        run: The run's id.
        artifacts: The stack's artifact store.
        metadata: The stack's metadata store.
        listener: All listeners, the recorder included.
        observers: The listeners that do not record.
        use_cache: Whether steps may be served from the cache.
        display_recorder: How a cell's displays are shown and recorded; None outside of a notebook.
        finished: The ends of steps, by name.
        cell_results: What calls of cells gave, by step name.
        outer_attempt: The attempt, where another scheduler counts attempts.
    """

    plan: Plan
    run: str
    artifacts: ArtifactStore
    metadata: MetadataStore
    listener: Listener
    observers: Listener
    use_cache: bool = True
    display_recorder: CellDisplayRecorder | None = None
    finished: dict[str, StepFinished] = field(default_factory=dict)
    cell_results: dict[str, StepResult] = field(default_factory=dict)
    outer_attempt: Attempt | None = None

    def __post_init__(self) -> None:
        self.reader = Reader(self.artifacts, self.metadata)

    @classmethod
    @contextmanager
    def recorded(
        cls,
        plan: Plan,
        run: str,
        stack: Stores,
        observers: Listener,
        *,
        use_cache: bool,
        outer_attempt: Attempt | None = None,
    ) -> Iterator[RunContext]:
        """Make a context whose steps are recorded in the stack's metadata store.

        Args:
            plan: What is run.
            run: The run's id.
            stack: The stack.
            observers: The listeners that do not record.
            use_cache: Whether steps may be served from the cache.
            outer_attempt: The attempt, where another scheduler counts attempts.

        Yields:
            The context, while the block runs.
        """
        recorder = Recorder(stack.metadata, plan, run, resumes=outer_attempt is not None)
        listener = Listeners((recorder, observers))
        with user_formats(plan), driving_run(run), interrupts_can_wait():
            context = cls(
                plan,
                run,
                stack.artifacts,
                stack.metadata,
                listener,
                observers,
                use_cache=use_cache,
                outer_attempt=outer_attempt,
            )
            failing: BaseException | None = None
            try:
                yield context
            except BaseException as error:
                failing = error
                raise
            finally:
                with uninterrupted():
                    _write_rest(recorder, stack, failing)
                failing = None  # an exception and the frame that holds it would keep each other

    def emit(self, event: Event) -> None:
        """Pass an event on, and remember the ends of steps; an interrupt cannot come in between.

        Args:
            event: The event.
        """
        if not isinstance(event, StepFinished):
            self.listener.on_event(event)
            return
        with uninterrupted():
            self.finished[event.step] = event
            self.listener.on_event(event)

    def output(self, step: str, output: str) -> Stored | None:
        """Find an output of a step of this run, in memory or in the metadata store.

        Args:
            step: The step's name.
            output: The output's name.

        Returns:
            The artifact; None if the step has no such output.
        """
        finished = self.finished.get(step)
        if finished is not None:
            return next((stored for name, stored in finished.outputs if name == output), None)
        for record in self.metadata.outputs([self.run], step):
            if record.name == output:
                return as_stored(record)
        return None


def as_stored(record: OutputRecord) -> Stored:
    """Read the artifact reference that a row holds.

    Args:
        record: The row of an output.

    Returns:
        The reference.
    """
    return Stored(
        record.digest,
        record.format,
        record.member,
        record.address,
        record.size,
        record.type,
        record.preview,
        record.note,
    )


def _write_rest(recorder: Recorder, stack: Stores, failing: BaseException | None) -> None:
    """Write the waiting rows, or keep them if the store cannot take them; a current exception matters more."""
    try:
        recorder.flush()
    except StoreError as unrecorded:
        keep_unrecorded(unrecorded, recorder.batch, stack, failing, "the metadata store failed")
