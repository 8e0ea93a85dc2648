"""Make a component from what is registered, what the environment adds and what its flavour asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.component_choice import Choice, first_mistake
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.secrets import revealed
from zenbook.stack.workspace import Workspace

BUILT_IN: Mapping[tuple[ComponentKind, str], str] = {  # there without registering: (kind, name) → flavour
    (ComponentKind.ARTIFACT_STORE, "local"): "local",
    (ComponentKind.METADATA_STORE, "local"): "sqlite",
    (ComponentKind.ORCHESTRATOR, "local"): "local",
    (ComponentKind.ORCHESTRATOR, "process"): "process",
}


def make(kind: ComponentKind, choice: Choice, workspace: Workspace) -> Any:
    """The component that a stack has chosen. Raises `StackError` for one that is unknown or can't be made."""
    entry = {"flavour": choice.flavour} if choice.flavour else entry_of(kind, choice.name, workspace)
    options = {key: value for key, value in entry.items() if key != "flavour"} | choice.options
    chosen = flavour(kind, str(entry.get("flavour", "")))
    what = f"{kind.label} {str(choice)!r}"
    settings = settings_of(chosen, revealed(options, what, workspace), what)
    return make_of(chosen, settings, workspace)


def entry_of(kind: ComponentKind, name: str, workspace: Workspace) -> Mapping[str, Any]:
    """A registered component's flavour and options. Raises `StackError` when there is none of that name."""
    entry = workspace.config().component(kind.config_key, name)
    if entry is None and (kind, name) in BUILT_IN:
        return {"flavour": BUILT_IN[kind, name]}
    if entry is None:
        known = component_names(kind, workspace)
        raise StackError(f"There is no {kind.label} {name!r}.", did_you_mean(name, known, noun=kind.label))
    return entry


def component_names(kind: ComponentKind, workspace: Workspace) -> tuple[str, ...]:
    """The components of a kind that there are, those that are built in first."""
    registered = (workspace.config().components or {}).get(kind.config_key) or {}
    return tuple(dict.fromkeys([*(name for one, name in BUILT_IN if one is kind), *registered]))


def settings_of(chosen: Flavour, options: Mapping[str, Any], what: str) -> BaseModel:
    """The settings that options make. Raises `StackError` that names the option, never its value."""
    try:
        return chosen.settings(**options)
    except ValidationError as error:
        where, told, kind = first_mistake(error)
        hint = ""
        if kind == "extra_forbidden":
            hint = did_you_mean(where, chosen.settings.model_fields, noun="option")
            raise StackError(f"The {what} has no option {where!r}: its flavour is {chosen.name}.", hint) from None
        if kind == "missing":
            raise StackError(f"The {what} needs the option {where!r}.", f"Add --{where.replace('_', '-')}.") from None
        raise StackError(f"The {what} has an option that can't be: {where}: {told}.", hint) from None


def make_of(chosen: Flavour, settings: BaseModel, workspace: Workspace) -> Any:
    """The component of a flavour. Raises `StackError` when a package that it needs is missing."""
    try:
        return chosen.make(settings, workspace.home)
    except ImportError as error:
        raise StackError(
            f"The {chosen.kind.label} of flavour {chosen.name!r} needs a missing package: {error.name or error}.",
            f'pip install "zenbook[{chosen.extra or chosen.name}]"',
        ) from error
