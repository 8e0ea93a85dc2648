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

_RUN = "zenbook__"  # how the ids begin that our runs have in Airflow


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
    same_machine: bool = Field(False, description="Whether Airflow's workers run on this machine, and see its files.")
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_.-]{0,50}$", description="How the ids of the DAGs begin.")
    poll: float = Field(0.5, gt=0, description="Seconds between two looks at Airflow.")
    verify_tls: bool = Field(True, description="Whether Airflow's certificate has to be valid.")
    parse_limit: float = Field(400, gt=0, description="Seconds that Airflow may take to parse the DAG.")
    start_limit: float = Field(180, gt=0, description="Seconds until a first task has to run.")
    answer_limit: float = Field(30, gt=0, description="Seconds that Airflow may be away.")


class AirflowOrchestrator(Orchestrator):
    """Runs a plan as a DAG of Airflow."""

    def __init__(self, settings: AirflowSettings) -> None:
        self.settings = settings
        account = Account(settings.username, settings.password.get_secret_value(), settings.token.get_secret_value())
        self.api = AirflowApi(settings.url, account, verify_tls=settings.verify_tls, patience=settings.answer_limit)
        self._ended: dict[str, float] = {}  # when a run was first seen to have ended in Airflow
        self.python = settings.python or (sys.executable if settings.same_machine else "python3")

    def execute(self, plan: Plan, run_id: str, stack: Stores, listener: Listener, *, use_cache: bool) -> None:
        """Deploy the DAG, trigger it, and follow the run to its end.

        Raises `RunError` for a step that failed and for whatever else keeps the run from succeeding.
        """
        limits = Limits(self.settings.poll, self.settings.parse_limit, self.settings.start_limit)
        with RunContext.recorded(plan, run_id, stack, listener, use_cache=use_cache) as context:
            followed = AirflowRun(self.api, self._dag_id(plan), _RUN + run_id, context, limits)
            try:
                self._launch(plan, run_id, stack, limits, use_cache=use_cache)
                followed.to_its_end()
            except KeyboardInterrupt:
                with uninterrupted():
                    followed.cancel()
                raise
            except BaseException as error:
                with uninterrupted():
                    followed.give_up(error)
                raise

    def describe(self) -> str:
        """One line."""
        return f"Airflow at {self.settings.url}, DAGs in {self.settings.dags}"

    def check(self) -> str:
        """Whether Airflow answers, is well, and lets this user in. Raises `StackError`."""
        try:
            health = self.api.health()
            self.api.dag("zenbook_check")
        except AirflowUnavailableError as error:
            raise StackError(error.message, error.hint) from error
        ill = {name: state for name, state in health.items() if state not in ("healthy", "None")}
        if ill.keys() - {"triggerer"}:
            told = ", ".join(f"its {name} is {state}" for name, state in ill.items())
            raise StackError(f"Airflow at {self.settings.url} is not well: {told}.", "Start what is down.")
        differing: list[str] = []
        if self.settings.same_machine:
            differing = list(deploy.differing_packages(self.python, ()))
        return f"{self.describe()}, API version {self.api.connection.version}" + "".join(
            f"; {one}" for one in differing
        )

    def cancel(self, run: RunRecord, stack: Stores) -> None:
        """End a run in Airflow."""
        self.api.fail(self._dag_id(Plan.from_json(run.plan)), _RUN + run.id)

    def rejoin(self, run: RunRecord, stack: Stores) -> None:
        """Write the end of a run that has ended in Airflow while nobody followed it."""
        plan = Plan.from_json(run.plan)
        dag_id, dag_run = self._dag_id(plan), _RUN + run.id
        if self.api.state(dag_id, dag_run) not in ("success", "failed", None):
            return
        since = self._ended.setdefault(run.id, time.monotonic())
        with RunContext.recorded(plan, run.id, stack, Listeners(()), use_cache=True) as context:
            followed = AirflowRun(self.api, dag_id, dag_run, context, Limits())
            if time.monotonic() - since > GRACE or not followed.has_running():
                followed.write_end()

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
            sys.stderr.write(f"Airflow's workers need these variables of their own: {', '.join(missing)}\n")
        folder = f"{settings.dags.rstrip('/')}/{dag_id}"
        deploy.deploy({STACK_FILE: stores, **files}, folder)
        *_, (dag_file, text) = files.items()
        seen = wait_until_parsed(self.api, dag_id, f"{dag_id}/{dag_file}", text, limits)
        if seen.paused and before is not None and before.paused:
            raise RunError(
                f"The DAG {dag_id!r} is paused in Airflow.", f"Switch it on: {settings.url.rstrip('/')}/dags/{dag_id}"
            )
        if seen.paused:
            self.api.unpause(dag_id)
        self._hand_over(run_id, stack)
        self.api.trigger(dag_id, _RUN + run_id, {RESERVED: {"run": run_id, "cache": use_cache}})
        sys.stdout.write(f"On Airflow: {self.api.page(dag_id, _RUN + run_id)}\n")

    def _hand_over(self, run_id: str, stack: Stores) -> None:
        """From now on the run does not end with this process."""
        record = stack.metadata.run(run_id)
        if record is not None:
            mine = replace(record, process="")
            stack.metadata.create_run(mine, steps=(), params=(), code=(), environment=None)

    def _dag_id(self, plan: Plan) -> str:
        return self.settings.prefix + dag_id_of(plan.pipeline)


class AirflowFlavour(Flavour):
    """Runs on Airflow 2.9 and later, and on Airflow 3."""

    kind = ComponentKind.ORCHESTRATOR
    name = "airflow"
    settings = AirflowSettings

    def make(self, settings: AirflowSettings, home: Path) -> Orchestrator:
        """The orchestrator; Airflow is asked when a run begins."""
        return AirflowOrchestrator(settings)
