"""What a DAG is deployed with: no secret, stores that its workers reach, packages that are those of here."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from tests.servers.airflow_here import python_of
from zenbook.errors import StackError
from zenbook.integrations.airflow.deploy import deploy, differing_packages, refuse_unreachable, stack_file
from zenbook.stack.stack import OpenStack, Stack, open_stack

pytestmark = pytest.mark.usefixtures("workspace")

DATABASE = {"flavour": "mysql", "host": "db.example.com", "database": "d", "username": "u"}


def on(**choices: object) -> OpenStack:
    return replace(open_stack(), stack=Stack(**choices))


@pytest.mark.parametrize(
    ("password", "variable"),
    [("hunter2", "ZENBOOK_STACK_METADATA_STORE__PASSWORD"), ("${DB_TOKEN}", "DB_TOKEN")],
)
@pytest.mark.parametrize("same_machine", [True, False])
def test_what_is_deployed_holds_no_secret(
    password: str, variable: str, same_machine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_TOKEN", "hunter2")
    text, missing = stack_file(on(metadata_store={**DATABASE, "password": password}), same_machine=same_machine)
    assert "hunter2" not in text
    assert "db.example.com" in text
    assert missing == [variable], "whoever runs Airflow is told what its workers need"


def test_another_machine_gets_no_folder_of_this_one(tmp_path: Path) -> None:
    text, _ = stack_file(on(metadata_store=DATABASE), same_machine=False)
    said = json.loads(text)
    assert str(tmp_path) not in text
    assert set(said["variables"]) == {"ZENBOOK_STACK_ARTIFACT_STORE", "ZENBOOK_STACK_METADATA_STORE"}


def test_stores_in_files_of_this_machine_are_refused_unless_airflow_is_here() -> None:
    with pytest.raises(StackError, match=r"The artifact store of the stack 'default' is in files of this machine"):
        refuse_unreachable(open_stack(), same_machine=False)
    refuse_unreachable(open_stack(), same_machine=True)


def test_packages_that_differ_for_the_steps_are_listed() -> None:
    assert list(differing_packages(sys.executable, ())) == []
    (message,) = differing_packages(sys.executable, ["click==0.0.1"])
    assert message.startswith("click ")
    assert message.endswith(" (here 0.0.1)")
    (missing,) = differing_packages(sys.executable, ["no-such-package==1.0"])
    assert missing == "no-such-package is missing (here 1.0)"


def test_an_interpreter_without_zenbook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(StackError, match="has no zenbook"):
        list(differing_packages(str(python_of("2")), ()))
    with pytest.raises(StackError, match="Could not find out what is installed"):
        list(differing_packages("/no/such/python", ()))


def test_a_dags_folder_may_be_a_bucket() -> None:
    files = {"plan.json": "{}", "dag.py": "x = 'é'\n"}
    deploy(files, "memory://bucket/dags/training")
    deploy(files, "memory://bucket/dags/training")
    system = fsspec.filesystem("memory")
    assert {name: system.cat_file(f"/bucket/dags/training/{name}").decode() for name in files} == files
    with pytest.raises(StackError, match="cannot be written to nosuch://x"):
        deploy(files, "nosuch://x")
