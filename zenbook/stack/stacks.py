"""Registered stacks: what ``zenbook.stacks.register(…)`` and the verbs ``zen stack …`` do."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.checks import TIME_LIMIT, CheckResult, check_components
from zenbook.stack.component_factory import component_names
from zenbook.stack.component_options import check_name
from zenbook.stack.config_file import set_entry
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.stack import DEFAULT, Stack, active_name, stack_names
from zenbook.stack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Switch:
    """A change from one stack to another, with the results of the new one's checks (none if they were left out)."""

    old: Stack
    new: Stack
    checks: tuple[CheckResult, ...] = ()


def use(name: str, *, check: bool = True, time_limit: float = TIME_LIMIT) -> Switch:
    """Switch to a stack, for this workspace and from now on.

    Args:
        name: The stack's name.
        check: Whether its components are checked first; if one fails, the active stack stays as it is.
        time_limit: Seconds for the check of each component.

    Returns:
        The change.

    Raises:
        StackError: The variable ``ZENBOOK_STACK`` chooses another stack.
    """
    forced = os.environ.get("ZENBOOK_STACK")
    if forced and forced != name:
        raise StackError(
            f"The variable ZENBOOK_STACK chooses {forced!r} and overrides `zen stack use`.", "Unset the variable first."
        )
    old, new = Stack(name=active_name()), Stack.named(name)
    checks = require_passing_checks(new, time_limit) if check else ()
    with Workspace.find().changing() as body:
        body["active"] = name
    return Switch(old, new, checks)


def check(name: str | None = None, *, time_limit: float = TIME_LIMIT) -> tuple[CheckResult, ...]:
    """Check whether a stack's components can be reached, read and written.

    Args:
        name: The stack's name; by default the active stack.
        time_limit: Seconds for each component.

    Returns:
        A result for each component.
    """
    return check_components(Stack.named(name), time_limit)


def require_passing_checks(
    stack: Stack, time_limit: float = TIME_LIMIT, kinds: Iterable[ComponentKind] = ComponentKind
) -> tuple[CheckResult, ...]:
    """Check a stack's components before it is switched on.

    Args:
        stack: The stack.
        time_limit: Seconds for each component.
        kinds: Which of its components to check.

    Returns:
        The results, all of them good.

    Raises:
        StackError: A check failed; the message says which and why.
    """
    checks = check_components(stack, time_limit, kinds)
    failed = [result for result in checks if not result.ok]
    if not failed:
        return checks
    messages = " ".join(f"{result.kind.label} {result.name!r}: {result.message}" for result in failed)
    hints = dict.fromkeys(result.hint for result in failed if result.hint)
    raise StackError(
        f"Nothing was switched, because the stack {stack.name!r} failed its check. {messages}",
        "\n".join([*hints, "To switch without the check: --no-check."]),
    )


def register(
    name: str,
    *,
    artifact_store: str | None = None,
    metadata_store: str | None = None,
    orchestrator: str | None = None,
    production: bool = False,
) -> Stack:
    """Register a stack of registered components.

    Args:
        name: A new name.
        artifact_store: The name of its artifact store; by default the local one.
        metadata_store: The name of its metadata store; by default the local one.
        orchestrator: The name of its orchestrator; by default the local one.
        production: Whether to show its name everywhere and to ask before something is deleted.

    Returns:
        The stack.
    """
    _check_new_name(name, f"Choose another name, or change it: zen stack update {name} …")
    components = {"artifact_store": artifact_store, "metadata_store": metadata_store, "orchestrator": orchestrator}
    write_stack(name, _changed({}, components, production or None))
    return Stack(name=name)


def update(
    name: str | None = None,
    *,
    artifact_store: str | None = None,
    metadata_store: str | None = None,
    orchestrator: str | None = None,
    production: bool | None = None,
) -> Stack:
    """Give a stack other components.

    Args:
        name: The stack's name; by default the active stack.
        artifact_store: The name of its new artifact store; None changes nothing, here and below.
        metadata_store: The name of its new metadata store.
        orchestrator: The name of its new orchestrator.
        production: Whether to show its name everywhere and to ask before something is deleted.

    Returns:
        The stack as it is now.
    """
    name = existing_name(name)
    components = {"artifact_store": artifact_store, "metadata_store": metadata_store, "orchestrator": orchestrator}
    write_stack(name, _changed(_entry_of(name), components, production))
    return Stack(name=name)


