"""Run a step as a task of Airflow, in a worker that finds its run by itself.

Airflow starts such a run, not zenbook, so the first task creates the run's row. All tasks find the same row, since the
end of its id is a digest of what names the run in Airflow. Two tasks that are first at the same time create the same
row, since the rest of the id is the time at which Airflow started the run. The last task records the run's end.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from zenbook.core.events import ATTEMPT_NOTE, Listeners
from zenbook.core.graph import Node
from zenbook.core.identifiers import identifiers
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.core.tracing.plan_parameters import with_params
from zenbook.engine.environment import EnvironmentSnapshot, user_name
from zenbook.engine.run_context import HIDDEN, Attempt, RunContext
from zenbook.engine.run_end import RunEnd
from zenbook.engine.run_ids import DIGITS, new_run_id
from zenbook.engine.run_records import RunRows
from zenbook.engine.steps.installed_packages import with_installed_versions
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.engine.steps.step_runner import run_step
from zenbook.engine.store_retry import retry_until_reachable
from zenbook.errors import RunError
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Batch, RunRecord, RunUpdate
from zenbook.stack.stack import OpenStack, open_stack

RESERVED = "zenbook"  # zenbook's own key in the `conf` of a trigger: {"run": ID, "cache": false}
STACK_FILE = "stack.json"  # beside the plan: variables that choose the stack, and the working folder
_SUFFIX = 8  # digits of base 32 that identify a run of Airflow
_RESERVED_NAMES = (  # names that the DAG's file uses itself
    "BashOperator",
    "DAG",
    "PYTHON",
    "Param",
    "Path",
    "RUN_STEP",
    "STEP",
    "datetime",
    "os",
    "timedelta",
    "timezone",
)


def task_ids(nodes: Iterable[Node]) -> dict[str, str]:
    """Choose the tasks' ids.

    Args:
        nodes: The steps of the plan.

    Returns:
        The id of the task of each step, by the step's name.
    """
    return identifiers([node.name for node in nodes], _RESERVED_NAMES)


@dataclass(frozen=True, slots=True)
class AirflowTask:
    """A task of Airflow, as the environment of its worker describes it."""

    dag: str
    run: str
    began: str  # when Airflow started the run, as ISO 8601
    task: str
    attempt: int  # 1-based
    last: bool  # whether Airflow gives up if this attempt fails
    log_url: str
    params: Mapping[str, Any]  # the DAG's parameters with the values of the trigger
    own: Mapping[str, Any]  # what zenbook added when it triggered the run

    @classmethod
    def from_environment(cls) -> AirflowTask:
        """Read the task from this process's environment.

        Returns:
            The task.

        Raises:
            RunError: The environment describes no task.
        """
        try:
            variables = {
                key: os.environ[f"ZENBOOK_AIRFLOW_{key}"] for key in ("DAG", "RUN", "TASK", "TRY", "TRIES", "PARAMS")
            }
            params = dict(json.loads(variables["PARAMS"]))
            own = params.pop(RESERVED, None)
            attempt, attempts = int(variables["TRY"]), int(variables["TRIES"])
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(
                f"The environment does not describe a task of Airflow ({type(error).__name__}: {error}).",
                "Such a worker is started by the DAG of `zen export airflow`. Export the DAG again.",
            ) from error
        return cls(
            dag=variables["DAG"],
            run=variables["RUN"],
            began=os.environ.get("ZENBOOK_AIRFLOW_BEGAN", ""),
            task=variables["TASK"],
            attempt=attempt,
            last=attempt >= attempts,
            log_url=os.environ.get("ZENBOOK_AIRFLOW_LOG", ""),
            params=params,
            own=own if isinstance(own, dict) else {},
        )

    @property
    def suffix(self) -> str:
        """The end of the id of the run's row: a digest of the Airflow installation, the DAG and the run."""
        place = self.log_url.partition("://")[2].partition("/")[0]
        digest = hashlib.sha256("\0".join((place, self.dag, self.run)).encode()).digest()
        return "".join(DIGITS[byte & 31] for byte in digest[:_SUFFIX])

    @property
    def note(self) -> str:
        """A note that says where the task is in Airflow."""
        return f"{ATTEMPT_NOTE}Airflow: {self.dag} / {self.run} / {self.task}, try {self.attempt}: {self.log_url}"


def run_task(plan_file: Path, exported: Plan) -> None:
    """Run the step of the task for which this process was started, and print the addresses of its outputs.

    What the step raises is raised. Parameters that the plan does not accept, or a task that it does not have, are a
    `RunError`.

    Args:
        plan_file: The file of the plan.
        exported: The plan, as it was exported.
    """
    task = AirflowTask.from_environment()
    _choose_stack(plan_file.with_name(STACK_FILE))
    stack = open_stack()
    record, plan = retry_until_reachable(lambda: find_or_create_run(task, exported, stack))
    node = _node_of(task, plan)
    before = next((step for step in stack.metadata.steps([record.id]) if step.name == node.name), None)
    cleared = before is not None and before.state.has_outputs  # somebody cleared the task in Airflow to run it again
    reopen_run(record, node, plan, stack)
    plan, differing = with_installed_versions(plan, node.name)
    outer_attempt = Attempt(task.attempt, task.last, (task.note, *differing))
    use_cache = not cleared and task.own.get("cache") is not False
    try:
        with (
            proxied_streams(),
            RunContext.recorded(
                plan, record.id, stack, Listeners(()), use_cache=use_cache, outer_attempt=outer_attempt
            ) as context,
        ):
            finished = run_step(context, node)
    finally:
        finish_run_if_complete(plan, record.id, stack.metadata)
    for line in differing:
        sys.stderr.write(f"{node.name}: {line}\n")
    prefix = "served from the cache, " if finished.state is StepState.CACHED else ""
    sys.stdout.write(f"{node.name}: {prefix}{finished.why or finished.state}\n")
    addresses = {name: stack.artifacts.uri(stored.address) for name, stored in finished.outputs if name not in HIDDEN}
    sys.stdout.write(json.dumps(addresses) + "\n")  # the last line becomes the task's XCom
    sys.stdout.flush()


