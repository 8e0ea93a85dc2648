"""The orchestrator `airflow`: a run is exported as a DAG, triggered in Airflow, and followed from here.

The DAG gives the tasks and their order; what they run is the plan in the run's own row. So a change of a step's code
or of a parameter does not wait for Airflow to parse anything: only another set of steps, edges or options does.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from zenbook.core.events import Listener, Listeners
from zenbook.core.identifiers import dag_id_of
from zenbook.core.plan import Plan
from zenbook.engine.run_context import RunContext
from zenbook.errors import RunError, StackError
from zenbook.exporters.base import find_exporter, make_files
from zenbook.integrations.airflow import deploy
from zenbook.integrations.airflow.client import AirflowApi
from zenbook.integrations.airflow.connection import Account, AirflowUnavailableError
from zenbook.integrations.airflow.follow import GRACE, AirflowRun, Limits, wait_until_parsed
from zenbook.integrations.airflow.task import RESERVED, STACK_FILE
from zenbook.interrupts import uninterrupted
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.orchestrator import Orchestrator, Stores
from zenbook.stack.records import RunRecord

_RUN = "zenbook__"  # the prefix of our runs' ids in Airflow


class AirflowSettings(BaseModel):
    """Where Airflow is, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="The address of Airflow's web page: http://localhost:8080.")
    dags: str = Field(description="Airflow's dags folder: a path, or a URL like gs://bucket/dags.")
    username: str = Field("", description="The user who triggers runs.")
    password: SecretStr = Field(SecretStr(""), description="The user's password.")
    token: SecretStr = Field(SecretStr(""), description="A token, instead of user and password.")
    python: str = Field(
        "", description="The interpreter of the steps, on Airflow's workers; by default this one, or python3."
    )
    same_machine: bool = Field(False, description="Whether Airflow's workers run on this machine and read its files.")
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_.-]{0,50}$", description="The prefix of the DAGs' ids.")
    poll: float = Field(0.5, gt=0, description="Seconds between two looks at the run.")
    verify_tls: bool = Field(True, description="Whether Airflow's certificate must be valid.")
    parse_limit: float = Field(400, gt=0, description="Seconds that Airflow may take to parse the DAG.")
    start_limit: float = Field(180, gt=0, description="Seconds in which a first task must start.")
    answer_limit: float = Field(30, gt=0, description="Seconds that Airflow may be unreachable.")


