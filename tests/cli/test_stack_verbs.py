"""The verbs on stacks and components, as the shell and the magic say them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.scripts import run_zen
from zenbook import cli, components, stacks
from zenbook.errors import StackError, ZenbookError
from zenbook.stack.stack import Stack, active_name
from zenbook.stack.workspace import Workspace

SECRET = "hunter2-Ω"


@pytest.fixture(autouse=True)
def _here(workspace: Path) -> None:
    pass


def zen(line: str, **notebook: Any) -> Any:
    return cli.invoke(line.split(), **notebook)


@pytest.mark.parametrize(
    "line",
    [
        "stack register MY --metadata_store m --artifact_store a --orchestrator o",
        "stack register MY --metadata-store m --artifact-store a --orchestrator o",
        "stack register MY -m m -a a -o o",
    ],
)
def test_a_stack_is_registered_in_every_spelling(line: str) -> None:
    zen("metadata-store register m sqlite --path m.db")
    zen("artifact-store register a local --path there")
    zen("orchestrator register o process")
    zen(line)
    zen("stack set MY")
    assert zen("stack get") == "MY"
    made = Stack.named()
    assert (made.metadata_store.name, made.artifact_store.name, made.orchestrator.name) == ("m", "a", "o")


def test_config_set_registers_a_component_and_puts_it_into_the_active_stack() -> None:
    said = zen("config metadata set mysql --host 127.0.0.1 --port 3307 --username U --passwd P --database D --no-check")
    assert [row["now"] for row in said] == ["local", "mysql", "local"]
    options = dict(components.component("metadata-store", "mysql").options)
    assert options.pop("password").startswith("keyring:")
    assert options == {"host": "127.0.0.1", "port": 3307, "username": "U", "database": "D"}
    zen("config artifacts set gs://bucket/sub/dir --no-check")
    assert components.component("artifact-store", "gcs").options == {"path": "gs://bucket/sub/dir"}
    assert str(Stack.named().artifact_store) == "gcs"
    assert {"what": "path", "is": "gs://bucket/sub/dir"} in list(zen("config artifacts get"))


def test_config_set_again_changes_the_component_unless_another_stack_uses_it(tmp_path: Path) -> None:
    zen(f"config metadata set sqlite --path {tmp_path}/one.db")
    zen(f"config metadata set sqlite --path {tmp_path}/two.db")
    assert [one.name for one in components.components("metadata-store")] == ["local", "sqlite"]
    stacks.copy("default", "prod")
    zen(f"config metadata set sqlite --path {tmp_path}/three.db")
    assert components.component("metadata-store", "sqlite").options["path"].endswith("two.db")
    assert str(Stack.named().metadata_store) == "sqlite-2"
    zen(f"config metadata set sqlite --name mine --path {tmp_path}/four.db")
    assert str(Stack.named().metadata_store) == "mine"


def test_config_set_of_a_folder(tmp_path: Path) -> None:
    zen("config artifacts set ./data")
    assert components.component("artifact-store", "local-2").options == {"path": str(tmp_path / "data")}


def test_config_set_changes_nothing_when_the_check_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"failed its check\. artifact store"):
        zen(f"config artifacts set {tmp_path}/file/below")
    assert [one.name for one in components.components("artifact-store")] == ["local"]
    assert str(Stack.named().artifact_store) == "local"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("config artifacts set nowhere://x", "nowhere", ""),
        ("config artifacts set colud", "no artifact store of flavour 'colud'", "Known flavours"),
        ("config metadata set mysql --hots x", "Unknown option '--hots'", "'--host'"),
        ("config metadata set redis://h/0", "No metadata store has URLs that start with redis://", "Known schemes"),
        ("artifact-store register x s4", "no artifact store of flavour 's4'", "s3"),
        ("artifact-store register x local --paht y", "Unknown option '--paht'", "'--path'"),
        ("artifact-store update local", "No option given for", "--path"),
        ("artifact-store describe lcoal", "no artifact store 'lcoal'", "'local'"),
        ("artifact-stroe list", "Unknown verb 'artifact-stroe'", "'artifact-store'"),
        ("metadata-store register x mysql --port many", "port", ""),
        ("stack use", "No stack given.", "zen stack list"),
        ("stack use prdo", "Unknown stack 'prdo'", "Known stacks: default."),
        ("stack register x -m nope", "no metadata store 'nope'", "zen metadata-store register nope FLAVOUR"),
        ("stack import nothing.yaml", "cannot be read", "zen stack export"),
    ],
)
def test_a_mistake_is_explained_with_a_hint(line: str, message: str, hint: str) -> None:
    with pytest.raises(ZenbookError) as raised:
        zen(line)
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_use_shows_what_changes_in_three_lines_and_what_the_checks_found() -> None:
    zen("stack register prod -o process")
    shown = repr(zen("stack use prod")).splitlines()
    assert shown[0] == "Stack prod is active"
    assert [line.split()[0] for line in shown[2:]] == ["artifact", "metadata", "orchestrator"]
    assert "local   →  process  ✓ each step in its own process" in shown[4]
    assert "writes and reads" in shown[2]


def test_check_names_the_component_that_fails_and_how_to_fix_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    zen(f"artifact-store register broken local --path {tmp_path}/file/below")
    zen("stack register prod -a broken")
    with pytest.raises(StackError) as raised:
        zen("stack check prod")
    lines = raised.value.message.splitlines()
    assert lines[0] == "1 of 3 components of the stack 'prod' cannot be used."
    assert lines[3].startswith("✗  artifact store  broken")
    assert lines[4].startswith("✓  metadata store  local")
    assert "zen config artifacts set" in raised.value.hint
    assert len(zen("stack check")) == 3


def test_flavours_show_their_options_with_help_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["option"]: row for row in zen("metadata-store flavours mysql")}
    assert "[default: 3306]" in rows["--port"]["what it is"]
    assert rows["--password"]["value"] == "[SECRET]"
    zen("metadata-store register x mysql --help")
    said = capsys.readouterr().out
    assert "--connect-timeout" in said
    assert "mysql" in [row["flavour"] for row in zen("metadata-store flavours")]


def test_a_secret_is_asked_for_without_echo(tmp_path: Path) -> None:
    asked = pexpect.spawn(
        str(Path(sys.executable).parent / "zen"),
        ["metadata-store", "register", "db", "mysql", "--username", "me", "--passwd"],
        cwd=str(tmp_path),
        env={**os.environ, "TERM": "dumb"},
        encoding="utf-8",
        timeout=30,
    )
    asked.expect("Password: ")
    asked.sendline(SECRET)
    asked.expect(pexpect.EOF)
    assert "hunter2" not in asked.before
    assert "(kept in .zen/secrets.json, encrypted)" in asked.before
    asked.close()
    assert asked.exitstatus == 0
    assert str(components.component("metadata-store", "db").options["password"]).startswith("keyring:")


def test_what_is_shown_of_a_component_has_no_secret() -> None:
    cli.invoke(["metadata-store", "register", "db", "mysql", "--password", SECRET])
    cli.invoke(["metadata-store", "register", "env", "mysql", "--password", "${DB}"])
    zen("stack register prod -m db")
    shown = "\n".join(
        repr(zen(line)) + zen(line)._repr_html_()
        for line in ("metadata-store list", "metadata-store describe db", "stack describe prod", "stack list")
    )
    assert "hunter2" not in shown
    assert "(kept in .zen/secrets.json, encrypted)" in shown
    assert "${DB}" in shown


def test_a_stack_is_exported_and_imported(tmp_path: Path) -> None:
    zen("artifact-store register far local --path /far")
    zen("stack register prod -a far")
    exported = run_zen(tmp_path, "stack", "export", "prod")
    (tmp_path / "prod.yaml").write_text(exported.stdout)
    zen("stack delete prod")
    zen("artifact-store delete far")
    assert zen("stack import prod.yaml").title == "Registered the stack prod"
    assert str(Stack.named("prod").artifact_store) == "far"
    assert zen("stack export prod --to again.yaml") == "Wrote again.yaml"
    assert (tmp_path / "again.yaml").read_text() == exported.stdout


class Answers:
    """Somebody at the keyboard."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        remaining = iter(answers)

        def answer(prompt: str = "") -> str:
            self.asked.append(prompt)
            return next(remaining)

        monkeypatch.setattr("click.termui.visible_prompt_func", answer)


