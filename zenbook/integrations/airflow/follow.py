"""Follow a run in Airflow: the REST API says what its tasks do, the metadata store what its steps recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from zenbook.core.events import Logged, StepFinished
from zenbook.core.states import StepState
from zenbook.engine.recorded_events import recorded_start
from zenbook.engine.run_context import RunContext
from zenbook.engine.run_end import RunEnd
from zenbook.engine.worker_pool import report_recorded_end
from zenbook.errors import RunError
from zenbook.integrations.airflow.client import ENDED, AirflowApi, DagInfo, TaskInfo
from zenbook.integrations.airflow.dag_source import VERSION_TAG
from zenbook.integrations.airflow.task import finish_run_if_complete, task_ids
from zenbook.interrupts import pause
from zenbook.stack.records import Batch, LogRecord, StepRecord

GRACE = 20.0  # seconds that a run has to end after it was stopped
_API_INTERVAL = 2.0  # seconds between two requests to Airflow while steps run
_RECORD_DELAY = 5.0  # seconds after a task's end in which its step's end must be recorded
_LOG_LINES = 40
_TRACEBACK_LINES = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds.

    Attributes:
        poll: Between two looks at the metadata store, or at a DAG that is not parsed yet.
        parsed: In which Airflow must parse the DAG.
        started: In which a first task must start.
    """

    poll: float = 0.5
    parsed: float = 400.0
    started: float = 180.0


def wait_until_parsed(api: AirflowApi, dag_id: str, file: str, text: str, limits: Limits) -> DagInfo:
    """Wait until Airflow has parsed a certain version of a DAG.

    Args:
        api: Airflow's API.
        dag_id: The DAG's id.
        file: How the path of the DAG's file ends.
        text: The text of the file, which has the version as a tag.
        limits: How long to wait.

    Returns:
        The DAG as Airflow knows it.

    Raises:
        RunError: Airflow cannot import the file, or has not parsed it in time.
    """
    version = next(word.strip('"],') for word in text.split() if word.startswith(f'"{VERSION_TAG}'))
    until = time.monotonic() + limits.parsed
    while True:
        dag = api.dag(dag_id)
        if dag is not None and version in dag.tags:
            return dag
        error = api.import_error(file).strip()
        if error:
            raise RunError(f"Airflow cannot import the DAG {dag_id!r}: {error.splitlines()[-1]}.", error)
        if time.monotonic() > until:
            raise RunError(
                f"Airflow has not parsed the DAG {dag_id!r} within {limits.parsed:g} s{_unhealthy_parts(api)}.",
                "Is the setting `dags` its dags folder? Airflow searches it every [dag_processor] refresh_interval "
                "(Airflow 2: [scheduler] dag_dir_list_interval).",
            )
        pause(limits.poll)


