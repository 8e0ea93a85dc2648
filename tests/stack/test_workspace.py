"""Where the workspace is, and what its config says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zenbook.cli import invoke
from zenbook.errors import StackError
from zenbook.stack.config_file import set_entry
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


def test_git_ignores_it(workspace: Path) -> None:
    assert (Workspace.find().ensure().home / ".gitignore").read_text() == "*\n"


def test_a_file_in_its_place_is_an_error_that_names_it(workspace: Path) -> None:
    (workspace / ".zen").write_text("")
    with pytest.raises(StackError, match="cannot be created: File exists"):
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


def test_a_workspace_that_cannot_be_locked_is_an_error(workspace: Path) -> None:
    found = Workspace.find().ensure()
    (found.home / "config.lock").mkdir()  # stands for a folder that is read-only, which nothing is to root
    with pytest.raises(StackError, match=r"cannot be written: Is a directory"), found.changing():
        pass


HAND_EDITED = """\
# our stacks; ask Ada before changing prod

active: default  # for now
metadata_stores:
    team:   # on the server
        flavour: sqlite
        path: "/srv/zen.sqlite"   # backed up nightly
stacks:
  # for the nightly runs
  nightly: {metadata_store: team}
"""


def test_registering_keeps_the_comments_of_a_hand_edited_file(workspace: Path) -> None:
    found = Workspace.find().ensure()
    found.config_file.write_text(HAND_EDITED, encoding="utf-8")
    invoke(["stack", "register", "prod", "-m", "team"])
    invoke(["metadata-store", "update", "team", "--path", "/srv/other.sqlite"])
    text = found.config_file.read_text(encoding="utf-8")
    comments = [line.partition("#")[2] for line in HAND_EDITED.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in text.splitlines() if "#" in line] == comments
    assert text.startswith("# our stacks")
    config = found.config()
    assert config.stacks == {"nightly": {"metadata_store": "team"}, "prod": {"metadata_store": "team"}}
    assert config.component("metadata_stores", "team") == {"flavour": "sqlite", "path": "/srv/other.sqlite"}


def test_a_file_of_comments_alone_keeps_them(workspace: Path) -> None:
    found = Workspace.find().ensure()
    found.config_file.write_text("# nothing yet\n", encoding="utf-8")
    invoke(["stack", "register", "prod"])
    assert found.config_file.read_text(encoding="utf-8").startswith("# nothing yet\nversion: 1\n")
    assert found.config().stacks == {"prod": {}}


@pytest.mark.parametrize("text", ["yes", "010", "1e3", "null", "2020-01-01", "a: b", "two\nlines", " # x", "1:30", "é"])
def test_a_text_stays_a_text(workspace: Path, text: str) -> None:
    found = Workspace.find()
    for name in ("first", "second"):  # into a new file, and into one that exists
        with found.changing() as body:
            set_entry(body, "orchestrators", name, {"flavour": text})
    assert found.config().components["orchestrators"] == {"first": {"flavour": text}, "second": {"flavour": text}}


def test_a_value_that_is_there_twice_keeps_its_meaning(workspace: Path) -> None:
    found = Workspace.find().ensure()
    found.config_file.write_text("active: one\nactive: two\n", encoding="utf-8")
    with found.changing() as body:
        set_entry(body, "stacks", "prod", {})
    assert found.config().active == "two"


def test_opening_the_default_stack_loads_no_yaml(workspace: Path) -> None:
    code = "import sys; from zenbook.stack.stack import open_stack; open_stack(); print({'yaml', 'ruamel.yaml'} & {*sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