def copy(source: str, target: str) -> Stack:
    """Register a stack with the components of another one.

    Args:
        source: The name of the stack to copy.
        target: A new name.

    Returns:
        The new stack.
    """
    _check_new_name(target)
    write_stack(target, dict(_entry_of(existing_name(source))))
    return Stack(name=target)


def rename(old: str, new: str) -> Stack:
    """Give a stack another name; the active stack stays active.

    Args:
        old: The stack's name.
        new: A new name.

    Returns:
        The stack under its new name.
    """
    _refuse_default(old, "renamed")
    _check_new_name(new)
    with Workspace.find().changing() as body:
        body["stacks"] = {new if name == old else name: entry for name, entry in body["stacks"].items()}
        if body.get("active") == old:
            body["active"] = new
    return Stack(name=new)


def delete(name: str) -> Stack:
    """Delete a stack; its components stay.

    Args:
        name: The stack's name.

    Returns:
        The stack as it was.

    Raises:
        StackError: It is the active stack.
    """
    _refuse_default(name, "deleted")
    if name == active_name():
        raise StackError(f"The stack {name!r} is the active one.", "Switch to another first: zen stack use default.")
    deleted = Stack(name=name)
    with Workspace.find().changing() as body:
        body["stacks"].pop(name, None)
    return deleted


def put_into_active(kind: ComponentKind, component: str) -> Switch:
    """Let the active stack use another component.

    Args:
        kind: The component's kind.
        component: The name of a registered component.

    Returns:
        The change.
    """
    name = existing_name(None)
    old = Stack(name=name)
    write_stack(name, {**_entry_of(name), kind.value: component})
    return Switch(old, Stack(name=name))


def existing_name(name: str | None) -> str:
    """Make sure that a stack exists.

    Args:
        name: The stack's name; None means the active stack.

    Returns:
        Its name.

    Raises:
        StackError: No stack has that name.
    """
    stack = name or active_name()
    if stack not in stack_names():
        raise StackError(f"Unknown stack {stack!r}.", did_you_mean(stack, stack_names(), noun="stack"))
    return stack


def write_stack(name: str, entry: Mapping[str, Any]) -> None:
    """Write a stack's entry into ``config.yaml``, a new one or in the place of the old one.

    Args:
        name: The stack's name.
        entry: Its settings; every component that it names must exist.
    """
    with Workspace.find().changing() as body:
        check_references(entry, {})
        set_entry(body, "stacks", name, entry)


def check_references(entry: Mapping[str, Any], new: Mapping[ComponentKind, Collection[str]]) -> None:
    """Check that the components which a stack names exist.

    Args:
        entry: The stack's settings.
        new: The names of components that are about to be registered, by kind.

    Raises:
        StackError: A component does not exist.
    """
    for kind in ComponentKind:
        component = entry.get(kind.value)
        known_names = (*component_names(kind, Workspace.find()), *new.get(kind, ()))
        if isinstance(component, str) and component not in known_names:
            raise StackError(
                f"There is no {kind.label} {component!r}.",
                f"{did_you_mean(component, known_names, noun=kind.label)} "
                f"To register a new one: zen {kind.cli_name} register {component} FLAVOUR.",
            )


def _entry_of(name: str) -> Mapping[str, Any]:
    return (Workspace.find().config().stacks or {}).get(name) or {}


def _changed(entry: Mapping[str, Any], components: Mapping[str, str | None], production: bool | None) -> dict[str, Any]:
    """A stack's entry with those settings that are not None."""
    settings = {**components, "production": production}
    return {**entry, **{setting: value for setting, value in settings.items() if value is not None}}


def _check_new_name(name: str, hint: str = "Choose another name.") -> None:
    check_name(name, "a stack")
    if name in stack_names():
        raise StackError(f"A stack {name!r} exists already.", hint)


def _refuse_default(name: str, change: str) -> None:
    if existing_name(name) == DEFAULT:
        raise StackError(f"The stack {DEFAULT!r} cannot be {change}.", "Copy it or update it instead.")


__all__ = ["Switch", "check", "copy", "delete", "register", "rename", "update", "use"]