class AirflowOrchestrator(Orchestrator):
    """Runs a plan as a DAG of Airflow."""

    def __init__(self, settings: AirflowSettings) -> None:
        self.settings = settings
        account = Account(settings.username, settings.password.get_secret_value(), settings.token.get_secret_value())
        self.api = AirflowApi(settings.url, account, verify_tls=settings.verify_tls, patience=settings.answer_limit)
        self._ended: dict[str, float] = {}  # when each run was first seen to have ended in Airflow
        self.python = settings.python or (sys.executable if settings.same_machine else "python3")

    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        """Deploy the DAG, trigger it, and follow the run to its end."""
        limits = Limits(self.settings.poll, self.settings.parse_limit, self.settings.start_limit)
        with RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context:
            airflow_run = AirflowRun(self.api, self._dag_id(plan), _RUN + run_id, context, limits)
            try:
                self._launch(plan, run_id, stack, limits, use_cache=use_cache)
                airflow_run.follow_to_end()
            except KeyboardInterrupt:
                with uninterrupted():
                    airflow_run.cancel()
                raise
            except BaseException as error:
                with uninterrupted():
                    airflow_run.give_up(error)
                raise

    def describe(self) -> str:
        """Describe the orchestrator in one line."""
        return f"Airflow at {self.settings.url}, DAGs in {self.settings.dags}"

    def check(self) -> str:
        """Check that Airflow answers, is healthy, and accepts this user."""
        try:
            health = self.api.health()
            self.api.dag("zenbook_check")
        except AirflowUnavailableError as error:
            raise StackError(error.message, error.hint) from error
        unhealthy = {name: state for name, state in health.items() if state not in ("healthy", "None")}
        if unhealthy.keys() - {"triggerer"}:
            states = ", ".join(f"its {name} is {state}" for name, state in unhealthy.items())
            raise StackError(
                f"Airflow at {self.settings.url} is not healthy: {states}.", "Start the components that are down."
            )
        differing: list[str] = []
        if self.settings.same_machine:
            differing = list(deploy.differing_packages(self.python, ()))
        return "; ".join([f"{self.describe()}, API version {self.api.connection.version}", *differing])

    def cancel(self, run: RunRecord, stack: Stores) -> None:
        """Stop a run in Airflow."""
        self.api.fail(self._dag_id(Plan.from_json(run.plan)), _RUN + run.id)

    def rejoin(self, run: RunRecord, stack: Stores) -> None:
        """Record the end of a run that has ended in Airflow while no process followed it."""
        plan = Plan.from_json(run.plan)
        dag_id, dag_run = self._dag_id(plan), _RUN + run.id
        if self.api.state(dag_id, dag_run) not in ("success", "failed", None):
            return
        since = self._ended.setdefault(run.id, time.monotonic())
        with RunContext.recorded(plan, run.id, stack, Listeners(()), use_cache=True) as context:
            airflow_run = AirflowRun(self.api, dag_id, dag_run, context, Limits())
            if time.monotonic() - since > GRACE or not airflow_run.has_running():
                airflow_run.write_end()

    def _launch(self, plan: Plan, run_id: str, stack: Stores, limits: Limits, *, use_cache: bool) -> None:
        settings = self.settings
        deploy.refuse_unreachable(stack, same_machine=settings.same_machine)
        if settings.same_machine:
            deploy.warn_of_packages(self.python, plan.requirements)
        dag_id = self._dag_id(plan)
        before = self.api.dag(dag_id)
        files = make_files(
            find_exporter("airflow"), replace(plan, bindings={}), {"dag_id": dag_id, "python": self.python}
        )
        stores, missing = deploy.stack_file(stack, same_machine=settings.same_machine)
        if missing and before is None:
            sys.stderr.write(f"Set these environment variables for Airflow's workers: {', '.join(missing)}\n")
        folder = f"{settings.dags.rstrip('/')}/{dag_id}"
        deploy.deploy({STACK_FILE: stores, **files}, folder)
        *_, (dag_file, text) = files.items()
        dag = wait_until_parsed(self.api, dag_id, f"{dag_id}/{dag_file}", text, limits)
        if dag.paused and before is not None and before.paused:
            raise RunError(
                f"The DAG {dag_id!r} is paused in Airflow.", f"Unpause it: {settings.url.rstrip('/')}/dags/{dag_id}"
            )
        if dag.paused:
            self.api.unpause(dag_id)
        self._hand_over(run_id, stack)
        self.api.trigger(dag_id, _RUN + run_id, {RESERVED: {"run": run_id, "cache": use_cache}})
        sys.stdout.write(f"On Airflow: {self.api.page(dag_id, _RUN + run_id)}\n")

    def _hand_over(self, run_id: str, stack: Stores) -> None:
        """Mark the run as one that does not end with this process."""
        record = stack.metadata.run(run_id)
        if record is not None:
            handed_over = replace(record, process="")
            stack.metadata.create_run(handed_over, steps=(), params=(), code=(), environment=None)

    def _dag_id(self, plan: Plan) -> str:
        return self.settings.prefix + dag_id_of(plan.pipeline)


class AirflowFlavour(Flavour):
    """Runs on Airflow 2.9 and later, and on Airflow 3."""

    kind = ComponentKind.ORCHESTRATOR
    name = "airflow"
    settings = AirflowSettings

    def make(self, settings: AirflowSettings, home: Path) -> Orchestrator:
        """Make the orchestrator. Nothing is sent to Airflow until a run starts."""
        return AirflowOrchestrator(settings)
