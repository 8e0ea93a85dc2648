"""Run the steps of a plan in processes of their own, for orchestrators that do not run them in this process.

An orchestrator says how a worker is started (`StartWorker`). The rest is here: the command, the variables with which a
worker opens this very stack, the events, the order, and the report of a worker that ended without recording its step's
end. An orchestrator that starts workers in another way (pods, tasks of another engine) uses the parts:
`OpenStack.variables`, `report_recorded_end`, `report_crash`.
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
    """One step for a process to run: ``PYTHON *arguments``, with ``variables`` added to its environment."""

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
        """For people: ``its process was killed (SIGKILL)``, ``its process ended with exit code 9: no such file``."""
        if self.code < 0:
            names = {number.value: number.name for number in signal.Signals}
            return f"its process was killed ({names.get(-self.code, f'signal {-self.code}')})"
        return f"its process ended with exit code {self.code}" + (f": {self.last}" if self.last else "")


StartWorker = Callable[[Worker], WorkerExit]  # starts a worker and waits for its end


def run_in_workers(
    plan: Plan,
    run_id: str,
    stack: Stores,
    listener: Listener,
    *,
    use_cache: bool,
    start: StartWorker,
    shared: Path | None = None,
) -> None:
    """Run a plan's steps in order, each by a worker that ``start`` runs to its end.

    Args:
        plan: What to run.
        run_id: The run.
        stack: The stack, which the workers open too.
        listener: What receives the events.
        use_cache: Whether steps may be served from the cache.
        start: Starts a worker and waits for its end. When it is interrupted it ends the worker, then raises
            `KeyboardInterrupt`.
        shared: An existing folder for the plan's file that the workers see too; by default the system's folder for
            temporary files.

    Raises:
        RunError: A step failed, or its worker crashed.
        KeyboardInterrupt: The run was interrupted.
    """
    with (
        tempfile.TemporaryDirectory(prefix="zenbook-", dir=shared) as folder,
        RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context,
    ):
        file = Path(folder) / "plan.json"
        file.write_text(plan.to_json(), encoding="utf-8")
        variables = stack.variables()

        def run_node(node: Node) -> None:
            arguments = worker_arguments(file, node.name, run_id, stack, use_cache=use_cache)
            started_at = time.time()
            context.listener.on_event(StepStarted(run_id, node.name, at=started_at))
            try:
                ended = start(Worker(node.name, run_id, file, arguments, variables))
            except KeyboardInterrupt:
                with uninterrupted():
                    report_recorded_end(context, node.name)
                raise
            if not report_recorded_end(context, node.name):
                report_crash(context, node.name, started_at, ended)

        run_in_order(plan, context, run_node)


def worker_arguments(plan: Path, step: str, run_id: str, stack: Stores, *, use_cache: bool) -> tuple[str, ...]:
    """Make the arguments with which Python runs one step.

    Args:
        plan: The plan's file, as the worker sees it.
        step: The step's name.
        run_id: The run.
        stack: The stack.
        use_cache: Whether the step may be served from the cache.

    Returns:
        The arguments that follow ``python``.
    """
    cache = () if use_cache else ("--no-cache",)
    return "-m", "zenbook.engine.worker", str(plan), step, "--run", run_id, "--stack", stack.stack.name, *cache


def run_command(command: Sequence[str], variables: Mapping[str, str]) -> WorkerExit:
    """Run a command on this machine to its end, and show what it prints.

    When this process is interrupted the command is terminated, and killed if it does not end within 10 s.

    Args:
        command: The program and its arguments.
        variables: What is added to the environment.

    Returns:
        How the command ended.
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
            f"The worker {command[0]!r} could not be started: {error.strerror}.",
            "Check that it is installed and executable.",
        ) from error


def report_recorded_end(context: RunContext, step: str) -> bool:
    """Report to the observers how a step ended, as its worker recorded it.

    Args:
        context: The run.
        step: The step's name.

    Returns:
        False if the worker recorded no end.

    Raises:
        RunError: The step failed.
    """
    metadata, run = context.metadata, context.run
    record = next((record for record in metadata.steps([run]) if record.name == step), None)
    if record is None or not record.state.ended:
        return False
    finished = replace(
        recorded_end(record),
        outputs=tuple((output.name, as_stored(output)) for output in metadata.outputs([run], step)),
        inputs=tuple((used.name, _used_input(used)) for used in metadata.inputs([run]) if used.step == step),
        metrics=tuple((metric.name, metric.value) for metric in metadata.metrics([run]) if metric.step == step),
    )
    context.finished[step] = finished
    context.observers.on_event(finished)
    if record.state is StepState.FAILED:
        raise RunError(f"Step {step!r} failed in its process: {record.error}.", f"Its traceback: zen show {run} {step}")
    return True


def report_crash(context: RunContext, step: str, started_at: float, ended: WorkerExit) -> None:
    """Report and record that a worker ended before it recorded the step's end.

    Args:
        context: The run.
        step: The step's name.
        started_at: When the worker was started, in seconds since 1970.
        ended: How its process ended.

    Raises:
        RunError: Always.
    """
    context.emit(StepFinished(context.run, step, StepState.CRASHED, 1, started_at, error=ended.message))
    again = "Run the pipeline again."
    raise RunError(
        f"Step {step!r} crashed: {ended.message}.",
        f"It may have run out of memory. {again}" if ended.code < 0 else again,
    )


def _used_input(record: InputRecord) -> UsedInput:
    stored = Stored(record.digest, record.format, record.member)
    return UsedInput(record.source_step, record.source_output, stored)
