"""What a run costs on Airflow 3: beside plain tasks on the same Airflow, and each task's worker for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, seconds, workspace
from tests.servers.airflow_here import LiveAirflow, live_airflow, loaded_and_tested
from zenbook.cli import invoke
from zenbook.integrations.airflow.client import AirflowApi
from zenbook.integrations.airflow.connection import Account
from zenbook.pipelines.sources import find_target

STEPS = """
from zenbook import pipeline, step

@step
def one(n: int) -> int:
    return n

@step
def two(n: int) -> int:
    return n + 1

@step
def three(n: int) -> int:
    return n + 2

@pipeline
def chain(n: int = 0) -> None:
    three(two(one(n)))
"""
PLAIN = """
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("plain", schedule=None, start_date=datetime(2024, 1, 1)):
    tasks = [BashOperator(task_id=f"t{n}", bash_command="true") for n in range(3)]
    tasks[0] >> tasks[1] >> tasks[2]
"""


def measure(*, runs: int = 7, workers: int = 21) -> Result:
    """Ratio of a run of three steps to one of three tasks that run ``true``; seconds of a worker and of a parse."""
    with empty_folder() as folder, workspace(folder):
        (folder / "chained_on_airflow.py").write_text(STEPS)
        target = f"{folder / 'chained_on_airflow.py'}:chain"
        invoke(["export", "airflow", target, "--to", str(folder / "parsed" / "dags" / "chain")])
        parsed = loaded_and_tested("3", folder / "parsed", run={})["seconds"]
        worker = in_turns({"worker": partial(_worker, folder), "bare": _bare}, workers)
        figures = [
            Figure("start of a worker", worker["worker"] - worker["bare"], "s", 0.6),
            Figure("parsing the DAG", max(parsed.values()), "s", 0.05),
            *(_on_live_airflow(folder, target, runs) if runs else ()),
        ]
    return Result(
        "Runs on Airflow 3",
        tuple(figures),
        "Timed: a trivial step in a worker's process, less a bare interpreter; parsing by Airflow's own word, its\n"
        "  operators imported; runs by Airflow's own word, from queued to ended, in turns.",
    )


def _on_live_airflow(folder: Path, target: str, repeats: int) -> tuple[Figure, ...]:
    with live_airflow("3", folder / "airflow") as airflow:
        (airflow.dags / "plain.py").write_text(PLAIN)
        _until(lambda: _api(airflow).dag("plain") is not None)
        _api(airflow).unpause("plain")
        runs = in_turns({"ours": partial(_ours, airflow, target), "plain": partial(_plain, airflow)}, repeats)
    each = sorted(a / b for a, b in zip(runs.values["ours"], runs.values["plain"], strict=True))
    spread = f"{each[0]:.2f} to {each[-1]:.2f}"
    return (
        Figure("3 steps over 3 plain tasks", runs.ratio("ours", "plain"), "x", 1.5, spread),
        Figure("3 plain tasks", runs["plain"], "s"),
    )


def _ours(airflow: LiveAirflow, target: str, number: int) -> float:
    said = {"flavour": "airflow", "url": airflow.url, "dags": str(airflow.dags), "same_machine": True}
    os.environ["ZENBOOK_STACK_ORCHESTRATOR"] = json.dumps(said)
    try:
        run = find_target(target).run({"n": str(number)}, stack=None, cache=False)
    finally:
        del os.environ["ZENBOOK_STACK_ORCHESTRATOR"]
    assert run.state == "succeeded"
    return _seconds(airflow, "chain", f"zenbook__{run.id}")


def _plain(airflow: LiveAirflow, number: int) -> float:
    _api(airflow).trigger("plain", f"plain{number}", {})
    return _seconds(airflow, "plain", f"plain{number}")


def _seconds(airflow: LiveAirflow, dag: str, run: str) -> float:
    api = _api(airflow)
    _until(lambda: api.state(dag, run) in ("success", "failed"))
    found = api.connection.ask("GET", api.connection.path("dags", dag, "dagRuns", run))
    assert found["state"] == "success"
    began, ended = (datetime.fromisoformat(found[one]) for one in ("queued_at", "end_date"))
    return (ended - began).total_seconds()


def _api(airflow: LiveAirflow) -> AirflowApi:
    return AirflowApi(airflow.url, Account())


def _until(condition: Any) -> None:
    while not condition():
        time.sleep(0.2)


def _worker(folder: Path, number: int) -> float:
    """Run the first step as Airflow would."""
    said = {"DAG": "chain", "RUN": f"r{number}", "TASK": "one", "TRY": "1", "TRIES": "1", "PARAMS": "{}"}
    variables = {**os.environ, **{f"ZENBOOK_AIRFLOW_{name}": value for name, value in said.items()}}
    plan = str(folder / "parsed" / "dags" / "chain" / "plan.json")
    command = [sys.executable, "-m", "zenbook.engine.worker", plan, "--airflow"]
    return seconds(lambda: subprocess.run(command, env=variables, check=True, capture_output=True))


def _bare(_: int) -> float:
    return seconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
