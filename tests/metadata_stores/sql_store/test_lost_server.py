"""Real pipelines on a stack whose database server goes away (promise 4)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from notebooks.servers import MariaDB, PostgreSQL, Server
from tests.notebook.kernels import kernel
from tests.scripts import PATIENCE, run_zen, write_script
from tests.servers.databases import store_at
from zenbook import pipeline, step
from zenbook.engine.launcher import create_pending_run
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

PIPELINE = """
@step
def first() -> int:
    return 1

@step
def second(x: int) -> int:
    Path("in second").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return x + 1

@step
def third(x: int) -> int:
    return x + 1

@pipeline
def waiting():
    third(second(first()))

if __name__ == "__main__":
    run = waiting()
    print(run.state, [str(step.state) for step in run.steps.values()])
"""


@pytest.fixture(params=[MariaDB, PostgreSQL])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


def use(server: Server, workspace: Path, patience: float) -> None:
    """Make the server's store the workspace's."""
    home = workspace / ".zen"
    home.mkdir()
    flavour = "mysql" if isinstance(server, MariaDB) else "postgresql"
    entry = {"flavour": flavour, "path": server.url(), "patience": patience}
    config = {"active": "team", "metadata_stores": {"shared": entry}, "stacks": {"team": {"metadata_store": "shared"}}}
    (home / "config.yaml").write_text(yaml.safe_dump(config))


def start(script: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=script.parent,
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )


def until_there(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        threading.Event().wait(0.02)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_in_the_middle_of_a_run_costs_a_pause(workspace: Path, server: Server, how: signal.Signals) -> None:
    use(server, workspace, patience=60)
    running = start(write_script(workspace, PIPELINE))
    until_there(workspace / "in second", running)
    server.stop(how)
    (workspace / "go").touch()
    assert running.stderr is not None
    printed = ""
    while "does not answer" not in printed:
        line = running.stderr.readline()
        assert line, printed
        printed += line
    server.start()
    out, rest = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, rest
    assert out.splitlines()[-1] == "succeeded ['succeeded', 'succeeded', 'succeeded']"
    assert "waiting up to 60 s" in printed
    assert "is back" in rest
    store = store_at(server.url())
    (run,) = store.runs(RunQuery())
    assert [str(step.state) for step in store.steps([run.id])] == ["succeeded"] * 3
    store.close()


def test_results_of_a_run_without_its_server_arrive_when_the_server_is_back(workspace: Path, server: Server) -> None:
    use(server, workspace, patience=0.5)
    script = write_script(workspace, PIPELINE)
    running = start(script)
    until_there(workspace / "in second", running)
    server.stop()
    (workspace / "go").touch()
    _, printed = running.communicate(timeout=PATIENCE)
    assert running.returncode != 0
    assert "StoreUnreachableError" in printed
    spool = workspace / ".zen" / "spool" / "shared"
    assert f"records of this run are kept in {spool}" in printed
    assert len([*spool.glob("*.json")]) >= 1

    server.start()
    listed = run_zen(workspace, "runs")
    assert listed.returncode == 0, listed.stderr
    assert "were sent now" in listed.stderr
    assert not [*spool.glob("*.json")]
    store = store_at(server.url())
    (run,) = store.runs(RunQuery())
    assert str(run.state) == "failed"
    assert "could not be reached" in run.error
    assert [str(step.state) for step in store.steps([run.id])] == ["succeeded", "succeeded", "skipped"]
    store.close()

    again = start(script)
    out, printed = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, printed
    assert out.splitlines()[-1] == "succeeded ['cached', 'cached', 'succeeded']"


def test_an_interrupt_ends_the_wait_and_no_result_is_lost(workspace: Path, server: Server) -> None:
    use(server, workspace, patience=60)
    running = start(write_script(workspace, PIPELINE))
    until_there(workspace / "in second", running)
    server.stop()
    (workspace / "go").touch()
    assert running.stderr is not None
    printed = ""
    while "does not answer" not in printed:
        line = running.stderr.readline()
        assert line, printed
        printed += line
    running.send_signal(signal.SIGINT)
    _, rest = running.communicate(timeout=20)
    assert "KeyboardInterrupt" in rest
    assert re.search(r"kept in .*spool/shared", rest)
    server.start()
    assert "were sent now" in run_zen(workspace, "runs").stderr
    store = store_at(server.url())
    (run,) = store.runs(RunQuery())
    assert str(run.state) == "cancelled"
    assert [str(step.state) for step in store.steps([run.id])][:2] == ["succeeded", "succeeded"]
    store.close()


@step
def alone() -> int:
    return 7


@pipeline
def one_step() -> None:
    alone()


def test_a_worker_that_starts_while_the_server_is_away_waits_for_it(workspace: Path, server: Server) -> None:
    use(server, workspace, patience=60)
    stack = open_stack()
    plan = one_step.plan()
    record = create_pending_run(plan, stack, process="")
    (workspace / "plan.json").write_text(plan.to_json())
    server.stop()
    worker = subprocess.Popen(
        [sys.executable, "-m", "zenbook.engine.worker", "plan.json", "alone", "--run", record.id],
        cwd=workspace,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stderr is not None
    assert "could not be reached: connection refused. The worker waits up to 120 s for it." in worker.stderr.readline()
    server.start()
    _, printed = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, printed
    (done,) = stack.metadata.steps([record.id])
    assert str(done.state) == "succeeded"
    stack.metadata.close()


def test_a_cell_whose_end_can_not_be_recorded_keeps_it_and_says_so(workspace: Path, server: Server) -> None:
    use(server, workspace, patience=0.3)
    with kernel(workspace) as k:
        k.run("%load_ext zenbook")
        k.run("%%step load\nx = 1")
        cell = k.start(
            "%%step wait\nimport time\nfrom pathlib import Path\nPath('in second').touch()\n"
            "while not Path('go').exists():\n    time.sleep(0.02)\ny = x + 1"
        )
        while not (workspace / "in second").exists():
            threading.Event().wait(0.02)
        server.stop()
        (workspace / "go").touch()
        failed = k.finish(cell)
        assert "StoreUnreachableError" in failed.error
        assert "does not answer: waiting up to 0.3 s" in failed.text
        assert "records of this run are kept in" in failed.text + str(failed.outputs)
        server.start()
        assert "were sent now" in k.run("r = %zen runs").text
        done = k.run(
            "%%step wait\nimport time\nfrom pathlib import Path\nPath('in second').touch()\n"
            "while not Path('go').exists():\n    time.sleep(0.02)\ny = x + 1"
        )
        assert "cached" in done.text
        assert k.run("y").result == "2"
    assert not [*(workspace / ".zen" / "spool" / "shared").glob("*.json")]
