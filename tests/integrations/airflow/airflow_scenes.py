"""What both live Airflows are asked to do: the steps of the scenes, and how a run is put on an Airflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.servers.airflow_here import LiveAirflow

SCENES = """
import os, time
from pathlib import Path
from zenbook import log_metrics, pipeline, step

@step
def load(rows: int = 3) -> list:
    print("loading", rows)
    return list(range(rows))

@step
def total(rows: list, scale: float) -> float:
    log_metrics(rows=len(rows))
    return sum(rows) * scale

@step
def say(value: float, text: str) -> str:
    return f"{value} {text}"

@pipeline
def training(rows: int = 3, scale: float = 0.5, text: str = "fine"):
    say(total(load(rows), scale), text)

@step(retries=1, retry_delay=0.2)
def moody(folder: Path) -> int:
    tries = Path(folder) / "tries"
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    print("try", len(tries.read_text()))
    if len(tries.read_text()) < 2:
        raise ValueError("not yet")
    return len(tries.read_text())

@pipeline
def once_more(folder: Path):
    moody(folder)

@step
def divide(x: int, by: int) -> float:
    print("about to divide")
    return x / by

@pipeline
def failing(by: int = 0):
    divide(divide(1, by), 1)

@step(cache=False)
def waits(folder: str, until: str) -> int:
    (Path(folder) / "pid").write_text(str(os.getpid()))
    print("waiting")
    while not (Path(folder) / until).exists():
        time.sleep(0.1)
    return 1

@step
def then(x: int) -> int:
    return x + 1

@pipeline
def waiting(folder: str = ".", until: str = "go"):
    then(waits(folder, until))
"""


def put_on(airflow: LiveAirflow, monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: Any) -> None:
    """Let runs of this test go to an Airflow, and write the scenes' module."""
    monkeypatch.setenv("ZENBOOK_STACK_ORCHESTRATOR", choice_of(airflow, folder, **settings))
    (folder / "scenes.py").write_text(SCENES)
    monkeypatch.syspath_prepend(str(folder))


def choice_of(airflow: LiveAirflow, folder: Path, **settings: Any) -> str:
    """The orchestrator in words; DAGs of different tests have different ids."""
    said = {
        "flavour": "airflow",
        "url": airflow.url,
        "dags": str(airflow.dags),
        "same_machine": True,
        "prefix": f"{folder.name[:40]}_",
        "poll": 0.2,
        **airflow.account,
        **settings,
    }
    return json.dumps(said)
