"""The ways in which a stack is set: arguments, environment, config, defaults. For every pair the first one wins."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenbook import Stack
from zenbook.errors import StackError
from zenbook.stack.component_choice import Choice
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.stack import open_stack

FIELDS = ("artifact_store", "metadata_store", "orchestrator", "production")
WAYS = ("arguments", "environment", "config", "defaults")


class Ways:
    """Sets one field in each way, and says what the stack then is."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.arguments: dict[str, Any] = {}

    def set(self, way: str, field: str, value: Any) -> None:
        if way == "arguments":
            self.arguments[field] = value
        elif way == "environment":
            self.monkeypatch.setenv(f"ZENBOOK_STACK_{field.upper()}", str(value).lower())
        elif way == "config":
            (self.folder / ".zen").mkdir()
            text = str(value).lower()
            (self.folder / ".zen/config.yaml").write_text(f"active: mine\nstacks:\n  mine: {{{field}: {text}}}\n")

    def stack(self) -> Stack:
        return Stack(**self.arguments)


@pytest.fixture
def ways(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(workspace, monkeypatch)


def value_of(way: str, field: str, *, other: bool) -> Any:
    return other if field == "production" else f"of-{way}"


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(WAYS, 2)))
def test_the_first_of_two_ways_wins(ways: Ways, first: str, second: str, field: str) -> None:
    ways.set(second, field, value_of(second, field, other=False))
    ways.set(first, field, value_of(first, field, other=True))
    found = ways.stack()
    expected = value_of(first, field, other=True)
    assert (found.production if field == "production" else str(getattr(found, field))) == expected
    untouched = [one for one in FIELDS if one not in (field, "production")]
    assert {str(getattr(found, one)) for one in untouched} == {"local"}


@pytest.mark.parametrize("way", WAYS[:3])
def test_one_way_alone_wins_over_the_default(ways: Ways, way: str) -> None:
    ways.set(way, "orchestrator", "process")
    assert ways.stack().orchestrator.name == "process"


def test_a_deeper_variable_sets_one_option_of_what_another_way_has_chosen(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen/config.yaml").write_text(
        "artifact_stores: {far: {flavour: local, path: far}}\nstacks: {default: {artifact_store: far}}\n"
    )
    assert open_stack().artifacts.describe().endswith("far")
    monkeypatch.setenv("ZENBOOK_STACK_ARTIFACT_STORE__PATH", str(workspace / "farther"))
    assert Stack().artifact_store == Choice(name="far", path=str(workspace / "farther"))
    assert open_stack().artifacts.describe().endswith("farther")
    assert Stack(artifact_store="local").artifact_store.options == {"path": str(workspace / "farther")}


def test_a_component_that_is_registered_nowhere_is_described_by_flavour_and_options(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Stack(artifact_store={"flavour": "local", "path": str(workspace / "by argument")}).open()
    assert made.artifacts.describe().endswith("by argument")
    monkeypatch.setenv("ZENBOOK_STACK_ARTIFACT_STORE", f'{{"flavour": "local", "path": "{workspace}/by variable"}}')
    assert open_stack().artifacts.describe().endswith("by variable")
    (workspace / ".zen/config.yaml").write_text("stacks: {default: {artifact_store: {flavour: local, path: x}}}\n")
    assert open_stack().artifacts.describe().endswith("by variable")
    monkeypatch.delenv("ZENBOOK_STACK_ARTIFACT_STORE")
    assert open_stack().artifacts.describe().endswith(".zen/x")


def test_a_name_drops_what_a_later_way_says_of_another_component(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen/config.yaml").write_text("stacks: {default: {artifact_store: {flavour: local, path: x}}}\n")
    monkeypatch.setenv("ZENBOOK_STACK_ARTIFACT_STORE", "local")
    assert Stack().artifact_store == Choice(name="local")
    monkeypatch.setenv("ZENBOOK_STACK_ARTIFACT_STORE", '{"flavour": "memory"}')
    assert Stack().artifact_store == Choice(flavour="memory")
    assert Stack(artifact_store="mine").artifact_store == Choice(name="mine")


MISTAKES: list[tuple[Callable[[pytest.MonkeyPatch, Path], object], str, str]] = [
    (lambda _m, _w: Stack(orchestratr="x"), "Unknown setting 'orchestratr'", "Did you mean 'orchestrator'?"),
    (lambda m, _w: m.setenv("ZENBOOK_STAK", "x"), "Unknown environment variable ZENBOOK_STAK", "'ZENBOOK_STACK'"),
    (lambda m, _w: m.setenv("ZENBOOK_STACKS", "x"), "Unknown environment variable ZENBOOK_STACKS", "'ZENBOOK_STACK'"),
    (lambda m, _w: m.setenv("ZENBOOK_WORKSPAC", "x"), "Unknown environment variable ZENBOOK_WORKSPAC", "'ZENBOOK_WORKSPACE'"),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_NAME", "x"), "Unknown environment variable ZENBOOK_STACK_NAME", "'ZENBOOK_STACK'"),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_METADATA", "x"), "Unknown environment variable ZENBOOK_STACK_METADATA", "'ZENBOOK_STACK_METADATA_STORE'"),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_PRODUCTION", "perhaps"), "'production' in the stack 'default': Input should be a valid bool", ""),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_ORCHESTRATOR", "{x"), "is neither a name nor a JSON object", "Write a name"),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_ORCHESTRATOR__FAST", "x"), "no option 'fast'", "no options"),
    (lambda m, _w: m.setenv("ZENBOOK_STACK_METADATA_STORE__PAHT", "x"), "no option 'paht'", "Did you mean 'path'?"),
    (lambda _m, w: (w / ".zen/config.yaml").write_text("stacks: {default: {orchestratr: x}}"),
     "Unknown setting 'orchestratr'", "Did you mean 'orchestrator'?"),
    (lambda _m, w: (w / ".zen/config.yaml").write_text("stacks: {default: {orchestrator: {path: x}}}"),
     "a component needs a name", ""),
    (lambda _m, w: (w / ".zen/config.yaml").write_text(
        "orchestrators: {o: {flavour: procss}}\nstacks: {default: {orchestrator: o}}"),
     "no orchestrator of flavour 'procss'", "Did you mean 'process'?"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "message", "hint"), MISTAKES)
def test_a_mistake_in_any_source_is_reported(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    mistake: Callable[[pytest.MonkeyPatch, Path], object],
    message: str,
    hint: str,
) -> None:
    (workspace / ".zen").mkdir()
    with pytest.raises(StackError) as raised:
        mistake(monkeypatch, workspace)
        _ = open_stack().orchestrator
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_what_another_process_needs_travels_in_variables(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Stack(artifact_store={"flavour": "local", "path": str(workspace / "there")}, orchestrator="process").open()
    for name, value in opened.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    again = open_stack()
    assert again.artifacts.describe() == opened.artifacts.describe()
    assert again.workspace == opened.workspace
    assert [again.stack.choice(kind) for kind in ComponentKind] == [opened.stack.choice(kind) for kind in ComponentKind]
