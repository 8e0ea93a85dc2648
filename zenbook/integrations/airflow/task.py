"""A step as a task of Airflow, run by a worker that finds its run by itself.

Nobody launches such a run here: whichever task of it comes first makes its row. All of them find the same row, since
the end of its id is a digest of what names the run in Airflow; two that come first at once make the same row, since
the rest of the id is the moment at which Airflow began the run. The row's end is written by whichever task ends last.
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
from zenbook.core.plan_parameters import with_params
from zenbook.core.states import RunState, StepState
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

RESERVED = "zenbook"  # the key of a trigger's `conf` that is zenbook's own: {"run": ID, "cache": false}
STACK_FILE = "stack.json"  # beside the plan: variables that choose the stack, and the folder to start in
_SUFFIX = 8  # digits of base 32 that tell Airflow's runs apart
_TAKEN = (
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
    """The task of each step, by the step's name."""
    return identifiers([node.name for node in nodes], _TAKEN)


@dataclass(frozen=True, slots=True)
class AirflowTask:
    """What Airflow tells a worker of its task."""

    dag: str
    run: str
    began: str  # when Airflow began the run, as ISO 8601
    task: str
    attempt: int  # 1-based
    last: bool  # whether Airflow gives up if this attempt fails
    log_url: str
    params: Mapping[str, Any]  # the DAG's, with what the trigger said
    own: Mapping[str, Any]  # what zenbook said when it triggered the run

    @classmethod
    def from_environment(cls) -> AirflowTask:
        """The task whose variables this process was given. Raises `RunError` where there are none."""
        try:
            said = {
                key: os.environ[f"ZENBOOK_AIRFLOW_{key}"] for key in ("DAG", "RUN", "TASK", "TRY", "TRIES", "PARAMS")
            }
            params = dict(json.loads(said["PARAMS"]))
            own = params.pop(RESERVED, None)
            attempt, attempts = int(said["TRY"]), int(said["TRIES"])
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(
                f"Airflow did not say which task this is ({type(error).__name__}: {error}).",
                "This worker is started by the DAG that `zen export airflow` writes; export it again.",
            ) from error
        return cls(
            dag=said["DAG"],
            run=said["RUN"],
            began=os.environ.get("ZENBOOK_AIRFLOW_BEGAN", ""),
            task=said["TASK"],
            attempt=attempt,
            last=attempt >= attempts,
            log_url=os.environ.get("ZENBOOK_AIRFLOW_LOG", ""),
            params=params,
            own=own if isinstance(own, dict) else {},
        )

    @property
    def suffix(self) -> str:
        """The end of the id of the run's row: of the installation, the DAG and the run."""
        place = self.log_url.partition("://")[2].partition("/")[0]
        digest = hashlib.sha256("\0".join((place, self.dag, self.run)).encode()).digest()
        return "".join(DIGITS[byte & 31] for byte in digest[:_SUFFIX])

    @property
    def note(self) -> str:
        """The task's place, for people."""
        return f"{ATTEMPT_NOTE}Airflow: {self.dag} / {self.run} / {self.task}, try {self.attempt}: {self.log_url}"


def run_task(plan_file: Path, exported: Plan) -> None:
    """Run the step of the task that this process was started for, and print the addresses of what it made.

    Raises what the step raises, `RunError` for a task that the plan does not have or parameters that it can't take.
    """
    task = AirflowTask.from_environment()
    _choose_stack(plan_file.with_name(STACK_FILE))
    stack = open_stack()
    record, plan = retry_until_reachable(lambda: find_or_create_run(task, exported, stack))
    node = _node_of(task, plan)
    before = next((one for one in stack.metadata.steps([record.id]) if one.name == node.name), None)
    again = before is not None and before.state.has_outputs  # cleared in Airflow: whoever does that wants it to run
    reopen_run(record, node, plan, stack)
    plan, differing = with_installed_versions(plan, node.name)
    outer_attempt = Attempt(task.attempt, task.last, (task.note, *differing))
    use_cache = not again and task.own.get("cache") is not False
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
    said = "served from the cache, " if finished.state is StepState.CACHED else ""
    sys.stdout.write(f"{node.name}: {said}{finished.why or finished.state}\n")
    made = {name: stack.artifacts.uri(one.address) for name, one in finished.outputs if name not in HIDDEN}
    sys.stdout.write(json.dumps(made) + "\n")  # the last line becomes the task's XCom
    sys.stdout.flush()


def finish_run_if_complete(plan: Plan, run: str, metadata: MetadataStore) -> None:
    """Write the run's end if nothing of it can go on, and skip the steps that have nothing to start from."""
    record = metadata.run(run)
    steps = {one.name: one for one in metadata.steps([run])}
    lost = {name for name, one in steps.items() if one.state.ended and not one.state.has_outputs}
    skipped = []
    for node in plan.graph:
        one = steps[node.name]
        if one.state is StepState.PENDING and lost & set(node.upstream):
            lost.add(node.name)
            skipped.append(replace(one, state=StepState.SKIPPED, why="a step above it did not succeed"))
    steps |= {one.name: one for one in skipped}
    batch = Batch(steps=skipped)
    end = RunEnd.of_steps(steps.values())
    if record is not None and end is not None:
        batch.runs.append(end.update(run, record.started_at, time.time()))
    if batch:
        metadata.write(batch)


def reopen_run(record: RunRecord, node: Node, plan: Plan, stack: OpenStack) -> None:
    """Let a run that had ended go on: a task of it was cleared, and those that were skipped after it may follow."""
    steps = {one.name: one for one in stack.metadata.steps([record.id])}
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
    """The run's row and its plan; the row is made if this task comes first."""
    named = task.own.get("run")
    if isinstance(named, str):
        record = stack.metadata.run(named)
        if record is None:
            raise RunError(
                f"There is no run {named!r} in {stack.metadata.describe()}.",
                "Whoever triggered it uses another metadata store than this worker.",
            )
        return record, Plan.from_json(record.plan)
    plan = with_params(exported, task.params)
    found = stack.metadata.find_run_ids(f"-{task.suffix}", limit=1)
    record = stack.metadata.run(found[-1]) if found else None
    if record is None or record.plan != plan.to_json():  # the first task, or the DAG was exported anew in between
        record = _written(task, plan, stack, record)
    return record, plan


def _written(task: AirflowTask, plan: Plan, stack: OpenStack, before: RunRecord | None) -> RunRecord:
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
    for name, its in task_ids(plan.graph).items():
        if its == task.task:
            return plan.graph[name]
    raise RunError(
        f"The plan of {plan.pipeline!r} has no step for the task {task.task!r}.",
        "The DAG and plan.json are of different exports: copy the whole folder again.",
    )


def _choose_stack(file: Path) -> None:
    """Take over what whoever deployed the DAG wrote beside it; what the environment says itself wins."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for variable, value in said["variables"].items():
        os.environ.setdefault(variable, value)
    folder = Path(said["folder"])
    if folder.is_dir():
        os.chdir(folder)
        sys.path.insert(0, str(folder))


work = run_task  # the name in the entry points of installations made before the rename

__all__ = ["RESERVED", "STACK_FILE", "AirflowTask", "finish_run_if_complete", "run_task", "task_ids"]
