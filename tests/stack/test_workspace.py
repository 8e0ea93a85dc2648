"""Where the workspace is, and what its config says."""

from __future__ import annotations

from pathlib import Path

import pytest

from zenbook.errors import StackError
from zenbook.stack.workspace import Workspace


def test_the_nearest_folder_above_counts(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Workspace.find().home == workspace / ".zen"
    assert not Workspace.find().exists
    Workspace.find().ensure()
    below = workspace / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert Workspace.find().home == workspace / ".zen"
    Workspace(workspace / "a" / ".zen").ensure()
    assert Workspace.find().home == workspace / "a" / ".zen"


@pytest.mark.parametrize("named", ["elsewhere", "elsewhere/.zen"])
def test_a_variable_names_another(workspace: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("ZENBOOK_WORKSPACE", str(workspace / named))
    assert Workspace.find().home == workspace / "elsewhere" / ".zen"


def test_it_is_no_matter_of_git(workspace: Path) -> None:
    assert (Workspace.find().ensure().home / ".gitignore").read_text() == "*\n"


def test_a_file_in_its_place_is_told(workspace: Path) -> None:
    (workspace / ".zen").write_text("")
    with pytest.raises(StackError, match="can't be made: File exists"):
        Workspace.find().ensure()


def test_switching_keeps_what_else_the_config_says(workspace: Path) -> None:
    found = Workspace.find().ensure()
    found.config_file.write_text("stacks:\n  größer: {orchestrator: process}\n", encoding="utf-8")
    with found.changing() as body:
        body["active"] = "größer"
    config = found.config()
    assert config.active == "größer"
    assert config.stacks == {"größer": {"orchestrator": "process"}}
    assert sorted(one.name for one in found.home.iterdir()) == [".gitignore", "config.lock", "config.yaml"]


def test_a_workspace_that_can_not_be_locked_is_told(workspace: Path) -> None:
    found = Workspace.find().ensure()
    (found.home / "config.lock").mkdir()  # stands for a folder that is read-only, which nothing is to root
    with pytest.raises(StackError, match=r"can't be written: Is a directory"), found.changing():
        pass
