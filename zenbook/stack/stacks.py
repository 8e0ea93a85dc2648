"""Registered stacks: what ``zenbook.stacks.register(…)`` and the verbs ``zen stack …`` do."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.checks import TIME_LIMIT, Checked
from zenbook.stack.checks import check as checked
from zenbook.stack.component_factory import component_names
from zenbook.stack.component_registry import check_name
from zenbook.stack.config_file import set_entry
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.stack import DEFAULT, Stack, active_name, stack_names
from zenbook.stack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Switch:
    """A change from one stack to another, with what the checks of the new one said (none if they were left out)."""

    old: Stack
    new: Stack
    checks: tuple[Checked, ...] = ()


def use(name: str, *, check: bool = True, time_limit: float = TIME_LIMIT) -> Switch:
    """Switch to a stack, for this workspace and from now on.

    Its components are checked first, for ``time_limit`` seconds each. Raises `StackError` when one fails, and leaves
    the active stack as it was.
    """
    forced = os.environ.get("ZENBOOK_STACK")
    if forced and forced != name:
        raise StackError(
            f"The variable ZENBOOK_STACK says {forced!r}, which wins over `zen stack use`.", "Unset it first."
        )
    old, new = Stack(name=active_name()), Stack.named(name)
    checks = passed(new, time_limit) if check else ()
    with Workspace.find().changing() as body:
        body["active"] = name
    return Switch(old, new, checks)


def check(name: str | None = None, *, time_limit: float = TIME_LIMIT) -> tuple[Checked, ...]:
    """See whether a stack's components (the active one's without a name) can be reached, read and written.

    Each has ``time_limit`` seconds. Raises `StackError` when there is no stack of that name.
    """
    return checked(Stack.named(name), time_limit)


def passed(
    stack: Stack, time_limit: float = TIME_LIMIT, kinds: Iterable[ComponentKind] = ComponentKind
) -> tuple[Checked, ...]:
    """The checks of a stack's components, all passed. Raises `StackError` that tells of those that failed."""
    checks = checked(stack, time_limit, kinds)
    failed = [one for one in checks if not one.ok]
    if not failed:
        return checks
    told = " ".join(f"{one.kind.label} {one.name!r}: {one.told}" for one in failed)
    hints = dict.fromkeys(one.hint for one in failed if one.hint)
    raise StackError(
        f"Nothing was switched, since the stack {stack.name!r} failed its check. {told}",
        "\n".join([*hints, "To switch all the same: --no-check."]),
    )


def register(
    name: str,
    *,
    artifact_store: str | None = None,
    metadata_store: str | None = None,
    orchestrator: str | None = None,
    production: bool = False,
) -> Stack:
    """Register a stack of registered components; those that are left out are the local ones.

    Raises `StackError` for a name that is taken and for a component that there is not.
    """
    check_name(name, "a stack")
    if name in stack_names():
        raise StackError(
            f"There is a stack {name!r} already.", f"Choose another name, or change it: zen stack update {name} …"
        )
    components = {"artifact_store": artifact_store, "metadata_store": metadata_store, "orchestrator": orchestrator}
    put(name, _changed({}, components, production or None))
    return Stack(name=name)


def update(
    name: str | None = None,
    *,
    artifact_store: str | None = None,
    metadata_store: str | None = None,
    orchestrator: str | None = None,
    production: bool | None = None,
) -> Stack:
    """Give a stack (the active one without a name) other components. Raises `StackError`."""
    name = known(name)
    components = {"artifact_store": artifact_store, "metadata_store": metadata_store, "orchestrator": orchestrator}
    put(name, _changed(_registered(name), components, production))
    return Stack(name=name)


def copy(source: str, target: str) -> Stack:
    """Register a stack like another one. Raises `StackError`."""
    _free(target)
    put(target, dict(_registered(known(source))))
    return Stack(name=target)


def rename(old: str, new: str) -> Stack:
    """Give a stack another name; if it is the active one, it stays that. Raises `StackError`."""
    _changeable(old, "renamed")
    _free(new)
    with Workspace.find().changing() as body:
        body["stacks"] = {new if name == old else name: entry for name, entry in body["stacks"].items()}
        if body.get("active") == old:
            body["active"] = new
    return Stack(name=new)


def delete(name: str) -> Stack:
    """Take a stack out; its components stay. Raises `StackError` for the active one and for ``default``."""
    _changeable(name, "deleted")
    if name == active_name():
        raise StackError(f"The stack {name!r} is the active one.", "Switch to another first: zen stack use default.")
    gone = Stack(name=name)
    with Workspace.find().changing() as body:
        body["stacks"].pop(name, None)
    return gone


def put_into_active(kind: ComponentKind, component: str) -> Switch:
    """Let the active stack use another component of a kind. Raises `StackError`."""
    name = known(None)
    old = Stack(name=name)
    put(name, {**_registered(name), kind.value: component})
    return Switch(old, Stack(name=name))


def known(name: str | None) -> str:
    """A stack's name, the active one's without one. Raises `StackError` when there is none of that name."""
    found = name or active_name()
    if found not in stack_names():
        raise StackError(f"There is no stack {found!r}.", did_you_mean(found, stack_names(), noun="stack"))
    return found


def _registered(name: str) -> Mapping[str, Any]:
    return (Workspace.find().config().stacks or {}).get(name) or {}


def _changed(entry: Mapping[str, Any], components: Mapping[str, str | None], production: bool | None) -> dict[str, Any]:
    """A stack's entry with those settings that are not None."""
    settings = {**components, "production": production}
    return {**entry, **{setting: value for setting, value in settings.items() if value is not None}}


def put(name: str, entry: Mapping[str, Any]) -> None:
    """Write a stack's entry, a new one or in the place of an old one.

    Raises `StackError` for a component that there is not: no reference dangles.
    """
    with Workspace.find().changing() as body:
        check_references(entry, {})
        set_entry(body, "stacks", name, entry)


def check_references(entry: Mapping[str, Any], new: Mapping[ComponentKind, Collection[str]]) -> None:
    """Raise `StackError` for a stack's component that neither is there nor among those that are about to be."""
    for kind in ComponentKind:
        component = entry.get(kind.value)
        known_names = (*component_names(kind, Workspace.find()), *new.get(kind, ()))
        if isinstance(component, str) and component not in known_names:
            raise StackError(
                f"There is no {kind.label} {component!r}.",
                f"{did_you_mean(component, known_names, noun=kind.label)} "
                f"A new one: zen {kind.cli_name} register {component} FLAVOUR.",
            )


def _free(name: str) -> None:
    check_name(name, "a stack")
    if name in stack_names():
        raise StackError(f"There is a stack {name!r} already.", "Choose another name.")


def _changeable(name: str, what: str) -> None:
    if known(name) == DEFAULT:
        raise StackError(f"The stack {DEFAULT!r} can't be {what}.", "It is there always; copy or update it.")


__all__ = ["Switch", "check", "copy", "delete", "register", "rename", "update", "use"]
