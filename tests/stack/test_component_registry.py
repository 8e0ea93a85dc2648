"""Components and stacks are registered, changed and taken out, and no reference ever dangles."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import zenbook
from zenbook import components, stacks
from zenbook.errors import StackError
from zenbook.stack.stack import Stack, active_name, open_stack, stack_names
from zenbook.stack.workspace import Workspace


@pytest.fixture(autouse=True)
def _here(workspace: Path) -> None:
    pass


def config() -> str:
    return Workspace.find().config_file.read_text("utf-8")


def test_a_component_is_registered_described_changed_and_taken_out() -> None:
    made = components.register("artifact-store", "far", "local", path="far")
    assert (made.name, made.flavour, dict(made.options), made.used_by) == ("far", "local", {"path": "far"}, ())
    assert components.component("artifact store", "far") == made
    assert [one.name for one in components.components("artifact_store")] == ["local", "far"]
    assert dict(components.update("artifact-store", "far", path="farther").options) == {"path": "farther"}
    assert dict(components.update("artifact-store", "far", path=None).options) == {}
    components.delete("artifact-store", "far")
    assert [one.name for one in components.components("artifact-store")] == ["local"]


def test_a_component_in_use_stays_and_its_users_are_named() -> None:
    components.register("artifact-store", "far", "local", path="far")
    stacks.register("prod", artifact_store="far")
    stacks.copy("prod", "staging")
    stacks.use("staging")
    with pytest.raises(StackError, match="'far' is used by the stacks staging, prod") as raised:
        components.delete("artifact-store", "far")
    assert raised.value.hint.endswith("zen stack update staging --artifact-store OTHER.")
    stacks.update("staging", artifact_store="local")
    stacks.update("prod", artifact_store="local")
    components.delete("artifact-store", "far")
    with pytest.raises(StackError, match="'local' is built in"):
        components.delete("artifact-store", "local")


def test_a_stack_of_unknown_components_cannot_be_created() -> None:
    components.register("artifact-store", "faraway", "local", path="far")
    for attempt in (
        lambda: stacks.register("prod", artifact_store="farawy"),
        lambda: stacks.update("default", artifact_store="farawy"),
    ):
        with pytest.raises(StackError, match="There is no artifact store 'farawy'") as raised:
            attempt()
        assert "Did you mean 'faraway'?" in raised.value.hint
        assert "zen artifact-store register farawy FLAVOUR" in raised.value.hint
    assert stack_names() == ("default",)


def test_a_stack_is_registered_used_updated_copied_renamed_and_deleted() -> None:
    stacks.register("prod", orchestrator="process", production=True)
    switch = stacks.use("prod")
    assert (switch.old.name, switch.new.name, [one.ok for one in switch.checks]) == ("default", "prod", [True] * 3)
    assert active_name() == "prod"
    assert stacks.copy("prod", "staging").production
    assert stacks.update("staging", orchestrator="local", production=False).orchestrator.name == "local"
    assert Stack.named("prod").orchestrator.name == "process"
    stacks.rename("prod", "live")
    assert (active_name(), stack_names()) == ("live", ("default", "live", "staging"))
    with pytest.raises(StackError, match="'live' is the active one"):
        stacks.delete("live")
    stacks.delete("staging")
    stacks.use("default")
    stacks.delete("live")
    assert stack_names() == ("default",)
    for attempt in (lambda: stacks.delete("default"), lambda: stacks.rename("default", "other")):
        with pytest.raises(StackError, match="The stack 'default' cannot be"):
            attempt()


def test_the_default_stack_can_be_changed() -> None:
    stacks.update(orchestrator="process")
    assert Stack.named("default").orchestrator.name == "process"
    assert "own process" in open_stack().orchestrator.describe()


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 65, "é$"])
def test_names_that_files_or_shells_cannot_take_are_refused(name: str) -> None:
    for attempt in (lambda: stacks.register(name), lambda: components.register("orchestrator", name, "process")):
        with pytest.raises(StackError, match=r"is not a valid name for an?"):
            attempt()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"paht": "x"}, "has no option 'paht': its flavour is sqlite", "Did you mean 'path'?"),
        ({"path": 3}, "Invalid option 'path' for the metadata store 'db': Input is not a valid path", ""),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    options: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(StackError) as raised:
        components.register("metadata-store", "db", "sqlite", options)
    assert message in raised.value.message
    assert hint in raised.value.hint
    assert not Workspace.find().config_file.exists()


def test_values_are_kept_as_the_settings_understand_them() -> None:
    made = components.register("artifact-store", "far", "s3", path="s3://b/d", cache_size="1 GB", anonymous="yes")
    assert dict(made.options) == {"path": "s3://b/d", "cache_size": "1 GB", "anonymous": True}
    assert dict(components.register("metadata-store", "db", "mysql", port="3307").options) == {"port": 3307}


def test_a_name_that_exists_is_refused() -> None:
    components.register("orchestrator", "mine", "process")
    with pytest.raises(StackError, match="An orchestrator") as raised:
        components.register("orchestrator", "mine", "local")
    assert "zen orchestrator update mine" in raised.value.hint
    stacks.register("prod")
    with pytest.raises(StackError, match="A stack 'prod' exists already"):
        stacks.register("prod")


def test_a_switch_whose_check_fails_is_not_made() -> None:
    (Path.cwd() / "a file").write_text("")
    components.register("artifact-store", "broken", "local", path=str(Path.cwd() / "a file" / "below"))
    stacks.register("prod", artifact_store="broken")
    with pytest.raises(StackError) as raised:
        stacks.use("prod")
    assert (
        "Nothing was switched, because the stack 'prod' failed its check. artifact store 'broken'"
        in raised.value.message
    )
    assert "Cannot write to the artifact store" in raised.value.message
    assert raised.value.hint.endswith("To switch without the check: --no-check.")
    assert active_name() == "default"
    assert stacks.use("prod", check=False).checks == ()
    assert active_name() == "prod"


def test_a_check_that_hangs_ends_with_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenbook.artifact_stores.local_files import LocalArtifactStore

    never = threading.Event()
    monkeypatch.setattr(LocalArtifactStore, "check", lambda _: str(never.wait()))
    artifacts, metadata, orchestrator = stacks.check(time_limit=0.3)
    assert (artifacts.ok, artifacts.message) == (False, "it did not answer within 0.3 s.")
    assert metadata.ok
    assert orchestrator.ok
    never.set()


def test_a_variable_that_picks_a_stack_is_not_overruled_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks.register("prod")
    monkeypatch.setenv("ZENBOOK_STACK", "default")
    with pytest.raises(StackError, match="ZENBOOK_STACK chooses 'default' and overrides"):
        stacks.use("prod")


def test_a_switch_counts_in_another_process_at_once() -> None:
    stacks.register("prod", orchestrator="process")
    opened = open_stack()
    command = "from zenbook import stacks; stacks.use('prod', check=False)"
    subprocess.run([sys.executable, "-c", command], check=True, timeout=60)
    assert open_stack().stack.name == "prod"
    assert opened.stack.name == "default"


def test_registering_something_else_does_not_open_the_stack_anew() -> None:
    stacks.register("prod")
    opened = open_stack()
    components.register("artifact-store", "far", "local", path="far")
    assert open_stack() is opened


def test_many_processes_register_at_once_and_none_is_lost() -> None:
    command = "import sys; from zenbook import components\nfor n in range(5): components.register('orchestrator', f'o{sys.argv[1]}-{n}', 'process')"
    writers = [subprocess.Popen([sys.executable, "-c", command, str(n)]) for n in range(4)]
    assert [one.wait(60) for one in writers] == [0] * 4
    assert len(components.components("orchestrator")) == 2 + 20


def test_a_workspace_is_its_owners_only() -> None:
    stacks.register("prod")
    home = Workspace.find().home
    assert home.stat().st_mode & 0o777 == 0o700
    assert Workspace.find().config_file.stat().st_mode & 0o777 == 0o600


def test_the_public_names_are_there() -> None:
    assert zenbook.stacks is stacks
    assert zenbook.components.register is components.register
