"""What the stack panel in the browser shows of the workspace: its stacks, components and flavours, never a secret."""

from __future__ import annotations

import os
from typing import Any

from zenbook.errors import StackError, ZenbookError
from zenbook.notebook.panels.panel_state import LOOK
from zenbook.stack.component_choice import Choice
from zenbook.stack.component_factory import component_names, entry_of
from zenbook.stack.flavour import ComponentKind, flavours
from zenbook.stack.stack import Stack, active_name, stack_names
from zenbook.stack.workspace import Workspace


def description() -> dict[str, Any]:
    """What stays as it is while the panel is open, and the state."""
    kinds = [{"kind": kind.value, "label": kind.label, "flavours": flavours(kind)} for kind in ComponentKind]
    return {"kinds": kinds, "look": LOOK, "state": state()}


def state() -> dict[str, Any]:
    """The stacks with their components, the active one, and the components that there are."""
    try:
        workspace = Workspace.find()
        return {
            "active": active_name(),
            "stacks": [_stack(name, workspace) for name in stack_names()],
            "components": {kind.value: _components(kind, workspace) for kind in ComponentKind},
        }
    except ZenbookError as error:
        return error_message(error)


def error_message(error: ZenbookError) -> dict[str, Any]:
    """Describe an error for the panel.

    Args:
        error: The error.

    Returns:
        Its message and its hint.
    """
    return {"error": error.message, "hint": error.hint}


def signature() -> tuple[Any, ...]:
    """All that the state depends on: when it changes, the state must be sent again."""
    file = Workspace.find().config_file
    variables = sorted((name, value) for name, value in os.environ.items() if name.startswith("ZENBOOK_STACK"))
    try:
        facts = file.stat()
    except OSError:
        return (file, variables)
    return (file, facts.st_mtime_ns, facts.st_ino, facts.st_size, variables)


def _stack(name: str, workspace: Workspace) -> dict[str, Any]:
    stack = Stack(name=name)
    components = [
        {"name": str(stack.choice(kind)), "flavour": _flavour(kind, stack, workspace)} for kind in ComponentKind
    ]
    return {"name": name, "production": stack.production, "components": components}


def _components(kind: ComponentKind, workspace: Workspace) -> list[dict[str, str]]:
    names = component_names(kind, workspace)
    return [{"name": name, "flavour": _registered_flavour(kind, name, workspace)} for name in names]


def _flavour(kind: ComponentKind, stack: Stack, workspace: Workspace) -> str:
    choice: Choice = stack.choice(kind)
    return choice.flavour or _registered_flavour(kind, choice.name, workspace)


def _registered_flavour(kind: ComponentKind, name: str, workspace: Workspace) -> str:
    try:
        return str(entry_of(kind, name, workspace).get("flavour", ""))
    except StackError:  # the stack names a component that is gone: its check says so
        return "not registered"
