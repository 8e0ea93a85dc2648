"""Follow a run in Airflow: its tasks by the REST API, what its steps recorded by the metadata store."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from zenbook.core.events import Logged, StepFinished, StepStarted
from zenbook.core.states import StepState
from zenbook.engine.run_context import RunContext
from zenbook.engine.run_end import RunEnd
from zenbook.engine.worker_pool import report_recorded_end
from zenbook.errors import RunError
from zenbook.integrations.airflow.client import ENDED, AirflowApi, DagInfo, TaskInfo
from zenbook.integrations.airflow.task import finish_run_if_complete, task_ids
from zenbook.interrupts import pause
from zenbook.stack.records import Batch, LogRecord, StepRecord

GRACE = 20.0  # seconds that a run has to end after it was told to
_ASK_EVERY = 2.0  # seconds between two questions to Airflow while steps run
_LATE = 5.0  # seconds after a task's end in which its step's end is to be recorded
_LOG_LINES = 40
_TRACEBACK_LINES = 20
_TAG = "zenbook-"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for what, in seconds."""

    poll: float = 0.5
    parsed: float = 400.0
    started: float = 180.0


def wait_until_parsed(api: AirflowApi, dag_id: str, file: str, text: str, limits: Limits) -> DagInfo:
    """Wait until Airflow knows exactly this version of a DAG. Raises `RunError` with what it complains of instead."""
    version = next(one.strip('"],') for one in text.split() if one.startswith(f'"{_TAG}'))
    until = time.monotonic() + limits.parsed
    while True:
        seen = api.dag(dag_id)
        if seen is not None and version in seen.tags:
            return seen
        complaint = api.import_error(file)
        if complaint:
            raise RunError(
                f"Airflow can't import the DAG {dag_id!r}: {complaint.strip().splitlines()[-1]}.", complaint.strip()
            )
        if time.monotonic() > until:
            raise RunError(
                f"Airflow has not parsed the DAG {dag_id!r} within {limits.parsed:g} s{_ill(api)}.",
                "Is the setting `dags` its dags folder? How often it looks: [dag_processor] refresh_interval "
                "(Airflow 2: [scheduler] dag_dir_list_interval).",
            )
        pause(limits.poll)


