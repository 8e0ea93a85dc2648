"""Launch a plan on a stack: make the run's row, let the orchestrator execute it, say how it ended."""

from __future__ import annotations

import json
import socket
import time

from zenbook.core.digest import digest_of_path, digest_of_text
from zenbook.core.events import Listener, Listeners, RunFinished, RunStarted
from zenbook.core.plan import Plan
from zenbook.core.states import RunState
from zenbook.core.values import paths_in
from zenbook.errors import StoreError, ZenbookError
from zenbook.runs.crashes import driven_here
from zenbook.runs.environment import EnvironmentQuestion, process_identity, user_name
from zenbook.runs.failures import one_line
from zenbook.runs.identity import new_run_id
from zenbook.runs.interruption import interrupts_can_wait, uninterrupted
from zenbook.runs.recorder import pending_steps
from zenbook.runs.streams import proxied_streams
from zenbook.runs.view import RunView
from zenbook.runs.watching import listeners_for
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CodeRecord,
    EnvironmentRecord,
    ParamRecord,
    RunRecord,
    RunUpdate,
)
from zenbook.stack.stack import OpenStack


def launch(plan: Plan, stack: OpenStack, *, use_cache: bool = True, question: EnvironmentQuestion | None = None) -> str:
    """Execute a plan and give the run's id.

    Raises what a step raises (the run is recorded as failed then), `KeyboardInterrupt` when interrupted (recorded as
    cancelled), `StoreError` when a store fails.
    """
    run_id = new_run_id()
    environment = (question or EnvironmentQuestion()).answer()
    params = params_of(plan, run_id)
    with driven_here(run_id), interrupts_can_wait():
        with uninterrupted():
            record = _create(plan, run_id, stack, environment, params)
        _execute(plan, record, stack, use_cache=use_cache)
    return run_id


def _execute(plan: Plan, record: RunRecord, stack: OpenStack, *, use_cache: bool) -> None:
    view = RunView.of_graph(plan.graph, record.id, plan.pipeline, stack.stack.name, dict(plan.params))
    listener: Listener = view
    failing: BaseException | None = None
    state, error_line = RunState.CANCELLED, "interrupted"  # as long as nothing else is known
    try:
        listener = Listeners((view, *listeners_for(view)))
        listener.on_event(RunStarted(record.id, record.created_at))
        with proxied_streams():
            stack.orchestrator.execute(plan, record.id, stack, listener, use_cache=use_cache)
        state, error_line = RunState.SUCCEEDED, ""
    except BaseException as error:
        failing = error
        if not isinstance(error, KeyboardInterrupt):
            state, error_line = RunState.FAILED, one_line(error)
            _note(error, f"in run {record.id} of {plan.pipeline!r}")
        raise
    finally:
        with uninterrupted():
            ended = RunFinished(record.id, state, error_line)
            update = RunUpdate(record.id, state, record.started_at, ended.at, error_line)
            try:
                _end(stack, update, plan, failing)
            finally:
                listener.on_event(ended)
                failing = None  # a traceback holds this frame


def _create(
    plan: Plan, run_id: str, stack: OpenStack, environment: EnvironmentRecord, params: list[ParamRecord]
) -> RunRecord:
    now = time.time()
    record = RunRecord(
        id=run_id,
        pipeline=plan.pipeline,
        stack=stack.stack.name,
        state=RunState.RUNNING,
        created_at=now,
        started_at=now,
        host=socket.gethostname(),
        user=user_name(),
        process=process_identity(),
        orchestrator=stack.stack.orchestrator,
        environment=environment.digest,
        plan=plan.to_json(),
        kind=plan.kind,
    )
    stack.metadata.create_run(
        record,
        steps=list(pending_steps(plan, run_id).values()),
        params=params,
        code=[CodeRecord(key, json.dumps(one.to_json(), ensure_ascii=False)) for key, one in plan.capsules.items()],
        environment=environment,
    )
    if plan.given:
        given = [ArtifactRecord(one.digest, one.format, one.address, one.size, now) for one in plan.given.values()]
        stack.metadata.write(Batch(artifacts=given))
    return record


def params_of(plan: Plan, run_id: str) -> list[ParamRecord]:
    """The parameters of a run and of its steps, with the digests of the files that they name."""
    found = [ParamRecord(run_id, "", name, _text(value), _content(value)) for name, value in plan.params.items()]
    for node in plan.graph:
        found += [ParamRecord(run_id, node.name, name, _text(one), _content(one)) for name, one in node.params.items()]
    return found


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _content(value: object) -> str:
    digests = [digest_of_path(path) for path in paths_in(value)]
    return digest_of_text(" ".join(digests)) if len(digests) > 1 else "".join(digests)


def _end(stack: OpenStack, update: RunUpdate, plan: Plan, failing: BaseException | None) -> None:
    """Write how the run ended; what ended it matters more than that this could not be written down."""
    try:
        stack.metadata.write(Batch(runs=[update]))
    except StoreError as error:
        if failing is None:
            raise StoreError(
                f"Run {update.id} of {plan.pipeline!r} {update.state}, which could not be recorded: {error.message}",
                error.hint,
            ) from error
        failing.add_note(f"and its end could not be recorded: {error.message}")


def _note(error: BaseException, text: str) -> None:
    if not isinstance(error, ZenbookError):
        error.add_note(text)
