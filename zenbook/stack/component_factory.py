"""Make a component from what is registered, what the environment adds and what its flavour asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.component_choice import Choice, first_mistake
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.secrets import resolve_references
from zenbook.stack.workspace import Workspace

BUILT_IN: Mapping[tuple[ComponentKind, str], str] = {  # available without registering: (kind, name) → flavour
    (ComponentKind.ARTIFACT_STORE, "local"): "local",
    (ComponentKind.METADATA_STORE, "local"): "sqlite",
    (ComponentKind.ORCHESTRATOR, "local"): "local",
    (ComponentKind.ORCHESTRATOR, "process"): "process",
}


def make_component(kind: ComponentKind, choice: Choice, workspace: Workspace) -> Any:
    """Make the component that a stack has chosen.

    Args:
        kind: The kind of component.
        choice: The stack's choice.
        workspace: Where it is registered.

    Returns:
        The component, as its flavour makes it.

    Raises:
        StackError: A package that it needs is missing.
    """
    entry = {"flavour": choice.flavour} if choice.flavour else entry_of(kind, choice.name, workspace)
    options = {key: value for key, value in entry.items() if key != "flavour"} | choice.options
    component_flavour = flavour(kind, str(entry.get("flavour", "")))
    what = f"{kind.label} {str(choice)!r}"
    settings = validated_settings(component_flavour, resolve_references(options, what, workspace), what)
    try:
        return component_flavour.make(settings, workspace.home)
    except ImportError as error:
        name = component_flavour.name
        raise StackError(
            f"The {kind.label} of flavour {name!r} needs a package that is not installed: {error.name or error}.",
            f'Install it: pip install "zenbook[{component_flavour.extra or name}]"',
        ) from error


def entry_of(kind: ComponentKind, name: str, workspace: Workspace) -> Mapping[str, Any]:
    """Look up a registered or built-in component.

    Args:
        kind: The kind of component.
        name: Its name.
        workspace: Where it is registered.

    Returns:
        Its flavour and options.

    Raises:
        StackError: No component has that name.
    """
    entry = workspace.config().component(kind.config_key, name)
    if entry is None and (kind, name) in BUILT_IN:
        return {"flavour": BUILT_IN[kind, name]}
    if entry is None:
        known = component_names(kind, workspace)
        raise StackError(f"There is no {kind.label} {name!r}.", did_you_mean(name, known, noun=kind.label))
    return entry


def component_names(kind: ComponentKind, workspace: Workspace) -> tuple[str, ...]:
    """List the components of a kind.

    Args:
        kind: The kind of component.
        workspace: Where they are registered.

    Returns:
        Their names, the built-in components first.
    """
    registered = (workspace.config().components or {}).get(kind.config_key) or {}
    built_in = [name for built_in_kind, name in BUILT_IN if built_in_kind is kind]
    return tuple(dict.fromkeys([*built_in, *registered]))


def validated_settings(component_flavour: Flavour, options: Mapping[str, Any], what: str) -> BaseModel:
    """Validate a component's options.

    Args:
        component_flavour: The component's flavour.
        options: The options by name, without references.
        what: The component in error messages, as ``metadata store 'team'``.

    Returns:
        The flavour's settings.

    Raises:
        StackError: An option is unknown, missing or not valid. The message names the option and never its value.
    """
    try:
        return component_flavour.settings(**options)
    except ValidationError as error:
        option, reason, kind = first_mistake(error)
        if kind == "extra_forbidden":
            raise StackError(
                f"The {what} has no option {option!r}: its flavour is {component_flavour.name}.",
                did_you_mean(option, component_flavour.settings.model_fields, noun="option"),
            ) from None
        if kind == "missing":
            raise StackError(f"The {what} needs the option {option!r}.", f"Add --{option.replace('_', '-')}.") from None
        raise StackError(f"Invalid option {option!r} for the {what}: {reason}.") from None