class AirflowRun:
    """One run in Airflow, told step by step."""

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str, context: RunContext, limits: Limits) -> None:
        self.api, self.dag_id, self.run_id = api, dag_id, run_id
        self.context, self.limits = context, limits
        self.ids = task_ids(context.plan.graph)
        self.attempts: dict[str, int] = {}
        self.lines: dict[str, int] = {}
        self.ended_at: dict[str, float] = {}
        self.failing: RunError | None = None

    def to_its_end(self) -> None:
        """Tell what happens until the run has ended. Raises `RunError` for a step that failed or never ran.

        The store is looked at often; Airflow is asked seldom until all steps have ended there, since the web server
        that answers serves the tasks too.
        """
        until = time.monotonic() + self.limits.started
        state: str | None = "queued"
        tasks: dict[str, TaskInfo] = {}
        due = 0.0
        while True:
            self._look(tasks)
            if time.monotonic() >= due or len(self.context.finished) == len(self.ids):
                state = self.api.state(self.dag_id, self.run_id)
                if state in ("success", "failed", None):
                    break
                if len(self.context.finished) < len(self.ids):
                    tasks = self.api.tasks(self.dag_id, self.run_id)
                due = time.monotonic() + _ASK_EVERY
            if self.attempts or any(one.state not in ("", "scheduled", "queued") for one in tasks.values()):
                until = float("inf")
            if time.monotonic() > until:
                raise RunError(
                    f"Airflow has begun no task of {self.dag_id!r} within {self.limits.started:g} s: the run is {state}"
                    f"{_ill(self.api)}.",
                    f"See {self.api.page(self.dag_id, self.run_id)}",
                )
            pause(self.limits.poll)
        self._end(self.api.tasks(self.dag_id, self.run_id) if state is not None else {})
        if self.failing is not None:
            raise self.failing
        if state != "success":
            gone = "is gone from Airflow" if state is None else "failed in Airflow"
            raise RunError(f"The run {gone}.", f"See {self.api.page(self.dag_id, self.run_id)}")

    def cancel(self) -> None:
        """End the run in Airflow, and wait a moment for its steps to say that they have ended."""
        self.api.connection.patience = 5.0
        try:
            self.api.fail(self.dag_id, self.run_id)
            until = time.monotonic() + GRACE
            while time.monotonic() < until and self.has_running():
                time.sleep(self.limits.poll)
        except RunError as error:  # the user wants to be gone: what could not be done is said
            self._log_note(f"Airflow was not told to stop: {error.message}")
        self._write_rest(StepState.CANCELLED, "interrupted")

    def give_up(self, error: BaseException) -> None:
        """Say of steps that have no end why they get none, and let nothing of the run go on."""
        if not isinstance(error, RunError) or self.failing is not error:
            self.api.connection.patience = 2.0
            try:
                self.api.fail(self.dag_id, self.run_id)
            except Exception as unheard:  # noqa: BLE001  # what ended it matters more
                error.add_note(f"and the run could not be ended in Airflow: {unheard}")
        self._write_rest(StepState.SKIPPED, "")

    def write_end(self) -> None:
        """Record the end of a run that nobody followed."""
        context = self.context
        finish_run_if_complete(context.plan, context.run, context.metadata)
        record = context.metadata.run(context.run)
        if record is None or record.state.ended:
            return
        self._write_rest(StepState.CRASHED, "it ended in Airflow without a word")
        end = RunEnd.of_lost_steps(self._records().values(), "ended in Airflow")
        context.metadata.write(Batch(runs=[end.update(record.id, record.started_at, time.time())]))

    def has_running(self) -> bool:
        """Whether a step runs, or is about to say that it has ended."""
        return any(one.state is StepState.RUNNING for one in self._records().values())

    # --- telling --------------------------------------------------------------------------------------------------

    def _records(self) -> dict[str, StepRecord]:
        return {one.name: one for one in self.context.metadata.steps([self.context.run])}

    def _look(self, tasks: dict[str, TaskInfo]) -> None:
        records = self._records()
        for node in self.context.plan.graph:
            if node.name in self.context.finished:
                continue
            record, task = records[node.name], tasks.get(self.ids[node.name])
            self._tell_start(record)
            self._tell_lines(record)
            if record.state.ended:
                self._tell_recorded(record)
            elif task is not None and task.state in ENDED:
                self._tell_unrecorded(record, task)

    def _tell_start(self, record: StepRecord) -> None:
        ran = record.started_at is not None and record.state is not StepState.CACHED
        if ran and self.attempts.get(record.name) != record.attempt:
            self.attempts[record.name] = record.attempt
            self.context.observers.on_event(
                StepStarted(
                    record.run, record.name, record.attempt, record.cache_key, record.why, record.started_at or 0.0
                )
            )

    def _tell_lines(self, record: StepRecord) -> None:
        if record.started_at is None:
            return
        lines = self.context.metadata.logs(record.run, record.name)
        for one in lines[self.lines.get(record.name, 0) :]:
            self.context.observers.on_event(Logged(record.run, record.name, one.stream, one.text, one.at))
        self.lines[record.name] = len(lines)

    def _tell_recorded(self, record: StepRecord) -> None:
        try:
            report_recorded_end(self.context, record.name)
        except RunError as error:
            self._fetch_log(record)
            shown = "\n".join(record.traceback.rstrip().splitlines()[-_TRACEBACK_LINES:])
            self.failing = self.failing or RunError(
                error.message.replace("in its process", "on Airflow"),
                f"{shown}\nMore: zen show {record.run} {record.name}, and {self.api.page(self.dag_id, self.run_id)}",
            )

    def _fetch_log(self, record: StepRecord) -> None:
        """Add to a failed step's lines what Airflow has logged besides them, from its last try."""
        task = self.ids[record.name]
        try:
            log = self.api.log(self.dag_id, self.run_id, task, max(record.attempt, 1))
        except RunError:  # the step's own lines and traceback are here
            return
        metadata = self.context.metadata
        known = metadata.logs(record.run, record.name)
        said = {line.strip() for line in ("".join(one.text for one in known) + record.traceback).splitlines()}
        said |= {"::group::", "::endgroup::"}
        new = [line for line in log.splitlines() if line.strip() and not any(one and one in line for one in said)]
        at = record.ended_at or time.time()
        lines = [
            LogRecord(record.run, record.name, len(known) + place, at, "log", f"Airflow: {line}\n")
            for place, line in enumerate(new[-_LOG_LINES:])
        ]
        metadata.write(Batch(logs=lines))
        for one in lines:
            self.context.observers.on_event(Logged(one.run, one.step, one.stream, one.text, one.at))

    def _tell_unrecorded(self, record: StepRecord, task: TaskInfo) -> None:
        """Tell what Airflow knows of a task that has ended, and whose step recorded no end."""
        if task.state in ("upstream_failed", "skipped", "removed"):
            why = "a step above it did not succeed" if task.state == "upstream_failed" else f"{task.state} in Airflow"
            self.context.emit(StepFinished(record.run, record.name, StepState.SKIPPED, why=why))
            return
        first = self.ended_at.setdefault(record.name, time.monotonic())
        if time.monotonic() - first > _LATE:
            self._tell_lost(record, task)

    def _tell_lost(self, record: StepRecord, task: TaskInfo) -> None:
        log = self.api.log(self.dag_id, self.run_id, self.ids[record.name], max(task.attempt, 1)).strip()
        tail = "\n".join(log.splitlines()[-_LOG_LINES:])
        line = f"its task is {task.state} in Airflow, and its worker recorded nothing"
        self.context.emit(
            StepFinished(
                record.run,
                record.name,
                StepState.CRASHED,
                max(task.attempt, 1),
                record.started_at,
                error=line,
                traceback=tail,
            )
        )
        self.failing = self.failing or RunError(
            f"Step {record.name!r} has no end: {line}.", f"The task's log ends so:\n{tail}"
        )

    def _end(self, tasks: dict[str, TaskInfo]) -> None:
        """Tell the ends that are not told yet."""
        until = time.monotonic() + _LATE + 2
        missing = [node.name for node in self.context.plan.graph if node.name not in self.context.finished]
        while missing and time.monotonic() < until:
            self._look(
                {**{self.ids[name]: TaskInfo("removed", 0) for name in missing if self.ids[name] not in tasks}, **tasks}
            )
            missing = [name for name in missing if name not in self.context.finished]
            if missing:
                pause(self.limits.poll)
        self._write_rest(StepState.SKIPPED, "")

    def _write_rest(self, state: StepState, error: str) -> None:
        """Give every step an end: those that ran the given one, those that never did are skipped."""
        for node in self.context.plan.graph:
            if node.name in self.context.finished:
                continue
            record = self._records()[node.name]
            if record.state.ended:
                self._tell_recorded(record)
                continue
            ran = record.state is StepState.RUNNING
            end = state if ran else StepState.SKIPPED
            why = record.why if ran else "the run ended before"
            told = StepFinished(record.run, node.name, end, record.attempt, record.started_at, why=why)
            self.context.emit(replace(told, error=error if ran else ""))

    def _log_note(self, text: str) -> None:
        for node in self.context.plan.graph:
            if node.name not in self.context.finished:
                self.context.emit(Logged(self.context.run, node.name, "log", text + "\n"))
                return


def _ill(api: AirflowApi) -> str:
    """What of Airflow is not well, as the end of a sentence."""
    try:
        states = api.health()
    except RunError:
        return ", and it does not answer now"
    ill = [f"its {name} is {state}" for name, state in states.items() if state != "healthy" and name != "triggerer"]
    return f", and {', '.join(ill)}" if ill else ""
