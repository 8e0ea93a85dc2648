"""A planted secret is in nothing that zenbook writes or says."""

from __future__ import annotations

import json
import secrets
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from notebooks.servers import MariaDB
from tests.notebook.kernels import kernel
from tests.scripts import run_zen
from tests.servers.databases import running
from zenbook import components, pipeline, stacks, step
from zenbook.errors import ZenbookError
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

TRAINING = """
from zenbook import pipeline, step, stacks, find_run

@step
def load(n: int = 3) -> list:
    return list(range(n))

@step
def total(values: list) -> int:
    return sum(values)

@pipeline
def training(n: int = 3):
    total(load(n))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with running(MariaDB()) as made:
        assert isinstance(made, MariaDB)
        yield made


@pytest.fixture
def secret(server: MariaDB) -> str:
    """The password of the database's user ``me``: nothing that could be there by chance."""
    made = f"s3cr3t-{secrets.token_hex(12)}"
    server.execute(
        "CREATE DATABASE IF NOT EXISTS zen",
        f"CREATE OR REPLACE USER 'me'@'127.0.0.1' IDENTIFIED BY '{made}'",
        "GRANT ALL ON zen.* TO 'me'@'127.0.0.1'",
    )
    return made


def holders(secret: str, *folders: Path) -> list[str]:
    """The files that hold the secret, as it is or in a usual disguise."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    needles = [secret.encode(), secret.encode("utf-16-le"), secret[::-1].encode(), secret.encode().hex().encode()]
    return [str(path) for path in files if any(one in path.read_bytes() for one in needles)]


@step
def load(n: int = 3) -> list[int]:
    return list(range(n))


@step
def fails(values: list[int]) -> int:
    raise ValueError("on purpose")


@pipeline
def failing(n: int = 3) -> None:
    fails(load(n))


@pytest.mark.parametrize("orchestrator", ["local", "process"])
def test_a_password_is_in_no_file_plan_export_log_exception_or_repr(
    workspace: Path, config_home: Path, server: MariaDB, secret: str, orchestrator: str
) -> None:
    options = {"host": "127.0.0.1", "port": server.port, "username": "me", "database": "zen"}
    said = [repr(components.register("metadata-store", "db", "mysql", options, password=secret))]
    stacks.register("prod", metadata_store="db", orchestrator=orchestrator)
    said += [repr(stacks.use("prod"))]
    with pytest.raises((ValueError, ZenbookError)) as raised:
        failing()
    said += [str(raised.value), repr(raised.value), "".join(getattr(raised.value, "__notes__", ()))]
    opened = open_stack()
    said += [repr(opened), str(opened.stack), opened.metadata.describe(), repr(opened.metadata)]
    run = next(iter(opened.metadata.runs(RunQuery())))
    full = opened.metadata.run(run.id)
    assert full is not None
    environment = opened.metadata.environment(full.environment)
    said += [full.plan, environment.description if environment else ""]
    said += [line.text for line in opened.metadata.logs(run.id)]
    for words in ("status", "doctor", "stack describe", "stack export prod", "metadata-store list", "show latest",
                  "metadata-store describe db", "stack check", "why latest", "logs latest", "config metadata get"):  # fmt: skip
        done = run_zen(workspace, *words.split())
        said += [done.stdout, done.stderr]
        assert done.returncode == 0, done.stderr
    server.execute("SET PASSWORD FOR 'me'@'127.0.0.1' = PASSWORD('changed')")
    for words in ("runs", "stack check", "doctor", "stack use prod"):
        done = run_zen(workspace, *words.split())
        said += [done.stdout, done.stderr]
    with pytest.raises(ZenbookError) as refused:
        opened.metadata.close()
        failing()
    said += [str(refused.value), _with_all_causes(refused.value)]
    opened.metadata.close()
    assert [text for text in said if secret in text] == []
    assert holders(secret, workspace, config_home) == []


def _with_all_causes(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())


def test_a_password_is_in_no_notebook_output(workspace: Path, config_home: Path, server: MariaDB, secret: str) -> None:
    with kernel(workspace) as k:
        outputs = [k.run("%load_ext zenbook"), k.run(TRAINING)]
        line = f"%zen config metadata set mysql --host 127.0.0.1 --port {server.port} --username me --database zen"
        outputs.append(k.run_and_answer(f"{line} --passwd", secret))
        outputs += [k.run("training()"), k.run("%zen runs"), k.run("%zen stack describe"), k.run("%zen doctor")]
        server.execute("SET PASSWORD FOR 'me'@'127.0.0.1' = PASSWORD('changed')")
        k.run("from zenbook.stack.stack import open_stack\nopen_stack().metadata.close()")
        outputs += [k.run("training(n=4)", ok=False), k.run("%tb", ok=False), k.run("%zen stack check", ok=False)]
    shown = [json.dumps(one.outputs, default=str) for one in outputs]
    assert "can't log in" in shown[-3] or "refuse" in shown[-3] or "password" in shown[-3]
    assert [text for text in shown if secret in text] == []
    assert holders(secret, workspace, config_home) == []


def test_a_worker_gets_a_password_of_the_environment_in_the_environment(
    workspace: Path, config_home: Path, server: MariaDB, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "train.py").write_text(TRAINING)
    monkeypatch.setenv("DB_PASSWORD", secret)
    words = f"config metadata set mysql --port {server.port} --username me --database zen --passwd"
    assert run_zen(workspace, *words.split(), "${DB_PASSWORD}").returncode == 0
    assert run_zen(workspace, "config", "orchestrator", "set", "process").returncode == 0
    done = run_zen(workspace, "run", "train.py:training")
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    assert holders(secret, workspace, config_home) == []
    monkeypatch.delenv("DB_PASSWORD")
    refused = run_zen(workspace, "runs")
    assert "The variable DB_PASSWORD is not set" in refused.stderr


def test_nothing_of_a_command_line_shows_a_password(workspace: Path, server: MariaDB, secret: str) -> None:
    """Of a worker's, which every user of the machine may read."""
    components.register(
        "metadata-store", "db", "mysql", port=server.port, username="me", database="zen", password=secret
    )
    stacks.register("prod", metadata_store="db", orchestrator="process")
    stacks.use("prod")

    @step
    def lines() -> str:
        import subprocess

        return subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout

    @pipeline
    def listing() -> None:
        lines()

    found = listing().steps["lines"].outputs["output"].load()
    assert "zenbook.engine.worker" in found
    assert secret not in found
    open_stack().metadata.close()
