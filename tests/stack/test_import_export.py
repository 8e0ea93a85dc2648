"""A stack is shared as a file without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from zenbook import components, stacks
from zenbook.errors import StackError
from zenbook.stack.import_export import export_stack, import_stack
from zenbook.stack.stack import Stack, stack_names

SECRET = "hunter2-Ω-$(x)"


@pytest.fixture
def prod(workspace: Path) -> str:
    components.register("artifact-store", "far", "local", path="/far")
    components.register("metadata-store", "db", "mysql", host="db.example.org", username="me", password=SECRET)
    stacks.register("prod", artifact_store="far", metadata_store="db", production=True)
    return export_stack("prod")


def test_an_exported_stack_is_imported_elsewhere_and_what_is_missing_is_said(
    prod: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SECRET not in prod
    assert "hunter2" not in prod
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("ZENBOOK_WORKSPACE", str(elsewhere))
    found = import_stack(prod)
    assert (found.stack.name, found.stack.production) == ("prod", True)
    assert found.missing == ("zen metadata-store update db --password",)
    assert dict(components.component("artifact-store", "far").options) == {"path": "/far"}
    assert dict(components.component("metadata-store", "db").options) == {"host": "db.example.org", "username": "me"}
    assert export_stack("prod").replace("secrets:\n- metadata_stores.db.password\n", "") == prod.replace(
        "secrets:\n- metadata_stores.db.password\n", ""
    )
    import_stack(prod, name="other")
    assert stack_names() == ("default", "prod", "other")


def test_a_reference_to_a_variable_is_no_secret(workspace: Path) -> None:
    components.register("metadata-store", "db", "mysql", password="${DB_PASSWORD}")
    stacks.register("prod", metadata_store="db")
    text = export_stack("prod")
    assert "password: ${DB_PASSWORD}" in text
    assert "secrets" not in text


def test_what_is_there_is_replaced_only_when_asked(prod: str) -> None:
    with pytest.raises(StackError, match="A stack 'prod' exists already"):
        import_stack(prod)
    stacks.update("prod", production=False)
    import_stack(prod, replace=True)
    assert Stack.named("prod").production
    components.update("artifact-store", "far", path="/other")
    with pytest.raises(StackError, match="Another artifact store 'far' exists already"):
        import_stack(prod, name="second")
    assert "second" not in stack_names()
    import_stack(prod, name="second", replace=True)
    assert dict(components.component("artifact-store", "far").options) == {"path": "/far"}


def test_replacing_a_component_keeps_a_secret_that_the_file_does_not_have(prod: str) -> None:
    before = components.component("metadata-store", "db").options["password"]
    import_stack(prod, name="second")
    assert components.component("metadata-store", "db").options["password"] == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("][", "not valid YAML"),
        ("a: 1", "not an exported stack"),
        ("zenbook: 99\nstack: {name: x}", "written by a newer zenbook"),
        ("zenbook: 1\nstack: {name: x}\norchestrators: [1]", "'orchestrators' is not a mapping"),
        ("zenbook: 1\nstack: {name: x, orchestrator: gone}", "no orchestrator 'gone'"),
        ("zenbook: 1\nstack: {name: x}\norchestrators: {o: {flavour: prcess}}", "no orchestrator of flavour 'prcess'"),
        ("zenbook: 1\nstack: {name: x}\norchestrators: {o: {flavour: process, pyton: y}}", "no option 'pyton'"),
        ("zenbook: 1\nstack: {name: x, colour: red}", "colour"),
    ],
)
def test_a_file_that_cannot_be_imported_changes_nothing(workspace: Path, text: str, message: str) -> None:
    with pytest.raises(StackError, match=message):
        import_stack(text)
    assert stack_names() == ("default",)
    assert [one.name for one in components.components("orchestrator")] == ["local", "process"]


def test_a_file_whose_stack_names_what_there_is_not_registers_nothing(prod: str) -> None:
    dangling = prod.replace("metadata_store: db", "metadata_store: gone").replace("  far:", "  farther:")
    with pytest.raises(StackError, match="There is no metadata store 'gone'"):
        import_stack(dangling, name="second")
    assert [one.name for one in components.components("artifact-store")] == ["local", "far"]
    assert stack_names() == ("default", "prod")


def test_a_secret_that_is_here_already_is_not_asked_for_again(prod: str) -> None:
    assert import_stack(prod, name="second").missing == ()
