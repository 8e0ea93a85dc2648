"""Launch a plan on a stack: make the run's row, let the orchestrator execute it, say how it ended."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zenbook.core.events import Listeners, RunFinished, RunStarted
from zenbook.core.plan import Plan
from zenbook.core.states import RunState
from zenbook.core.values import paths_in
from zenbook.core.digest import digest_of_path
from zenbook.errors import StoreError, ZenbookError
from zenbook.runs.environment import EnvironmentQuestion, process_identity, user_name
from zenbook.runs.failures import one_line
from zenbook.runs.identity import new_run_id
from zenbook.runs.recorder import pending_steps
from zenbook.runs.streams import proxied_streams
from zenbook.runs.view import RunView
from zenbook.runs.watching import listeners_for
from zenbook.stack.records import ArtifactRecord, Batch, CodeRecord, ParamRecord, RunRecord, RunUpdate
from zenbook.stack.stack import OpenStack


def launch(plan: Plan, stack: OpenStack, *, use_cache: bool = True, question: EnvironmentQuestion | None = None) -> str:
    """Execute a plan and give the run's id.

    Raises what a step raises (the run is recorded as failed then), `KeyboardInterrupt` when interrupted (recorded as
    cancelled), `StoreError` when a store fails.
    """
    run_id = new_run_id()
    _create(plan, run_id, stack, question or EnvironmentQuestion())
    started = time.time()
    view = RunView.of_graph(plan.graph, run_id, plan.pipeline, stack.stack.name, dict(plan.params))
    listener = Listeners((view, *listeners_for(view)))
    listener.on_event(RunStarted(run_id, started))
    state, error_line = RunState.SUCCEEDED, ""
    try:
        with proxied_streams():
            stack.orchestrator.execute(plan, run_id, stack, listener, use_cache=use_cache)
    except BaseException as error:
        state = RunState.CANCELLED if isinstance(error, KeyboardInterrupt) else RunState.FAILED
        error_line = "interrupted" if state is RunState.CANCELLED else one_line(error)
        _note(error, f"in run {run_id} of {plan.pipeline!r}")
        raise
    finally:
        with _uninterrupted():
            ended = RunFinished(run_id, state, error_line)
            listener.on_event(ended)
            _end(stack, RunUpdate(run_id, state, started, ended.at, error_line), plan)
    return run_id


def _create(plan: Plan, run_id: str, stack: OpenStack, question: EnvironmentQuestion) -> None:
    environment = question.answer()
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
        params=params_of(plan, run_id),
        code=[
            CodeRecord(digest, json.dumps(one.to_json(), ensure_ascii=False)) for digest, one in plan.capsules.items()
        ],
        environment=environment,
    )
    if plan.given:
        stack.metadata.write(
            Batch(
                artifacts=[
                    ArtifactRecord(one.digest, one.format, one.address, one.size, now) for one in plan.given.values()
                ]
            )
        )


def params_of(plan: Plan, run_id: str) -> list[ParamRecord]:
    """The parameters of a run and of its steps, with the digests of the files that they name."""
    found = [ParamRecord(run_id, "", name, _text(value), _content(value)) for name, value in plan.params.items()]
    for node in plan.graph:
        found += [ParamRecord(run_id, node.name, name, _text(one), _content(one)) for name, one in node.params.items()]
    return found


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _content(value: object) -> str:
    paths = paths_in(value)
    return digest_of_path(paths[0]) if len(paths) == 1 else ""


def _end(stack: OpenStack, update: RunUpdate, plan: Plan) -> None:
    try:
        stack.metadata.write(Batch(runs=[update]))
    except StoreError as error:
        if update.state is RunState.SUCCEEDED:
            raise
        raise StoreError(
            f"The run {update.id} of {plan.pipeline!r} is {update.state} ({update.error}), and that could not be "
            f"recorded: {error.message}",
            error.hint,
        ) from error


def _note(error: BaseException, text: str) -> None:
    if not isinstance(error, ZenbookError | KeyboardInterrupt):
        error.add_note(text)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off an interrupt for the few milliseconds in which a run's end is written."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