def test_production_asks_before_something_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    zen("artifact-store register far local")
    zen("stack register spare")
    zen("stack delete spare")  # nothing is asked on a stack that is not for production
    zen("stack register spare")
    zen("stack register live --production")
    zen("stack use live --no-check")
    said = Answers(monkeypatch, "n", "n", "y")
    for line in ("stack delete spare", "artifact-store delete far"):
        with pytest.raises(StackError, match="Nothing was done: the stack 'live' is for production"):
            zen(line)
    assert len(said.asked) == 2
    assert {one["stack"] for one in zen("stack list")} == {"default", "spare", "live"}
    zen("stack delete spare")
    zen("artifact-store delete far --yes")
    assert [one.name for one in components.components("artifact-store")] == ["local"]


def test_nobody_to_ask_means_no(tmp_path: Path) -> None:
    zen("stack register spare")
    zen("stack register live --production")
    zen("stack use live --no-check")
    refused = run_zen(tmp_path, "stack", "delete", "spare")
    assert refused.returncode == 1
    assert "If you are sure, add --yes." in refused.stderr
    assert run_zen(tmp_path, "stack", "delete", "spare", "--yes").returncode == 0
    assert active_name() == "live"
    assert Workspace.find().config().stacks == {"live": {"production": True}}


def test_a_component_whose_package_is_missing_is_registered_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = 'It needs s3fs. Install it: pip install "zenbook[s3]"'
    assert message not in repr(zen("artifact-store register here s3 --path s3://bucket/a"))
    monkeypatch.setattr("zenbook.stack.flavour.find_spec", lambda _name: None)
    assert message in repr(zen("artifact-store register later s3 --path s3://bucket/b"))


