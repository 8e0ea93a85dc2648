"""What the steps of one run share: the plan, the stores, who listens, and what became of the steps so far."""

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
    """One attempt at a step, of those that another scheduler counts: a failed one is not tried again here."""

    number: int  # 1-based
    last: bool
    notes: tuple[str, ...] = ()  # where it ran and what was different there, for people


@dataclass
class RunContext:
    """What running the steps of one run needs, and what became of those that ran in this process."""

    plan: Plan
    run: str
    artifacts: ArtifactStore
    metadata: MetadataStore
    listener: Listener
    observers: Listener  # those of the listeners that do not record
    use_cache: bool = True
    display_recorder: CellDisplayRecorder | None = None  # how a cell's displays are shown and recorded, in a notebook
    finished: dict[str, StepFinished] = field(default_factory=dict)
    cell_results: dict[str, StepResult] = field(default_factory=dict)  # what calls of cells gave, by step
    outer_attempt: Attempt | None = None  # where somebody else counts the attempts

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
        """An context whose steps are recorded in the stack's metadata store and watched by a listener."""
        recorder = Recorder(stack.metadata, plan, run, resumes=outer_attempt is not None)
        both = Listeners((recorder, observers))
        with user_formats(plan), driving_run(run), interrupts_can_wait():
            context = cls(
                plan,
                run,
                stack.artifacts,
                stack.metadata,
                both,
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
        """Pass an event on, and remember ends of steps: wholly or not at all, whenever an interrupt comes."""
        if not isinstance(event, StepFinished):
            self.listener.on_event(event)
            return
        with uninterrupted():
            self.finished[event.step] = event
            self.listener.on_event(event)

    def output(self, step: str, output: str) -> Stored | None:
        """An output of a step of this run, from memory or from the metadata store."""
        done = self.finished.get(step)
        if done is not None:
            return next((stored for name, stored in done.outputs if name == output), None)
        for record in self.metadata.outputs([self.run], step):
            if record.name == output:
                return as_stored(record)
        return None


def as_stored(record: OutputRecord) -> Stored:
    """The artifact reference that a record holds."""
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
    """Write what waits, or keep it where the store is away; an exception that is on its way already matters more."""
    try:
        recorder.flush()
    except StoreError as unrecorded:
        keep_unrecorded(unrecorded, recorder.batch, stack, failing, "the metadata store failed")
