"""A stack can be set by arguments, the environment, the config and defaults: the first that speaks wins."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from zenbook import Stack
from zenbook.errors import StackError
from zenbook.stack.flavour import ComponentKind, flavour, flavours
from zenbook.stack.stack import active_name, open_stack, stack_names

CONFIG = """
active: prod
artifact_stores:
  elsewhere: {flavour: local, path: other-artifacts}
stacks:
  prod: {artifact_store: elsewhere, orchestrator: process}
"""


@pytest.fixture
def config(workspace: Path) -> Path:
    (workspace / ".zen").mkdir()
    file = workspace / ".zen" / "config.yaml"
    file.write_text(CONFIG)
    return file


def test_defaults(workspace: Path) -> None:
    assert Stack().model_dump() == {
        "name": "default", "artifact_store": "local", "metadata_store": "local", "orchestrator": "local",
        "production": False,
    }  # fmt: skip
    assert not (workspace / ".zen").exists()


def test_the_first_that_speaks_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Stack.named().orchestrator.name == "process"
    assert Stack.named("default").orchestrator.name == "local"
    monkeypatch.setenv("ZENBOOK_STACK_ORCHESTRATOR", "local")
    assert Stack.named().orchestrator.name == "local"
    assert Stack.named().artifact_store.name == "elsewhere"
    assert Stack(name="prod", orchestrator="mine").orchestrator.name == "mine"


def test_a_variable_picks_a_stack(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (active_name(), stack_names()) == ("prod", ("default", "prod"))
    monkeypatch.setenv("ZENBOOK_STACK", "default")
    assert active_name() == "default"


def test_an_open_stack_has_its_components(config: Path) -> None:
    opened = open_stack()
    assert opened.stack.name == "prod"
    written = opened.artifacts.put_bytes(b"x", suffix=".bin")
    assert Path(opened.artifacts.uri(written.address)).is_relative_to(config.parent / "other-artifacts")
    assert "own process" in opened.orchestrator.describe()
    assert open_stack() is opened


def test_an_edited_config_counts_at_once(config: Path) -> None:
    opened = open_stack()
    config.write_text(CONFIG.replace("other-artifacts", "third"))
    os.utime(config, ns=(1, 1))
    assert open_stack() is not opened
    assert "third" in open_stack().artifacts.describe()


def test_a_stack_is_frozen(workspace: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        Stack().orchestrator = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "message", "hint"),
    [
        ("ZENBOOK_STACK", "prdo", "Unknown stack 'prdo'", "Did you mean 'prod'?"),
        ("ZENBOOK_STACK_ORCHESTRATR", "process", "Unknown environment variable", "'ZENBOOK_STACK_ORCHESTRATOR'"),
        ("ZENBOOK_STACK_METADATA_STORE", "locla", "no metadata store 'locla'", "Did you mean 'local'?"),
        ("ZENBOOK_STACK_ARTIFACT_STORE", "elsewere", "no artifact store 'elsewere'", "Did you mean 'elsewhere'?"),
    ],
)
def test_misspelt_variables(
    config: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str, hint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StackError) as raised:
        open_stack()
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_flavours_are_found_by_entry_point() -> None:
    assert {"local", "process"} <= set(flavours(ComponentKind.ORCHESTRATOR))
    assert "sqlite" in flavours(ComponentKind.METADATA_STORE)
    with pytest.raises(StackError) as raised:
        flavour(ComponentKind.METADATA_STORE, "sqlit")
    assert raised.value.hint.startswith("Did you mean 'sqlite'")


def test_one_entry_says_all_about_a_kind_of_component() -> None:
    kinds = tuple(ComponentKind)
    assert [kind.label_with_article for kind in kinds] == ["an artifact store", "a metadata store", "an orchestrator"]
    assert [f"-{kind.short_flag} --{kind.cli_name}" for kind in kinds] == [
        "-a --artifact-store",
        "-m --metadata-store",
        "-o --orchestrator",
    ]
    assert [kind.config_key for kind in kinds] == ["artifact_stores", "metadata_stores", "orchestrators"]
    assert [kind.config_word for kind in kinds] == ["artifacts", "metadata", "orchestrator"]
    assert not any(kind.optional or kind.several for kind in kinds)
    assert all(kind in Stack.model_fields and flavours(kind) for kind in kinds)
    assert pickle.loads(pickle.dumps(kinds)) == kinds
