"""A stack with its components as a file to commit, and back. It holds no secrets; ``${VARIABLE}`` references stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.component_factory import BUILT_IN, component_names, entry_of
from zenbook.stack.component_options import check_name, checked_options
from zenbook.stack.component_registry import write_component
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.secrets import without_secrets
from zenbook.stack.stack import Stack, stack_names
from zenbook.stack.stacks import check_references, write_stack
from zenbook.stack.workspace import Workspace

VERSION = 1


@dataclass(frozen=True, slots=True)
class ImportedStack:
    """A stack that was imported, and the commands that set the secrets which it still needs."""

    stack: Stack
    missing: tuple[str, ...]


def export_stack(name: str) -> str:
    """Write a stack and its components as YAML, without secrets.

    Args:
        name: The stack's name.

    Returns:
        The text.
    """
    import yaml

    workspace = Workspace.find()
    entry = dict((workspace.config().stacks or {}).get(name) or {})
    body: dict[str, Any] = {"zenbook": VERSION, "stack": {"name": name, **entry}}
    secrets: list[str] = []
    for kind in ComponentKind:
        choice = entry.get(kind.value)
        if isinstance(choice, Mapping):
            body["stack"][kind.value], left_out = without_secrets(kind, choice)
            secrets += [".".join((kind.config_key, "stacks", name, *path)) for path in left_out]
        elif choice is not None and (kind, choice) not in BUILT_IN:
            public, left_out = without_secrets(kind, entry_of(kind, choice, workspace))
            body[kind.config_key] = {choice: public}
            secrets += [".".join((kind.config_key, choice, *path)) for path in left_out]
    if secrets:
        body["secrets"] = secrets
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def import_stack(text: str, *, name: str | None = None, replace: bool = False) -> ImportedStack:
    """Register the stack of an exported text, with its components.

    Args:
        text: What `export_stack` returned.
        name: The stack's new name; by default its name in the text.
        replace: Whether a stack or component of the same name is replaced.

    Returns:
        The stack, and what it still needs.

    Raises:
        StackError: The text or something in it is not valid, or a name is taken; nothing is registered.
    """
    body = _read(text)
    entry = dict(body["stack"])
    stack = name or str(entry.pop("name", ""))
    entry.pop("name", None)
    check_name(stack, "a stack")
    unknown = sorted(entry.keys() - Stack.model_fields)
    if unknown:
        raise StackError(
            f"The file's stack has an unknown setting {unknown[0]!r}.",
            did_you_mean(unknown[0], Stack.model_fields, noun="setting"),
        )
    workspace = Workspace.find()
    if stack in stack_names() and not replace:
        raise StackError(
            f"A stack {stack!r} exists already.",
            "Choose another name with --name, or replace the existing stack with --replace.",
        )
    new_components = [
        ready
        for kind in ComponentKind
        for component, options in (body.get(kind.config_key) or {}).items()
        if (ready := _ready(kind, component, options, workspace, replace=replace)) is not None
    ]
    new_names = {(component_flavour.kind, component) for component_flavour, component, _ in new_components}
    check_references(entry, {kind: {new for new_kind, new in new_names if new_kind is kind} for kind in ComponentKind})
    for component_flavour, component, options in new_components:
        write_component(component_flavour, component, options, workspace)
    write_stack(stack, entry)
    return ImportedStack(Stack(name=stack), tuple(_commands(body.get("secrets") or (), workspace)))


def _ready(
    kind: ComponentKind, name: str, entry: Mapping[str, Any], workspace: Workspace, *, replace: bool
) -> tuple[Flavour, str, dict[str, Any]] | None:
    """A component to be written; None for one that is registered here already, apart from its secrets."""
    check_name(name, kind.label_with_article)
    if name in component_names(kind, workspace):
        here = dict(entry_of(kind, name, workspace))
        if here | dict(entry) == here:
            return None
        if not replace:
            raise StackError(
                f"Another {kind.label} {name!r} exists already.",
                "Rename one of them in the file, or replace the existing one with --replace.",
            )
    component_flavour = flavour(kind, str(entry.get("flavour", "")))
    options = {key: value for key, value in entry.items() if key != "flavour"}
    return component_flavour, name, checked_options(component_flavour, options, f"{kind.label} {name!r}", workspace)


def _read(text: str) -> dict[str, Any]:
    import yaml

    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StackError(
            f"The file is not valid YAML: {' '.join(str(error).split())}.", "Export the stack again."
        ) from None
    known = {"zenbook", "stack", "secrets", *(kind.config_key for kind in ComponentKind)}
    if not isinstance(body, dict) or not isinstance(body.get("stack"), dict) or set(body) - known:
        raise StackError("The file is not an exported stack.", "Export one: zen stack export NAME > stack.yaml")
    if not isinstance(body.get("zenbook"), int) or body["zenbook"] > VERSION:
        raise StackError("The file was written by a newer zenbook.", "Upgrade this one: pip install -U zenbook")
    for kind in ComponentKind:
        section = body.get(kind.config_key) or {}
        if not isinstance(section, dict) or not all(isinstance(entry, dict) for entry in section.values()):
            raise StackError(
                f"In the file, {kind.config_key!r} is not a mapping of names to options.", "Export the stack again."
            )
    return body


def _commands(secrets: Any, workspace: Workspace) -> Iterator[str]:
    """The commands that set the secrets which a file left out, apart from those that are set here already."""
    kinds = {kind.config_key: kind for kind in ComponentKind}
    for secret in secrets:
        section, _, rest = str(secret).partition(".")
        name, _, option = rest.rpartition(".")
        if section in kinds and option not in (workspace.config().component(section, name) or {}):
            yield f"zen {kinds[section].cli_name} update {name} --{option.replace('_', '-')}"


__all__ = ["ImportedStack", "export_stack", "import_stack"]
