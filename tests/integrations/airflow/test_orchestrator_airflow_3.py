"""The orchestrator `airflow` on a live Airflow 3: from a notebook to a DAG that Airflow found, ran and reported on."""

from __future__ import annotations

import http.server
import importlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.integrations.airflow.airflow_scenes import SCENES, choice_of, put_on
from tests.notebook.kernels import kernel
from tests.scripts import run_script, write_script
from tests.servers.airflow_here import LiveAirflow, live_airflow
from zenbook import find_run
from zenbook.cli import invoke
from zenbook.errors import RunError, StackError
from zenbook.integrations.airflow.client import AirflowApi
from zenbook.integrations.airflow.connection import Account
from zenbook.integrations.airflow.task import STACK_FILE
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NASTY = 'it\'s "quoted"\n{{ 1 + 1 }} {% raw %} $(touch pwned) `touch pwned` ☃ é \\ %s'
POLICY = """
from airflow.exceptions import AirflowClusterPolicyViolation

def dag_policy(dag):
    if dag.dag_id.startswith("forbidden"):
        raise AirflowClusterPolicyViolation("nobody may deploy this")
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    home = tmp_path_factory.mktemp("airflow") / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "airflow_local_settings.py").write_text(POLICY)
    with live_airflow("3", home) as made:
        yield made


@pytest.fixture
def scenes(airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    put_on(airflow, monkeypatch, workspace)
    yield importlib.import_module("scenes")
    sys.modules.pop("scenes", None)


def api_of(airflow: LiveAirflow) -> AirflowApi:
    return AirflowApi(airflow.url, Account())


def states(run: Any) -> dict[str, str]:
    return {name: str(one.state) for name, one in run.steps.items()}


def until(condition: Any, what: str, patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


# --- what goes well -----------------------------------------------------------------------------------------------


def test_a_notebook_in_a_real_kernel_runs_on_airflow(airflow: LiveAirflow, workspace: Path) -> None:
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=choice_of(airflow, workspace)) as one:
        one.run("%load_ext zenbook")
        one.run(SCENES)
        shown = one.run("run = training(rows=4, scale=0.25)")
        assert one.run("print(run.state, run.metrics, run.steps['say'].outputs['output'].load())").text == (
            "succeeded {'rows': 4.0, 'total': 1.5} 1.5 fine\n"
        )
    assert f"On Airflow: {airflow.url}/dags/" in shown.text
    run = find_run()
    assert run.record.orchestrator == "airflow"
    assert run.steps["load"].logs == "loading 4\n"
    (note,) = run.steps["load"].notes
    assert f"/ zenbook__{run.id} / load, try 1: {airflow.url}/dags/" in note


def test_parameters_and_code_change_without_another_version_of_the_dag(
    airflow: LiveAirflow, scenes: ModuleType, workspace: Path
) -> None:
    run = scenes.training(text=NASTY)
    dag = next(airflow.dags.glob(f"{workspace.name}*/*training.py"))
    text = dag.read_bytes()
    assert run.steps["say"].outputs["output"].load() == f"1.5 {NASTY}"
    again = scenes.training(text="other")
    assert dag.read_bytes() == text
    assert states(again) == {"load": "cached", "total": "cached", "say": "succeeded"}
    assert not [*airflow.home.rglob("pwned"), *workspace.rglob("pwned")]


def test_a_step_that_fails_once_succeeds_the_second_time(scenes: ModuleType, workspace: Path) -> None:
    run = scenes.once_more(workspace)
    assert (run.state, run.steps["moody"].attempt) == ("succeeded", 2)
    assert run.steps["moody"].logs == "try 1\nattempt 1 failed: ValueError: not yet\ntry 2\n"


def test_a_step_that_fails_finally_shows_its_error_here(airflow: LiveAirflow, scenes: ModuleType) -> None:
    with pytest.raises(RunError) as raised:
        scenes.failing()
    run = find_run()
    assert raised.value.message == "Step 'divide' failed on Airflow: ZeroDivisionError: division by zero."
    assert "return x / by" in raised.value.hint
    assert f"zen show {run.id} divide" in raised.value.hint
    assert f"{airflow.url}/dags/" in raised.value.hint
    assert (run.state, states(run)) == ("failed", {"divide": "failed", "divide_2": "skipped"})
    assert "return x / by" in run.steps["divide"].traceback
    logs = run.steps["divide"].logs
    assert logs.startswith("about to divide\n")
    assert "Airflow: Command exited with return code 1\n" in logs
    assert logs.count("about to divide") == 1, "what the step printed is there already"


def test_a_task_whose_worker_never_began_brings_its_log(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" "$@"\necho no interpreter today; exit 9\n')
    python.chmod(0o755)
    put_on(airflow, monkeypatch, workspace, python=str(python))
    with pytest.raises(RunError, match="Step 'load' crashed: its task is failed in Airflow") as raised:
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    run = find_run()
    assert (run.state, states(run)) == ("failed", {"load": "crashed", "total": "skipped", "say": "skipped"})
    assert "no interpreter today" in run.steps["load"].traceback
    assert "no interpreter today" in raised.value.hint


def test_two_runs_at_once(scenes: ModuleType, workspace: Path) -> None:
    body = "from scenes import training\nprint(training(rows=int(sys.argv[1])).steps['total'].outputs['output'].load())"
    script = write_script(workspace, body)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda rows: run_script(script, rows), ("5", "6")))
    assert [one.stdout.splitlines()[-1] for one in done] == ["5.0", "7.5"], done
    assert [str(run.state) for run in open_stack().metadata.runs(RunQuery())] == ["succeeded", "succeeded"]


def test_a_task_that_is_cleared_in_airflow_runs_again(
    airflow: LiveAirflow, scenes: ModuleType, workspace: Path
) -> None:
    run = scenes.training()
    api, dag = api_of(airflow), f"{workspace.name[:40]}_training"
    body = {"dry_run": False, "dag_run_id": f"zenbook__{run.id}", "task_ids": ["total"], "only_failed": False}
    api.connection.ask("POST", api.connection.path("dags", dag, "clearTaskInstances"), body)
    until(lambda: run.steps["total"].attempt == 2 and run.steps["total"].state == "succeeded", "it ran again")
    until(lambda: find_run(run.id).state == "succeeded", "the run has its end again")
    assert run.steps["load"].attempt == 1


def test_a_backfill_is_a_run_for_each_day_and_a_trigger_is_validated(airflow: LiveAirflow, workspace: Path) -> None:
    dag = f"{workspace.name[:40]}_daily"
    (workspace / "scenes.py").write_text(SCENES)
    words = ["scenes.py:training", "--to", str(airflow.dags / dag), "--dag-id", dag, "--schedule", "@daily"]
    invoke(["export", "airflow", *words, "--python", sys.executable, "--retries", "0"])
    sys.modules.pop("scenes")
    (airflow.dags / dag / STACK_FILE).write_text(json.dumps({"folder": str(workspace), "variables": {}}))
    api = api_of(airflow)
    until(lambda: api.dag(dag) is not None, "the DAG is there")
    days = {"from_date": "2024-02-01T00:00:00Z", "to_date": "2024-02-02T00:00:00Z"}
    api.connection.ask(
        "POST", api.connection.path("backfills"), {"dag_id": dag, **days, "max_active_runs": 2}, expected={409: {}}
    )
    api.unpause(dag)
    api.trigger(dag, "by_hand", {"rows": 4, "text": NASTY})
    with pytest.raises(RunError, match="answers 400"):  # by the types of the DAG's parameters
        api.trigger(dag, "wrong_kind", {"rows": "many"})
    api.trigger(dag, "no_such_name", {"rosw": 4})
    ids = [f"backfill__2024-02-0{day}T00:00:00+00:00" for day in (1, 2)]
    until(lambda: all(api.state(dag, one) == "success" for one in [*ids, "by_hand"]), "all of them ran")
    runs = {run.steps["load"].notes[0].split(" / ")[1]: run for run in map(find_run, run_ids())}
    assert {one: str(runs[one].state) for one in (*ids, "by_hand")} == dict.fromkeys((*ids, "by_hand"), "succeeded")
    assert runs["by_hand"].steps["say"].outputs["output"].load() == f"3.0 {NASTY}"
    until(lambda: api.state(dag, "no_such_name") == "failed", "the worker refused it")
    assert "has no parameter 'rosw'" in api.log(dag, "no_such_name", "load", 1)
    (made,) = open_stack().metadata.outputs([runs["by_hand"].id], "total")
    entry = api.connection.path(
        "dags", dag, "dagRuns", "by_hand", "taskInstances", "total", "xcomEntries", "return_value"
    )
    value = api.connection.ask("GET", entry)["value"]
    assert json.loads(value) == {"output": open_stack().artifacts.uri(made.address)}, "an address, and no contents"


def run_ids() -> list[str]:
    return [one.id for one in open_stack().metadata.runs(RunQuery())]


# --- ends that nobody wants ---------------------------------------------------------------------------------------


def test_the_stop_button_ends_the_run_in_airflow_too(airflow: LiveAirflow, workspace: Path) -> None:
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=choice_of(airflow, workspace)) as one:
        one.run("%load_ext zenbook")
        one.run(SCENES)
        message = one.start("waiting()")
        until((workspace / "pid").exists, "the step began")
        one.interrupt()
        assert one.finish(message).error == "KeyboardInterrupt"
    run = find_run()
    assert (run.state, states(run)) == ("cancelled", {"waits": "cancelled", "then": "skipped"})
    api = api_of(airflow)
    assert api.state(f"{workspace.name[:40]}_waiting", f"zenbook__{run.id}") == "failed"
    pid = int((workspace / "pid").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists(), "the step's process is gone")


def test_a_run_survives_the_kernel_that_launched_it(airflow: LiveAirflow, workspace: Path) -> None:
    said = choice_of(airflow, workspace)
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=said) as one:
        one.run("%load_ext zenbook")
        one.run(SCENES)
        one.start("waiting()")
        until((workspace / "pid").exists, "the step began")
        one.kill()
    assert find_run().state == "running"
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=said) as other:
        other.run("from zenbook import find_run")
        (workspace / "go").touch()
        assert other.run("print(find_run().wait(60).state)").text == "succeeded\n"
    assert states(find_run()) == {"waits": "succeeded", "then": "succeeded"}


def test_a_run_is_cancelled_from_another_process(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace)
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=choice_of(airflow, workspace)) as one:
        one.run("%load_ext zenbook")
        one.run(SCENES)
        one.start("waiting()")
        until((workspace / "pid").exists, "the step began")
        one.kill()
    run = find_run()
    run.cancel()
    assert run.wait(60).state == "cancelled"
    assert states(run) == {"waits": "cancelled", "then": "skipped"}


def test_an_import_error_of_the_dag_is_the_users_to_see(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace, prefix="forbidden_")
    with pytest.raises(RunError, match=r"Airflow cannot import the DAG 'forbidden_training'.*nobody may deploy this"):
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    assert (find_run().state, set(states(find_run()).values())) == ("failed", {"skipped"})


def test_a_dag_that_never_appears(airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on(airflow, monkeypatch, workspace, dags=str(workspace / "elsewhere"), parse_limit=2)
    began = time.monotonic()
    with pytest.raises(RunError, match=r"has not parsed the DAG .* within 2 s") as raised:
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    assert time.monotonic() - began < 15
    assert "Is the setting `dags` its dags folder?" in raised.value.hint
    assert find_run().state == "failed"


def test_a_dag_that_somebody_paused_is_left_alone(airflow: LiveAirflow, scenes: ModuleType, workspace: Path) -> None:
    scenes.training()
    api, dag = api_of(airflow), f"{workspace.name[:40]}_training"
    api.connection.ask("PATCH", api.connection.path("dags", dag), {"is_paused": True})
    with pytest.raises(RunError, match="is paused in Airflow"):
        scenes.training()
    assert find_run().state == "failed"
    assert api.dag(dag).paused  # type: ignore[union-attr]


@contextmanager
def answering(code: int) -> Iterator[str]:
    """A web server that always answers the same."""

    class Always(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()

        do_POST = do_PATCH = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Always)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_an_airflow_that_fails_or_is_away_is_waited_for_and_then_named(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(503) as url:
        for address, problem in ((url, "503"), ("http://127.0.0.1:9", "refused")):
            put_on(airflow, monkeypatch, workspace, url=address, answer_limit=2)
            began = time.monotonic()
            with pytest.raises(RunError, match=f"did not answer within 2 s: .*{problem}"):
                importlib.import_module("scenes").training()
            assert time.monotonic() - began < 20
            assert find_run().state == "failed"
    with answering(404) as url:
        put_on(airflow, monkeypatch, workspace, url=url)
        with pytest.raises(StackError, match="REST API was not found"):
            importlib.import_module("scenes").training()
    sys.modules.pop("scenes")


def test_a_wrong_token_is_refused_at_once(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace, token="no-such-token")
    with pytest.raises(StackError, match="refuses this user or token") as raised:
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    assert "no-such-token" not in str(raised.value)
    with pytest.raises(StackError, match="refuses this user or token"):
        open_stack().orchestrator.check()


def test_stores_that_airflow_does_not_see_are_refused(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace, same_machine=False)
    with pytest.raises(StackError, match="is in files of this machine") as raised:
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    assert "--same-machine" in raised.value.hint
    assert find_run().state == "failed"


def test_check_reports_that_airflow_is_healthy(airflow: LiveAirflow, scenes: ModuleType) -> None:
    assert "API version 2" in open_stack().orchestrator.check()


# --- last, since it takes the scheduler away ----------------------------------------------------------------------


def test_a_scheduler_that_is_down(airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on(airflow, monkeypatch, workspace, start_limit=3)
    airflow.stop("scheduler")
    try:
        with pytest.raises(RunError, match=r"has not started a task of .* within 3 s: the run is queued"):
            importlib.import_module("scenes").training()
    finally:
        airflow.start("scheduler")
        sys.modules.pop("scenes", None)
    assert (find_run().state, set(states(find_run()).values())) == ("failed", {"skipped"})