class AirflowRun:
    """A run in Airflow, whose events are passed on step by step.

    Args:
        api: Airflow's API.
        dag_id: The DAG's id.
        run_id: The id of the run in Airflow.
        context: The run as zenbook knows it.
        limits: How long to wait.
    """

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str, context: RunContext, limits: Limits) -> None:
        self.api, self.dag_id, self.run_id = api, dag_id, run_id
        self.context, self.limits = context, limits
        self.ids = task_ids(context.plan.graph)
        self.attempts: dict[str, int] = {}  # the attempt of each step that was reported last
        self.lines: dict[str, int] = {}  # how many log lines of each step were reported
        self.ended_at: dict[str, float] = {}  # when the task of a step was first seen to have ended
        self.failing: RunError | None = None

    def follow_to_end(self) -> None:
        """Report what happens until the run has ended.

        The metadata store is read often. Airflow is asked less often until all steps have ended, since its web server
        also serves the tasks.

        Raises:
            RunError: A step failed, or no task has started in time.
        """
        until = time.monotonic() + self.limits.started
        state: str | None = "queued"
        tasks: dict[str, TaskInfo] = {}
        due = 0.0
        while True:
            self._report(tasks)
            if time.monotonic() >= due or len(self.context.finished) == len(self.ids):
                state = self.api.state(self.dag_id, self.run_id)
                if state in ("success", "failed", None):
                    break
                if len(self.context.finished) < len(self.ids):
                    tasks = self.api.tasks(self.dag_id, self.run_id)
                due = time.monotonic() + _API_INTERVAL
            if self.attempts or any(task.state not in ("", "scheduled", "queued") for task in tasks.values()):
                until = float("inf")
            if time.monotonic() > until:
                raise RunError(
                    f"Airflow has not started a task of {self.dag_id!r} within {self.limits.started:g} s: "
                    f"the run is {state}{_unhealthy_parts(self.api)}.",
                    f"See {self._page}",
                )
            pause(self.limits.poll)
        self._report_rest(self.api.tasks(self.dag_id, self.run_id) if state is not None else {})
        if self.failing is not None:
            raise self.failing
        if state != "success":
            ending = "was deleted from Airflow" if state is None else "failed in Airflow"
            raise RunError(f"The run {ending}.", f"See {self._page}")

    def cancel(self) -> None:
        """Stop the run in Airflow, and wait some seconds until its steps have recorded that they ended."""
        self.api.connection.patience = 5.0
        try:
            self.api.fail(self.dag_id, self.run_id)
            until = time.monotonic() + GRACE
            while time.monotonic() < until and self.has_running():
                time.sleep(self.limits.poll)
        except RunError as error:  # the user does not want to wait
            self._log_note(f"The run could not be stopped in Airflow: {error.message}")
        self._write_rest(StepState.CANCELLED, "interrupted")

    def give_up(self, error: BaseException) -> None:
        """Stop the run in Airflow because of an error, and give every step an end.

        Args:
            error: The error.
        """
        if not isinstance(error, RunError) or self.failing is not error:
            self.api.connection.patience = 2.0
            try:
                self.api.fail(self.dag_id, self.run_id)
            except Exception as problem:  # noqa: BLE001  # the first error matters more
                error.add_note(f"and the run could not be stopped in Airflow: {problem}")
        self._write_rest(StepState.SKIPPED, "")

    def write_end(self) -> None:
        """Record the end of a run that no process followed."""
        context = self.context
        finish_run_if_complete(context.plan, context.run, context.metadata)
        record = context.metadata.run(context.run)
        if record is None or record.state.ended:
            return
        self._write_rest(StepState.CRASHED, "it ended in Airflow and recorded nothing")
        end = RunEnd.of_lost_steps(self._records().values(), "ended in Airflow")
        context.metadata.write(Batch(runs=[end.update(record.id, record.started_at, time.time())]))

    def has_running(self) -> bool:
        """Whether a step is running, or has not recorded its end yet."""
        return any(record.state is StepState.RUNNING for record in self._records().values())

    @property
    def _page(self) -> str:
        return self.api.page(self.dag_id, self.run_id)

    # --- what is reported ----------------------------------------------------------------------------------------

    def _records(self) -> dict[str, StepRecord]:
        return {record.name: record for record in self.context.metadata.steps([self.context.run])}

    def _report(self, tasks: dict[str, TaskInfo]) -> None:
        """Report what is new in the metadata store, and the tasks that ended and whose steps recorded no end."""
        records = self._records()
        for node in self.context.plan.graph:
            if node.name in self.context.finished:
                continue
            record, task = records[node.name], tasks.get(self.ids[node.name])
            self._report_start(record)
            self._report_lines(record)
            if record.state.ended:
                self._report_recorded_end(record)
            elif task is not None and task.state in ENDED:
                self._report_unrecorded_end(record, task)

    def _report_start(self, record: StepRecord) -> None:
        ran = record.started_at is not None and record.state is not StepState.CACHED
        if ran and self.attempts.get(record.name) != record.attempt:
            self.attempts[record.name] = record.attempt
            self.context.observers.on_event(recorded_start(record))

    def _report_lines(self, record: StepRecord) -> None:
        if record.started_at is None:
            return
        lines = self.context.metadata.logs(record.run, record.name)
        self._show_lines(lines[self.lines.get(record.name, 0) :])
        self.lines[record.name] = len(lines)

    def _show_lines(self, lines: Sequence[LogRecord]) -> None:
        for line in lines:
            self.context.observers.on_event(Logged(line.run, line.step, line.stream, line.text, line.at))

    def _report_recorded_end(self, record: StepRecord) -> None:
        try:
            report_recorded_end(self.context, record.name)
        except RunError as error:
            self._fetch_log(record)
            tail = "\n".join(record.traceback.rstrip().splitlines()[-_TRACEBACK_LINES:])
            self.failing = self.failing or RunError(
                error.message.replace("in its process", "on Airflow"),
                f"{tail}\nMore: zen show {record.run} {record.name}, and {self._page}",
            )

    def _fetch_log(self, record: StepRecord) -> None:
        """Add Airflow's own log lines about the last attempt to the lines of a failed step."""
        task = self.ids[record.name]
        try:
            log = self.api.log(self.dag_id, self.run_id, task, max(record.attempt, 1))
        except RunError:  # the step's own lines and traceback are recorded
            return
        metadata = self.context.metadata
        known = metadata.logs(record.run, record.name)
        recorded = "".join(line.text for line in known) + record.traceback
        old = {line.strip() for line in recorded.splitlines()} | {"::group::", "::endgroup::"}
        new = [line for line in log.splitlines() if line.strip() and not any(text and text in line for text in old)]
        at = record.ended_at or time.time()
        lines = [
            LogRecord(record.run, record.name, len(known) + place, at, "log", f"Airflow: {line}\n")
            for place, line in enumerate(new[-_LOG_LINES:])
        ]
        metadata.write(Batch(logs=lines))
        self._show_lines(lines)

    def _report_unrecorded_end(self, record: StepRecord, task: TaskInfo) -> None:
        """Report the end of a task whose step recorded no end, as Airflow knows it."""
        if task.state in ("upstream_failed", "skipped", "removed"):
            why = "a step above it did not succeed" if task.state == "upstream_failed" else f"{task.state} in Airflow"
            self.context.emit(StepFinished(record.run, record.name, StepState.SKIPPED, why=why))
            return
        first = self.ended_at.setdefault(record.name, time.monotonic())
        if time.monotonic() - first > _RECORD_DELAY:
            self._report_crash(record, task)

    def _report_crash(self, record: StepRecord, task: TaskInfo) -> None:
        log = self.api.log(self.dag_id, self.run_id, self.ids[record.name], max(task.attempt, 1)).strip()
        tail = "\n".join(log.splitlines()[-_LOG_LINES:])
        problem = f"its task is {task.state} in Airflow, and its worker recorded nothing"
        self.context.emit(
            StepFinished(
                record.run,
                record.name,
                StepState.CRASHED,
                max(task.attempt, 1),
                record.started_at,
                error=problem,
                traceback=tail,
            )
        )
        self.failing = self.failing or RunError(
            f"Step {record.name!r} crashed: {problem}.", f"The end of the task's log:\n{tail}"
        )

    def _report_rest(self, tasks: dict[str, TaskInfo]) -> None:
        """Report the ends that are still missing after the run has ended."""
        until = time.monotonic() + _RECORD_DELAY + 2
        missing = [node.name for node in self.context.plan.graph if node.name not in self.context.finished]
        while missing and time.monotonic() < until:
            removed = {self.ids[name]: TaskInfo("removed", 0) for name in missing}
            self._report(removed | tasks)
            missing = [name for name in missing if name not in self.context.finished]
            if missing:
                pause(self.limits.poll)
        self._write_rest(StepState.SKIPPED, "")

    def _write_rest(self, state: StepState, error: str) -> None:
        """Give every step an end: this one to those that ran, and skip those that did not."""
        for node in self.context.plan.graph:
            if node.name in self.context.finished:
                continue
            record = self._records()[node.name]
            if record.state.ended:
                self._report_recorded_end(record)
                continue
            ran = record.state is StepState.RUNNING
            end = state if ran else StepState.SKIPPED
            why = record.why if ran else "the run ended before"
            finished = StepFinished(record.run, node.name, end, record.attempt, record.started_at, why=why)
            self.context.emit(replace(finished, error=error if ran else ""))

    def _log_note(self, text: str) -> None:
        for node in self.context.plan.graph:
            if node.name not in self.context.finished:
                self.context.emit(Logged(self.context.run, node.name, "log", text + "\n"))
                return


def _unhealthy_parts(api: AirflowApi) -> str:
    """The components of Airflow that are not healthy, as the end of a sentence."""
    try:
        states = api.health()
    except RunError:
        return ", and it does not answer now"
    unhealthy = [
        f"its {name} is {state}" for name, state in states.items() if state != "healthy" and name != "triggerer"
    ]
    return f", and {', '.join(unhealthy)}" if unhealthy else ""