def test_status_works_although_a_component_has_a_problem() -> None:
    Workspace.find().ensure()
    zen("metadata-store register db mysql --password ${NO_SUCH_VARIABLE}")
    zen("stack register prod -m db --production")
    zen("stack use prod --no-check")
    message = repr(zen("status"))
    assert "prod (production)" in message
    assert "The variable NO_SUCH_VARIABLE is not set" in message
    assert "export NO_SUCH_VARIABLE=" in message


def test_config_set_without_options_takes_what_is_built_in() -> None:
    zen("config orchestrator set process")
    zen("config metadata set sqlite")
    assert Stack.named().orchestrator.name == "process"
    assert Stack.named().metadata_store.name == "local"
    zen("config orchestrator set local")
    assert Stack.named().orchestrator.name == "local"
    assert [one.name for one in components.components("orchestrator")] == ["local", "process"]


def test_the_verbs_own_options_may_stand_before_the_flavour(tmp_path: Path) -> None:
    zen(f"config metadata set --no-check --name mine sqlite --path {tmp_path}/one.db")
    assert Stack.named().metadata_store.name == "mine"
    for words in ("config metadata set", "metadata-store update", "metadata-store register new"):
        with pytest.raises(
            ZenbookError, match="The option '--path' stands before the flavour to which it belongs"
        ) as raised:
            zen(f"{words} --path {tmp_path}/one.db mine")
        assert f"Usage: zen {words.removesuffix(' new')} [OPTIONS]" in raised.value.hint
