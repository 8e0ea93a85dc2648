"""The orchestrator `airflow` on a live Airflow 2: the older REST API for trigger, follow and cancel."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.airflow.airflow_scenes import SCENES, choice_of, put_on
from tests.notebook.kernels import kernel
from tests.servers.airflow_here import LiveAirflow, live_airflow
from zenbook import find_run
from zenbook.errors import RunError, StackError
from zenbook.integrations.airflow.client import AirflowApi
from zenbook.integrations.airflow.connection import Account
from zenbook.stack.stack import open_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    with live_airflow("2", tmp_path_factory.mktemp("airflow") / "home") as made:
        yield made


def test_a_run_is_triggered_followed_and_ends(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace)
    assert "API version 1" in open_stack().orchestrator.check()
    scenes = importlib.import_module("scenes")
    run = scenes.training(text="{{ 1 }} 'x'")
    assert run.state == "succeeded"
    assert run.steps["say"].outputs["output"].load() == "1.5 {{ 1 }} 'x'"
    assert f"/ zenbook__{run.id} / load, try 1: {airflow.url}/" in run.steps["load"].notes[0]
    with pytest.raises(RunError, match="Step 'divide' failed on Airflow: ZeroDivisionError"):
        scenes.failing()
    assert {name: str(one.state) for name, one in find_run().steps.items()} == {
        "divide": "failed",
        "divide_2": "skipped",
    }
    sys.modules.pop("scenes")


def test_the_stop_button_ends_the_run(airflow: LiveAirflow, workspace: Path) -> None:
    with kernel(workspace, ZENBOOK_STACK_ORCHESTRATOR=choice_of(airflow, workspace)) as one:
        one.run("%load_ext zenbook")
        one.run(SCENES)
        message = one.start("waiting()")
        end = time.monotonic() + 60
        while not (workspace / "pid").exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        one.interrupt()
        assert one.finish(message).error == "KeyboardInterrupt"
    run = find_run()
    assert (run.state, {name: str(step.state) for name, step in run.steps.items()}) == (
        "cancelled",
        {"waits": "cancelled", "then": "skipped"},
    )
    api = AirflowApi(airflow.url, Account(**airflow.account))
    assert api.state(f"{workspace.name[:40]}_waiting", f"zenbook__{run.id}") == "failed"


def test_a_wrong_password_is_refused_at_once(
    airflow: LiveAirflow, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on(airflow, monkeypatch, workspace, password="hunter2")
    with pytest.raises(StackError, match="refuses this user or token") as raised:
        importlib.import_module("scenes").training()
    sys.modules.pop("scenes")
    assert "hunter2" not in str(raised.value)
