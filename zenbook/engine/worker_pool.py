"""Run the steps of a plan in processes of their own: what every orchestrator does that doesn't run them in this one.

An orchestrator says how a worker is started (`Start`); the rest is here: the command, the choices that make a worker
open this very stack, the events, the order, and what is told of a worker that is gone without a word. One that starts
workers in another way (pods, tasks of another engine) uses the parts: `OpenStack.variables`, `report_recorded_end`,
`report_crash`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zenbook.core.events import Listener, StepFinished, StepStarted, Stored, UsedInput
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import StepState
from zenbook.engine.recorded_events import recorded_end
from zenbook.engine.run_context import RunContext, as_stored
from zenbook.engine.scheduler import run_in_order
from zenbook.errors import RunError
from zenbook.interrupts import uninterrupted
from zenbook.stack.orchestrator import Stores
from zenbook.stack.records import InputRecord

_GRACE = 10.0  # seconds that an interrupted worker has to record its end


@dataclass(frozen=True, slots=True)
class Worker:
    """One step to be run by a process: ``PYTHON *arguments``, with ``variables`` added to its environment."""

    step: str
    run: str
    plan: Path  # the file with the plan, which the worker reads
    arguments: tuple[str, ...]  # "-m", "zenbook.engine.worker", the plan's file, the step, …
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """How a worker's process ended: its exit code (below 0: minus the signal), and the last line that it printed."""

    code: int
    last: str = ""

    @property
    def message(self) -> str:
        """For people: ``its process was killed by SIGKILL``, ``its process ended with exit code 9: no such file``."""
        if self.code < 0:
            names = {one.value: one.name for one in signal.Signals}
            return f"its process was killed by {names.get(-self.code, f'signal {-self.code}')}"
        return f"its process ended with exit code {self.code}" + (f": {self.last}" if self.last else "")


Start = Callable[[Worker], WorkerExit]


def run_in_workers(
    plan: Plan,
    run_id: str,
    stack: Stores,
    listener: Listener,
    *,
    use_cache: bool,
    start: Start,
    shared: Path | None = None,
) -> None:
    """Run a plan's steps in order, each by a worker that ``start`` runs to its end.

    ``shared`` is an existing folder that the workers see too, for the plan's file; by default the system's for
    temporary files. ``start`` raises `KeyboardInterrupt` when it is interrupted, after it has seen to the worker's end.
    Raises `RunError` for a step that failed or whose worker is gone.
    """
    with (
        tempfile.TemporaryDirectory(prefix="zenbook-", dir=shared) as folder,
        RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context,
    ):
        file = Path(folder) / "plan.json"
        file.write_text(plan.to_json(), encoding="utf-8")
        variables = stack.variables()

        def run_one(node: Node) -> None:
            arguments = worker_arguments(file, node.name, run_id, stack, use_cache=use_cache)
            began = time.time()
            context.listener.on_event(StepStarted(run_id, node.name, at=began))
            try:
                ended = start(Worker(node.name, run_id, file, arguments, variables))
            except KeyboardInterrupt:
                with uninterrupted():
                    report_recorded_end(context, node.name)
                raise
            if not report_recorded_end(context, node.name):
                report_crash(context, node.name, began, ended)

        run_in_order(plan, context, run_one)


def worker_arguments(plan: Path, step: str, run_id: str, stack: Stores, *, use_cache: bool) -> tuple[str, ...]:
    """What Python is called with to run one step."""
    cache = () if use_cache else ("--no-cache",)
    return "-m", "zenbook.engine.worker", str(plan), step, "--run", run_id, "--stack", stack.stack.name, *cache


def run_command(command: Sequence[str], variables: Mapping[str, str]) -> WorkerExit:
    """Run a command of this machine to its end, and show what it prints.

    When this process is interrupted the command is terminated, and killed if it does not end within 10 s. Raises
    `RunError` for a command that can't be started.
    """
    last = ""
    with _started(command, variables) as process:
        try:
            for line in process.stdout or ():
                sys.stdout.write(line)
                last = line.strip() or last
            return WorkerExit(process.wait(), last)
        except BaseException:
            process.terminate()
            try:
                sys.stdout.write(process.communicate(timeout=_GRACE)[0])
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _started(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise RunError(
            f"The worker {command[0]!r} can't be started: {error.strerror}.", "Is it installed, and executable?"
        ) from error


def report_recorded_end(context: RunContext, step: str) -> bool:
    """Tell the others how a step ended, as its worker recorded it; False if it recorded no end.

    Raises `RunError` for a step that failed.
    """
    metadata, run = context.metadata, context.run
    record = next((one for one in metadata.steps([run]) if one.name == step), None)
    if record is None or not record.state.ended:
        return False
    finished = replace(
        recorded_end(record),
        outputs=tuple((one.name, as_stored(one)) for one in metadata.outputs([run], step)),
        inputs=tuple((one.name, _used(one)) for one in metadata.inputs([run]) if one.step == step),
        metrics=tuple((one.name, one.value) for one in metadata.metrics([run]) if one.step == step),
    )
    context.finished[step] = finished
    context.observers.on_event(finished)
    if record.state is StepState.FAILED:
        raise RunError(f"Step {step!r} failed in its process: {record.error}.", f"Its traceback: zen show {run} {step}")
    return True


def report_crash(context: RunContext, step: str, began: float, ended: WorkerExit) -> None:
    """Tell and record that a worker was gone before it recorded the step's end. Raises `RunError`."""
    context.emit(StepFinished(context.run, step, StepState.CRASHED, 1, began, error=ended.message))
    again = "Run the pipeline again."
    raise RunError(
        f"Step {step!r} has no end: {ended.message}.",
        f"Did the system kill it for want of memory? {again}" if ended.code < 0 else again,
    )


def _used(record: InputRecord) -> UsedInput:
    stored = Stored(record.digest, record.format, record.member)
    return UsedInput(record.source_step, record.source_output, stored)
