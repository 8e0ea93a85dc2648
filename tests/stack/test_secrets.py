"""Secrets come from the environment or a keyring, and are in no file in clear."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from pydantic import SecretStr

from zenbook import components, stacks
from zenbook.errors import StackError
from zenbook.stack import component_factory, secrets
from zenbook.stack.component_choice import Choice
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.workspace import Workspace

SECRET = "hunter2-Ω-$(x)"
DB = ComponentKind.METADATA_STORE


class Memory(KeyringBackend):
    """A system's keyring."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    return made


def password_of(name: str) -> str | None:
    workspace = Workspace.find()
    entry = component_factory.entry_of(DB, name, workspace)
    options = {key: value for key, value in entry.items() if key != "flavour"}
    settings = component_factory.validated_settings(
        flavour(DB, "mysql"), secrets.resolve_references(options, "db", workspace), "db"
    )
    found = settings.password  # type: ignore[attr-defined]
    return found.get_secret_value() if found is not None else None


def files_with(text: str, *folders: Path) -> list[Path]:
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if text.encode() in path.read_bytes()]


@pytest.mark.parametrize("given", [SECRET, SecretStr(SECRET)])
def test_without_a_keyring_a_secret_is_kept_encrypted(workspace: Path, config_home: Path, given: object) -> None:
    made = components.register("metadata-store", "db", "mysql", password=given)
    assert made.options["password"].startswith("keyring:")
    assert password_of("db") == SECRET
    assert SECRET not in repr(made)
    assert files_with("hunter2", workspace, config_home) == []
    for file in (workspace / ".zen/secrets.json", config_home / "zenbook/key"):
        assert file.stat().st_mode & 0o777 == 0o600
    assert str(config_home) in secrets.describe_secret_store(Workspace.find())


def test_the_systems_keyring_is_used_where_there_is_one(workspace: Path, memory: Memory) -> None:
    components.register("metadata-store", "db", "mysql", password=SECRET)
    assert list(memory.entries.values()) == [SECRET]
    assert password_of("db") == SECRET
    assert not (workspace / ".zen/secrets.json").exists()
    components.update("metadata-store", "db", password="other")
    assert (list(memory.entries.values()), password_of("db")) == (["other"], "other")
    components.delete("metadata-store", "db")
    assert memory.entries == {}


def test_taking_a_secret_back_forgets_it(workspace: Path, memory: Memory) -> None:
    components.register("metadata-store", "db", "mysql", password=SECRET)
    components.update("metadata-store", "db", password=None)
    assert (memory.entries, password_of("db")) == ({}, None)


def test_a_variable_is_read_when_the_component_is_made(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    components.register(
        "metadata-store", "db", "mysql", password="${DB_PASSWORD}", host="${DB_HOST}", port="${DB_PORT}"
    )
    assert components.component("metadata-store", "db").options["password"] == "${DB_PASSWORD}"
    with pytest.raises(StackError, match=r"The variable (DB_PASSWORD|DB_HOST|DB_PORT) is not set") as raised:
        password_of("db")
    assert "export" in raised.value.hint
    for name, value in {"DB_PASSWORD": SECRET, "DB_HOST": "h", "DB_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert password_of("db") == SECRET
    assert files_with("hunter2", workspace / ".zen") == []


def test_a_wrong_option_beside_a_variable_is_still_reported(workspace: Path) -> None:
    with pytest.raises(StackError, match="prot"):
        components.register("metadata-store", "db", "mysql", password="${DB_PASSWORD}", prot=3)
    with pytest.raises(StackError, match="port"):
        components.register("metadata-store", "db", "mysql", password="${DB_PASSWORD}", port="many")


def test_an_option_may_be_spelt_as_the_servers_own_tools_do(workspace: Path) -> None:
    made = components.register("metadata-store", "db", "mysql", {"passwd": SECRET, "user": "me", "db": "d"})
    assert set(made.options) == {"password", "username", "database"}
    assert password_of("db") == SECRET


def test_a_password_in_a_url_is_taken_out_of_it(workspace: Path) -> None:
    made = components.register("metadata-store", "db", "mysql", path="mysql://me:p%40ss@h:3307/d")
    assert made.options["path"] == "mysql://me@h:3307/d"
    assert password_of("db") == "p@ss"
    assert files_with("p%40ss", workspace / ".zen") == files_with("p@ss", workspace / ".zen") == []


def test_an_entry_that_is_gone_is_an_error(workspace: Path, memory: Memory) -> None:
    components.register("metadata-store", "db", "mysql", password=SECRET)
    memory.entries.clear()
    with pytest.raises(StackError, match=r"The keyring has no entry for the .*'db', option 'password'") as raised:
        component_factory.make_component(DB, Choice(name="db"), Workspace.find())
    assert "without a value asks" in raised.value.hint


def test_a_file_of_another_user_is_an_error(workspace: Path, config_home: Path) -> None:
    components.register("metadata-store", "db", "mysql", password=SECRET)
    (config_home / "zenbook/key").unlink()
    components.register("metadata-store", "second", "mysql", password="x")
    with pytest.raises(StackError, match="encrypted with another key"):
        password_of("db")
    assert password_of("second") == "x"


def test_many_processes_keep_secrets_at_once(workspace: Path) -> None:
    command = (
        "import sys; from zenbook import components\n"
        "for n in range(4): components.register('metadata-store', f'd{sys.argv[1]}-{n}', 'mysql', password=f'p{n}')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", command, str(n)]) for n in range(3)]
    assert [one.wait(60) for one in writers] == [0] * 3
    assert {password_of(f"d{w}-{n}") for w in range(3) for n in range(4)} == {f"p{n}" for n in range(4)}


def test_choices_and_stacks_never_show_a_value(workspace: Path) -> None:
    chosen = stacks.Stack(metadata_store={"flavour": "mysql", "password": SECRET, "prot": 1})
    assert "hunter2" not in repr(chosen)
    assert "hunter2" not in str(chosen)
    with pytest.raises(StackError) as raised:
        chosen.open()
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
