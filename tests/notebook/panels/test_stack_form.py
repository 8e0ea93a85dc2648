from __future__ import annotations

import json
from pathlib import Path

import pytest

from zenbook.cli import invoke
from zenbook.errors import StackError
from zenbook.notebook.panels import stack_state
from zenbook.notebook.panels.stack_form import form, quoted, read, register_line, secrets_in
from zenbook.stack import component_registry, stacks
from zenbook.stack.component_options import checked_options
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.workspace import Workspace

STORE, FILES = ComponentKind.METADATA_STORE, ComponentKind.ARTIFACT_STORE


def field(kind: ComponentKind, name: str, which: str) -> dict[str, object]:
    return next(one for one in form(kind, name)["fields"] if one["name"] == which)


def test_a_form_has_the_models_types_defaults_and_help() -> None:
    port = field(STORE, "mysql", "port")
    assert port["input"] == "number"
    assert port["default"] == "3306"
    assert port["help"] == "Port of the server."
    assert not port["required"]
    assert field(STORE, "mysql", "tls")["choices"] == ["auto", "verify", "required", "off"]
    assert field(STORE, "mysql", "verify_identity")["default"] is True
    assert field(STORE, "mysql", "password")["secret"]
    assert field(FILES, "s3", "path")["required"]
    assert field(FILES, "filesystem", "options")["input"] == "pairs"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((FILES, one) for one in ("azure", "filesystem", "gcs", "local", "memory", "s3")),
        *((STORE, one) for one in ("mysql", "postgresql", "sqlite")),
        *((ComponentKind.ORCHESTRATOR, one) for one in ("local", "process")),
    ],
)
def test_every_flavours_form_is_plain_data(kind: ComponentKind, name: str) -> None:
    made = form(kind, name)
    assert made["does"]
    assert made == json.loads(json.dumps(made))


def test_a_flavour_that_there_is_not_is_said() -> None:
    with pytest.raises(StackError, match="'mysqll'"):
        form(STORE, "mysqll")


def test_every_mistake_stands_at_its_field_and_shows_no_value(workspace: Path) -> None:
    options, mistakes = read(flavour(STORE, "mysql"), {"port": "99999", "tls": "maybe", "patience": "12", "host": ""})
    assert options == {"port": "99999", "tls": "maybe", "patience": "12"}
    assert set(mistakes) == {"port", "tls"}
    assert mistakes["port"] == "Input should be less than or equal to 65535"
    assert "maybe" not in mistakes["tls"]


def test_what_is_required_and_missing_is_said_at_its_field(workspace: Path) -> None:
    assert read(flavour(FILES, "s3"), {})[1] == {"path": "Field required"}


def test_a_variable_that_is_set_later_is_no_mistake(workspace: Path) -> None:
    assert read(flavour(STORE, "mysql"), {"port": "${LATER_PORT}"})[1] == {}


def test_pairs_are_read_line_by_line(workspace: Path) -> None:
    chosen = flavour(FILES, "filesystem")
    options, mistakes = read(chosen, {"path": "memory://x", "options": "retries=3\nuser=me\n"})
    assert options["options"] == {"retries": 3, "user": "me"}
    assert not mistakes
    assert "KEY=VALUE" in read(chosen, {"path": "memory://x", "options": "retries"})[1]["options"]


def test_the_line_that_does_the_same_has_no_secret_and_registers_the_same(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    chosen = flavour(STORE, "mysql")
    given = {"host": "db 1", "username": "$me{x}", "password": "${DB_PASSWORD}", "verify_identity": False, "port": 3307}
    ready = checked_options(chosen, given, "x", Workspace.find())
    line = register_line(chosen, "prod", ready)
    assert line == (
        "%zen metadata-store register prod mysql --host 'db 1' --username '$$me{{x}}' "
        "--password '${DB_PASSWORD}' --no-verify-identity --port 3307"
    )
    assert register_line(chosen, "prod", {**ready, "password": "hunter22"}).count("hunter22") == 0

    from IPython.core.interactiveshell import InteractiveShell

    from zenbook.notebook import magics

    shell = InteractiveShell.instance()
    magics.register(shell)
    try:
        shell.run_line_magic("zen", line.removeprefix("%zen "))
    finally:
        magics.unregister(shell)
        InteractiveShell.clear_instance()
    assert component_registry.component(STORE, "prod").options == ready


def test_a_password_in_a_url_is_a_secret_too(workspace: Path) -> None:
    chosen = flavour(STORE, "mysql")
    options = read(chosen, {"path": "mysql://me:hunter22@db/zen"})[0]
    ready = checked_options(chosen, options, "x", Workspace.find())
    assert list(secrets_in(chosen, ready)) == ["hunter22"]
    assert "hunter22" not in register_line(chosen, "prod", ready)


def test_secrets_by_name_become_variables_in_the_line() -> None:
    chosen = flavour(FILES, "filesystem")
    line = register_line(chosen, "far", {"path": "sftp://h/x", "secrets": {"pass-word": "hunter22"}})
    assert line.endswith("--secrets 'pass-word=${PASS_WORD}'")


def test_a_word_is_quoted_for_the_magic() -> None:
    assert quoted("plain") == "plain"
    assert quoted("5$ a") == "'5$ a'"


def test_the_state_has_the_stacks_and_no_secret(workspace: Path) -> None:
    component_registry.register(STORE, "prod-db", "mysql", password="hunter22")
    stacks.register("prod", metadata_store="prod-db", production=True)
    found = stack_state.state()
    assert found["active"] == "default"
    assert [one["name"] for one in found["stacks"]] == ["default", "prod"]
    assert found["stacks"][1]["components"][1] == {"name": "prod-db", "flavour": "mysql"}
    assert found["stacks"][1]["production"]
    assert "hunter22" not in json.dumps(stack_state.description())


def test_a_broken_config_is_told_with_its_hint(workspace: Path) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen" / "config.yaml").write_text("stacks: [")
    assert stack_state.state()["hint"] == "Fix it in a text editor."


def test_a_switch_and_a_variable_change_the_signature(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks.register("other")
    before = stack_state.signature()
    assert stack_state.signature() == before
    stacks.use("other", check=False)
    switched = stack_state.signature()
    assert switched != before
    monkeypatch.setenv("ZENBOOK_STACK", "default")
    assert stack_state.signature() != switched


def test_without_widgets_the_panel_is_the_table(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zenbook

    zenbook.panel()
    assert repr(invoke(["stack", "list"])) in capsys.readouterr().out
