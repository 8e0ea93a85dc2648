"""Launch a plan on a stack: make the run's row, let the orchestrator execute it, say how it ended."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, replace

from zenbook.core.events import Listener, Listeners, RunFinished, RunStarted
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.display.run_view import RunView
from zenbook.engine.environment import EnvironmentSnapshot, process_identity, user_name
from zenbook.engine.liveness import driving_run
from zenbook.engine.progress_displays import listeners_for
from zenbook.engine.recorder import pending_step_records
from zenbook.engine.run_ids import new_run_id
from zenbook.engine.run_records import external_input_records, param_records
from zenbook.engine.steps.failure_text import one_line
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.errors import StoreError, ZenbookError
from zenbook.interrupts import interrupts_can_wait, uninterrupted
from zenbook.stack.records import (
    Batch,
    CodeRecord,
    EnvironmentRecord,
    ParamRecord,
    RunRecord,
    RunUpdate,
    StepRecord,
)
from zenbook.stack.spool import keep_from
from zenbook.stack.stack import OpenStack


def launch(plan: Plan, stack: OpenStack, *, use_cache: bool = True, snapshot: EnvironmentSnapshot | None = None) -> str:
    """Execute a plan and give the run's id.

    Raises what a step raises (the run is recorded as failed then), `KeyboardInterrupt` when interrupted (recorded as
    cancelled), `StoreError` when a store fails.
    """
    _ = stack.orchestrator  # one that can't be made is told before anything is recorded
    environment = (snapshot or EnvironmentSnapshot()).collect()
    started = _Launch(plan, stack, _record_of(plan, stack, environment))
    params = param_records(plan, started.record.id)
    with driving_run(started.record.id), interrupts_can_wait():
        try:
            with uninterrupted():
                started.create(environment, params)
            started.execute(use_cache=use_cache)
        except BaseException as error:
            started.failing = error
            if not isinstance(error, KeyboardInterrupt | ZenbookError):
                error.add_note(f"in run {started.record.id} of {plan.pipeline!r}")
            raise
        finally:
            with uninterrupted():
                started.end()
    return started.record.id


def create_pending_run(
    plan: Plan, stack: OpenStack, *, process: str, snapshot: EnvironmentSnapshot | None = None
) -> RunRecord:
    """Make the row of a run that another process of this machine will `execute_pending_run`, and give it."""
    environment = (snapshot or EnvironmentSnapshot()).collect()
    record = replace(_record_of(plan, stack, environment), state=RunState.PENDING, started_at=None, process=process)
    _Launch(plan, stack, record).create(environment, param_records(plan, record.id))
    return record


def execute_pending_run(record: RunRecord, stack: OpenStack, *, use_cache: bool = True) -> None:
    """Execute the plan of a run whose row was made by another process. Raises what `launch` raises."""
    record = replace(record, state=RunState.RUNNING, started_at=time.time())
    started = _Launch(Plan.from_json(record.plan), stack, record, created=True)
    with driving_run(record.id), interrupts_can_wait():
        try:
            with uninterrupted():
                stack.metadata.write(Batch(runs=[RunUpdate(record.id, record.state, record.started_at, None)]))
            started.execute(use_cache=use_cache)
        except BaseException as error:
            started.failing = error
            raise
        finally:
            with uninterrupted():
                started.end()


def _record_of(plan: Plan, stack: OpenStack, environment: EnvironmentRecord) -> RunRecord:
    blank = new_record(plan.pipeline, stack, orchestrator=str(stack.stack.orchestrator), kind=plan.kind)
    return replace(blank, state=RunState.RUNNING, environment=environment.digest, plan=plan.to_json())


def new_record(pipeline: str, stack: OpenStack, *, orchestrator: str, kind: str = "pipeline") -> RunRecord:
    """The row of a run of this process that is about to begin; plan and environment are still to come."""
    now = time.time()
    return RunRecord(
        id=new_run_id(now),
        pipeline=pipeline,
        stack=stack.stack.name,
        state=RunState.PENDING,
        created_at=now,
        started_at=now,
        host=socket.gethostname(),
        user=user_name(),
        process=process_identity(),
        orchestrator=orchestrator,
        kind=kind,
    )


@dataclass(slots=True)
class _Launch:
    """A run from the making of its row to the writing of its end."""

    plan: Plan
    stack: OpenStack
    record: RunRecord
    created: bool = False
    listener: Listener | None = None  # once the steps are about to run
    succeeded: bool = False
    failing: BaseException | None = None

    def create(self, environment: EnvironmentRecord, params: list[ParamRecord]) -> None:
        plan, run = self.plan, self.record
        code = {key: json.dumps(one.to_json(), ensure_ascii=False) for key, one in plan.capsules.items()}
        self.stack.metadata.create_run(
            run,
            steps=list(pending_step_records(plan, run.id).values()),
            params=params,
            code=[CodeRecord(key, capsule) for key, capsule in code.items()],
            environment=environment,
        )
        self.created = True
        given = external_input_records(plan, run)
        if given:
            self.stack.metadata.write(given)

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
        """Write how it ended, and tell; what ended it matters more than that this could not be written down."""
        if not self.created:
            return
        error, self.failing = self.failing, None  # an exception and the frame that holds it would keep each other
        state, line = RunState.CANCELLED, "interrupted"
        if self.succeeded:
            state, line = RunState.SUCCEEDED, ""
        elif error is not None and not isinstance(error, KeyboardInterrupt):
            state, line = RunState.FAILED, one_line(error)
        ended = RunFinished(self.record.id, state, line)
        steps = [] if self.listener is not None else self._skipped()
        update = RunUpdate(self.record.id, state, self.record.started_at, ended.at, line)
        batch = Batch(runs=[update], steps=steps)
        try:
            self.stack.metadata.write(batch)
        except StoreError as unrecorded:
            keep_from(unrecorded, batch, self.stack, error)
            if error is None:
                raise
            if not isinstance(error, StoreError):
                error.add_note(f"and its end could not be recorded: {unrecorded.message}")
        finally:
            if self.listener is not None:
                self.listener.on_event(ended)

    def _skipped(self) -> list[StepRecord]:
        steps = pending_step_records(self.plan, self.record.id).values()
        return [replace(one, state=StepState.SKIPPED, why="the run ended before") for one in steps]
