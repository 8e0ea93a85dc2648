"""The doctor: each check says what it found and how to fix it, and no check stops the others."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scripts import SLOW, Started, write_script
from zenbook.artifact_stores.local_files import LocalArtifactStore
from zenbook.core.states import RunState
from zenbook.errors import StoreError
from zenbook.history import doctor
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import RunQuery, RunRecord
from zenbook.stack.stack import OpenStack, open_stack

pytestmark = pytest.mark.usefixtures("workspace")


def examine() -> dict[str, tuple[str, str]]:
    return {str(row["what"]): (str(row[""]), str(row["found"])) for row in doctor.examine()}


def with_components(monkeypatch: pytest.MonkeyPatch, **components: object) -> None:
    def opened() -> OpenStack:
        return replace(open_stack(), **components)

    monkeypatch.setattr(doctor, "open_stack", opened)


def test_a_sound_workspace_has_no_findings(workspace: Path) -> None:
    open_stack()
    (workspace / ".zen").chmod(0o700)
    seen = examine()
    assert {sign for sign, _ in seen.values()} <= {"✓", "–"}
    assert "sqlalchemy" in seen["libraries"][1]
    assert seen["workspace"][1] == f"{workspace}/.zen, no config.yaml: the defaults"
    assert seen["stack"] == ("✓", "default: local, local, local")
    assert "schema" in seen["metadata store"][1]
    assert seen["artifact store"][1] == f"files in {workspace}/.zen/artifacts: writes and reads"
    assert seen["permissions"] == ("✓", "mode 0700: other users cannot read it")
    assert [*open_stack().artifacts.listing()] == []


def test_it_works_before_the_workspace_exists(workspace: Path) -> None:
    seen = examine()
    assert seen["workspace"][1].endswith(".zen (created on first use)")
    assert seen["permissions"] == ("–", "no workspace yet")
    assert (workspace / ".zen").is_dir()


def test_a_workspace_that_others_can_read_is_reported(workspace: Path) -> None:
    open_stack()
    (workspace / ".zen").chmod(0o755)
    assert examine()["permissions"] == (
        "!", f"other users can read {workspace}/.zen (mode 0755): chmod 700 {workspace}/.zen",
    )  # fmt: skip


def test_values_of_variables_are_shown_only_if_they_are_not_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_STACK", "default")
    monkeypatch.setenv("ZENBOOK_PROD_PASSWD", "planted")
    monkeypatch.setenv("ZENBOOK_STACK_METADATA_STORE", "mysql://me:planted@host/db")
    seen = doctor.examine()
    assert "planted" not in repr(next(row for row in seen if row["what"] == "variables"))
    shown = examine()["variables"][1]
    assert "ZENBOOK_STACK=default" in shown
    assert "ZENBOOK_PROD_PASSWD (set)" in shown
    assert "ZENBOOK_STACK_METADATA_STORE=mysql://…@host/db" in shown


def test_an_unknown_variable_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_STACK_ORCHESTRATR", "process")
    seen = examine()
    assert seen["stack"][0] == "✗"
    assert "Did you mean 'ZENBOOK_STACK_ORCHESTRATOR'" in seen["stack"][1]
    assert seen["runs"][0] == "–"
    assert seen["disk"][0] == "✓"


class Silent(SqlMetadataStore):
    """A store on a server that takes connections and never answers."""

    released = threading.Event()

    def runs(self, query: RunQuery) -> list[RunRecord]:
        self.released.wait(60)
        return []


def test_a_store_that_never_answers_is_abandoned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_components(monkeypatch, metadata=Silent(tmp_path / "x.sqlite"))
    monkeypatch.setattr(doctor, "CHECK_TIMEOUT", 1.0)
    start = time.monotonic()
    try:
        seen = examine()
    finally:
        Silent.released.set()
    assert time.monotonic() - start < 10
    assert seen["metadata store"] == ("✗", "no answer within 1 s. Is a server or a network disk down?")
    assert seen["artifact store"][0] == "✓"


class Broken(LocalArtifactStore):
    """A store whose library fails in a way that nobody foresaw."""

    def check(self) -> str:
        raise RuntimeError("out of cheese")


class Away(SqlMetadataStore):
    """A store that says why it cannot be reached."""

    def runs(self, query: RunQuery) -> list[RunRecord]:
        raise StoreError("The server is away.", "Start it.")


def test_what_a_check_raises_is_its_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_components(monkeypatch, artifacts=Broken(tmp_path), metadata=Away(tmp_path / "x.sqlite"))
    seen = examine()
    assert seen["artifact store"] == ("✗", "RuntimeError: out of cheese")
    assert seen["metadata store"] == ("✗", "The server is away. Start it.")
    assert seen["runs"] == seen["clock"] == ("–", "not checked: The server is away.")


def test_a_deleted_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    seen = examine()
    assert seen["workspace"][0] == "✗"
    assert seen["Python"][0] == "✓"


def test_batches_in_the_spool_are_reported(workspace: Path) -> None:
    spool = workspace / ".zen" / "spool"
    (spool / "elsewhere").mkdir(parents=True)
    for name in ("1.json", "2.json", "0.damaged", ".lock"):
        (spool / "elsewhere" / name).write_text("x")
    os.utime(spool / "elsewhere" / "1.json", (time.time() - 3600,) * 2)
    sign, finding = examine()["spool"]
    assert sign == "!"
    assert finding.startswith(f"2 waiting in {spool}, the oldest for 1 h 00 min")
    assert f"1 in {spool} could not be read" in finding


def test_a_run_from_the_future_is_reported() -> None:
    run = RunRecord("30000101-000000-000000", "p", "default", RunState.SUCCEEDED, time.time() + 7200, host="there")
    open_stack().metadata.create_run(run, steps=[], params=[], code=[], environment=None)
    sign, finding = examine()["clock"]
    assert sign == "!"
    assert "in the future: correct this clock or that of there" in finding


def test_running_and_crashed_runs_are_reported(workspace: Path) -> None:
    with Started(write_script(workspace, SLOW)) as script:
        script.wait_for("waiting")
        assert examine()["runs"][1].startswith("1 running (")
        script.process.kill()
        script.process.wait()
    assert examine()["runs"] == (
        "!", "none running; 1 found crashed just now: zen resume RUN continues from the last finished step",
    )  # fmt: skip
    assert examine()["runs"] == ("✓", "none running")
