"""Real Airflows for tests: the environments that `make test` builds, and a live Airflow 3 or 2 on this machine only.

A version is the end of an environment's name: 3 and 2 for the newest of each, 2.9 or 3.1 for an older one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(__file__).parents[2] / ".cache"
PATIENCE = 180.0  # seconds for an Airflow to be well
_LOADER = Path(__file__).parent / "airflow_loader.py"


def python_of(version: str) -> Path:
    """The interpreter of an Airflow's environment."""
    python = CACHE / f"airflow-{version}" / "bin" / "python"
    if not (python.parent / "airflow").is_file():
        pytest.skip(f"Airflow {version} is not there: tests/setup/airflow.sh makes its environment")
    return python


def variables_of(version: str, home: Path, **more: str) -> dict[str, str]:
    """The environment of Airflow's processes, with nothing of the developer's own Airflow."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ZENBOOK"))}
    return {
        **mine,
        "PATH": f"{python_of(version).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **more,
    }


def new_home(version: str, home: Path) -> None:
    """Make a home with an empty database, as the environment has one."""
    prepared = python_of(version).parent.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(prepared / "airflow.db", home)
    settings = (prepared / "airflow.cfg").read_text()
    for folder in (prepared, prepared.resolve()):  # .cache may be a link
        settings = settings.replace(str(folder), str(home))
    (home / "airflow.cfg").write_text(settings)


def loaded_and_tested(version: str, home: Path, *, run: Mapping[str, Any], **more: str) -> dict[str, Any]:
    """Load all DAGs of ``home/dags``, and run some by ``dag.test()``, each with its ``conf``.

    Gives import errors, the seconds that each file took, deprecation warnings of the DAGs' files, and states of runs.
    """
    variables = variables_of(version, home, **more)
    new_home(version, home)
    done = subprocess.run(
        [str(python_of(version)), str(_LOADER), json.dumps(run)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("found: ")]
    assert lines, done.stdout[-4000:] + done.stderr[-4000:]
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("found: "))
    result["output"] = done.stdout + done.stderr
    return result


def airflow(variables: Mapping[str, str], *words: str) -> None:
    """Airflow's command line."""
    done = subprocess.run(
        ["airflow", *words], env=dict(variables), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class LiveAirflow:
    """An Airflow that runs here: a web server with its API, a scheduler, and with Airflow 3 a DAG processor."""

    home: Path
    url: str
    version: str
    account: dict[str, str] = field(default_factory=dict)  # settings of the orchestrator
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def dags(self) -> Path:
        """Its dags folder."""
        return self.home / "dags"

    def start(self, name: str) -> None:
        """Start one of its processes."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["airflow", *_COMMANDS[self.version][name]],
                env=self.variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """End one of its processes with all that it has started."""
        _end([self.processes.pop(name)])

    def stop_all(self) -> None:
        """End all of its processes, side by side."""
        _end(list(self.processes.values()))
        self.processes.clear()

    def log(self) -> str:
        """What its processes have written last."""
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in self.home.glob("*.log"))

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        path = "/api/v2/monitor/health" if self.version == "3" else "/api/v1/health"
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.loads(answer.read())


_COMMANDS = {
    "3": {
        "api-server": ["api-server"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
    },
    "2": {"api-server": ["webserver", "--workers", "1"], "scheduler": ["scheduler", "--skip-serve-logs"]},
}


@contextmanager
def live_airflow(version: str, home: Path, **more: str) -> Iterator[LiveAirflow]:
    """An Airflow on this machine only, with a new database."""
    (home / "dags").mkdir(parents=True)
    new_home(version, home)
    port = _free_port()
    live = LiveAirflow(home, f"http://127.0.0.1:{port}", version)
    live.variables = variables_of(version, home, **_settings(version, port, live.url), **more)
    if version == "2":
        live.account = {"username": "tester", "password": secrets.token_hex(8)}
        names = ["--username", "tester", "--firstname", "T", "--lastname", "T", "--email", "t@example.com"]
        airflow(live.variables, "users", "create", *names, "--role", "Admin", "--password", live.account["password"])
    try:
        for name in _COMMANDS[version]:
            live.start(name)
        _wait_until_well(live)
        yield live
    finally:
        live.stop_all()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate process groups; those that go on after a few seconds are killed."""
    until = time.monotonic() + 4
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, until - time.monotonic()) if number == signal.SIGTERM else 10)


def _settings(version: str, port: int, url: str) -> dict[str, str]:
    common = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor" if version == "3" else "SequentialExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
    }
    if version == "2":
        return common | {
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            "AIRFLOW__WEBSERVER__BASE_URL": url,
            "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
        }
    return common | {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(48),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    }


def _wait_until_well(live: LiveAirflow) -> None:
    needed = ["metadatabase", "scheduler", *(["dag_processor"] if live.version == "3" else [])]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            health = live.health()
        except (OSError, ValueError):
            health = {}
        if all(health.get(name, {}).get("status") == "healthy" for name in needed):
            return
        gone = [name for name, process in live.processes.items() if process.poll() is not None]
        assert not gone, f"{gone} ended\n{live.log()}"
        time.sleep(0.3)
    raise AssertionError(f"Airflow is not well after {PATIENCE:g} s: {health}\n{live.log()}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