def finish_run_if_complete(plan: Plan, run: str, metadata: MetadataStore) -> None:
    """Skip the steps that cannot run any more, and record the run's end if no step is left.

    Args:
        plan: The run's plan.
        run: The run's id.
        metadata: The metadata store.
    """
    record = metadata.run(run)
    steps = {step.name: step for step in metadata.steps([run])}
    lost = {name for name, step in steps.items() if step.state.ended and not step.state.has_outputs}
    skipped = []
    for node in plan.graph:
        step = steps[node.name]
        if step.state is StepState.PENDING and lost & set(node.upstream):
            lost.add(node.name)
            skipped.append(replace(step, state=StepState.SKIPPED, why="a step above it did not succeed"))
    steps |= {step.name: step for step in skipped}
    batch = Batch(steps=skipped)
    end = RunEnd.of_steps(steps.values())
    if record is not None and end is not None:
        batch.runs.append(end.update(run, record.started_at, time.time()))
    if batch:
        metadata.write(batch)


def reopen_run(record: RunRecord, node: Node, plan: Plan, stack: OpenStack) -> None:
    """Set a run that has ended to running, and the skipped steps below a step to pending.

    That is needed if the task of the step was cleared in Airflow.

    Args:
        record: The run.
        node: The step that runs again.
        plan: The run's plan.
        stack: The stores of the run.
    """
    steps = {step.name: step for step in stack.metadata.steps([record.id])}
    below, waiting = {node.name}, []
    for other in plan.graph:
        if below & set(other.upstream):
            below.add(other.name)
            if steps[other.name].state is StepState.SKIPPED:
                waiting.append(replace(steps[other.name], state=StepState.PENDING, why="", ended_at=None))
    batch = Batch(steps=waiting)
    if record.state.ended:
        batch.runs.append(RunUpdate(record.id, RunState.RUNNING, record.started_at, None))
    if batch:
        stack.metadata.write(batch)


# --- the run's row ------------------------------------------------------------------------------------------------


def find_or_create_run(task: AirflowTask, exported: Plan, stack: OpenStack) -> tuple[RunRecord, Plan]:
    """Find the row of a task's run, or create it if this task is the first.

    Args:
        task: The task.
        exported: The plan, as it was exported.
        stack: The stores of the run.

    Returns:
        The run's row, and its plan with the parameters of the trigger.

    Raises:
        RunError: The run that zenbook triggered is not in this metadata store.
    """
    named = task.own.get("run")
    if isinstance(named, str):
        record = stack.metadata.run(named)
        if record is None:
            raise RunError(
                f"Run {named!r} was not found in {stack.metadata.describe()}.",
                "This worker and the process that triggered the run must use the same metadata store.",
            )
        return record, Plan.from_json(record.plan)
    plan = with_params(exported, task.params)
    ids = stack.metadata.find_run_ids(f"-{task.suffix}", limit=1)
    record = stack.metadata.run(ids[-1]) if ids else None
    if record is None or record.plan != plan.to_json():  # the first task, or the DAG was exported again since
        record = _write_run(task, plan, stack, record)
    return record, plan


def _write_run(task: AirflowTask, plan: Plan, stack: OpenStack, before: RunRecord | None) -> RunRecord:
    environment = EnvironmentSnapshot().collect()
    moment = _seconds(task.began)
    blank = before or RunRecord(
        id=f"{new_run_id(moment)[:15]}-{task.suffix}",
        pipeline=plan.pipeline,
        stack=stack.stack.name,
        state=RunState.RUNNING,
        created_at=moment,
        started_at=moment,
        host=socket.gethostname(),
        user=user_name(),
        orchestrator="airflow",
        kind=plan.kind,
    )
    known = {step.name for step in stack.metadata.steps([blank.id])}
    rows = RunRows.of(plan, blank, environment, recorded_steps=known)
    rows.create_run(stack.metadata)
    rows.write_external_inputs(stack.metadata)
    return rows.run


def _seconds(began: str) -> float:
    try:
        return datetime.fromisoformat(began).timestamp()
    except ValueError:
        return time.time()


def _node_of(task: AirflowTask, plan: Plan) -> Node:
    for name, task_id in task_ids(plan.graph).items():
        if task_id == task.task:
            return plan.graph[name]
    raise RunError(
        f"The plan of {plan.pipeline!r} has no step for the task {task.task!r}.",
        "The DAG and plan.json are from different exports. Copy the whole folder again.",
    )


def _choose_stack(file: Path) -> None:
    """Set the variables of the file that was deployed beside the plan, unless the environment has them already."""
    try:
        chosen = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for variable, value in chosen["variables"].items():
        os.environ.setdefault(variable, value)
    folder = Path(chosen["folder"])
    if folder.is_dir():
        os.chdir(folder)
        sys.path.insert(0, str(folder))


work = run_task  # the name in the entry points of installations made before the rename

__all__ = ["RESERVED", "STACK_FILE", "AirflowTask", "finish_run_if_complete", "run_task", "task_ids"]
