"""Launch a plan on a stack: write the run's rows, let the orchestrator execute it, record how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from zenbook.core.events import Listener, Listeners, RunFinished, RunStarted
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.display.run_view import RunView
from zenbook.engine.environment import EnvironmentSnapshot
from zenbook.engine.liveness import driving_run
from zenbook.engine.progress_displays import listeners_for
from zenbook.engine.run_end import RunEnd, write_end
from zenbook.engine.run_records import RunRows, new_run_record, pending_step_records
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.errors import ZenbookError
from zenbook.interrupts import interrupts_can_wait, uninterrupted
from zenbook.stack.records import Batch, RunRecord, RunUpdate, StepRecord
from zenbook.stack.stack import OpenStack


def launch(plan: Plan, stack: OpenStack, *, use_cache: bool = True, snapshot: EnvironmentSnapshot | None = None) -> str:
    """Execute a plan and wait for its end.

    Args:
        plan: What to run.
        stack: The stack to run it on.
        use_cache: Whether steps may be served from the cache.
        snapshot: The description of the environment, if it is being collected already.

    Returns:
        The run's id.

    Raises:
        KeyboardInterrupt: The run was interrupted; it is recorded as cancelled.
        StoreError: A store failed.
        Exception: What a step raised; the run is recorded as failed.
    """
    _ = stack.orchestrator  # one that cannot be created is reported before anything is recorded
    environment = (snapshot or EnvironmentSnapshot()).collect()
    record = replace(_new_record(plan, stack), state=RunState.RUNNING)
    rows = RunRows.of(plan, record, environment)
    run = _DrivenRun(plan, stack, rows.run)
    with driving_run(record.id), interrupts_can_wait():
        try:
            with uninterrupted():
                rows.create_run(stack.metadata)
                run.created = True
                rows.write_external_inputs(stack.metadata)
            run.execute(use_cache=use_cache)
        except BaseException as error:
            run.failing = error
            if not isinstance(error, KeyboardInterrupt | ZenbookError):
                error.add_note(f"in run {record.id} of {plan.pipeline!r}")
            raise
        finally:
            with uninterrupted():
                run.end()
    return record.id


def create_pending_run(
    plan: Plan, stack: OpenStack, *, process: str, snapshot: EnvironmentSnapshot | None = None
) -> RunRecord:
    """Write the rows of a run that another process of this machine will `execute_pending_run`.

    Args:
        plan: What to run.
        stack: The stack to run it on.
        process: The identity of the process that will drive the run.
        snapshot: The description of the environment, if it is being collected already.

    Returns:
        The run's row.
    """
    environment = (snapshot or EnvironmentSnapshot()).collect()
    record = replace(_new_record(plan, stack), started_at=None, process=process)
    rows = RunRows.of(plan, record, environment)
    rows.create_run(stack.metadata)
    rows.write_external_inputs(stack.metadata)
    return rows.run


def execute_pending_run(record: RunRecord, stack: OpenStack, *, use_cache: bool = True) -> None:
    """Execute the plan of a run whose rows another process has written. Raises what `launch` raises.

    Args:
        record: The run's row, with its plan.
        stack: The stack to run it on.
        use_cache: Whether steps may be served from the cache.
    """
    record = replace(record, state=RunState.RUNNING, started_at=time.time())
    run = _DrivenRun(Plan.from_json(record.plan), stack, record, created=True)
    with driving_run(record.id), interrupts_can_wait():
        try:
            with uninterrupted():
                stack.metadata.write(Batch(runs=[RunUpdate(record.id, record.state, record.started_at, None)]))
            run.execute(use_cache=use_cache)
        except BaseException as error:
            run.failing = error
            raise
        finally:
            with uninterrupted():
                run.end()


def _new_record(plan: Plan, stack: OpenStack) -> RunRecord:
    return new_run_record(plan.pipeline, stack, orchestrator=str(stack.stack.orchestrator), kind=plan.kind)


@dataclass(slots=True)
class _DrivenRun:
    """A run that this process drives, from its rows to its end."""

    plan: Plan
    stack: OpenStack
    record: RunRecord
    created: bool = False  # whether the run's row is in the store
    listener: Listener | None = None  # once the steps are about to run
    succeeded: bool = False
    failing: BaseException | None = None

    def execute(self, *, use_cache: bool) -> None:
        run = self.record
        view = RunView.of_graph(self.plan.graph, run.id, run.pipeline, self.stack.stack.label, dict(self.plan.params))
        view.records = self.stack
        self.listener = Listeners((view, *listeners_for(view)))
        self.listener.on_event(RunStarted(run.id, run.started_at or run.created_at))
        with proxied_streams():
            self.stack.orchestrator.execute(self.plan, run.id, self.stack, self.listener, use_cache=use_cache)
        self.succeeded = True

    def end(self) -> None:
        """Record how the run ended, and report it to the listeners."""
        if not self.created:
            return
        error, self.failing = self.failing, None  # an exception and the frame that holds it would keep each other
        end = RunEnd.of_error(None if self.succeeded else error or KeyboardInterrupt())
        finished = RunFinished(self.record.id, end.state, end.error)
        update = end.update(self.record.id, self.record.started_at, finished.at)
        steps = [] if self.listener is not None else self._skipped_steps()
        try:
            write_end(Batch(runs=[update], steps=steps), self.stack, error, what="its end")
        finally:
            if self.listener is not None:
                self.listener.on_event(finished)

    def _skipped_steps(self) -> list[StepRecord]:
        records = pending_step_records(self.plan, self.record.id).values()
        return [replace(record, state=StepState.SKIPPED, why="the run ended before") for record in records]
