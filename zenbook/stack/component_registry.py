"""Registered components: what ``zenbook.components.register(…)`` and the verbs ``zen metadata-store register …`` do.

Options are checked against the flavour's settings before anything is written, and secrets go to the keyring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.component_choice import Choice
from zenbook.stack.component_factory import BUILT_IN, component_names, entry_of
from zenbook.stack.component_options import by_setting_names, check_name, checked_options
from zenbook.stack.config_file import set_entry
from zenbook.stack.flavour import ComponentKind, Flavour, flavour, flavours
from zenbook.stack.secrets import forget_secrets, store_secrets
from zenbook.stack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RegisteredComponent:
    """A component as it is registered; secrets among its options are references, never values."""

    kind: ComponentKind
    name: str
    flavour: str
    options: Mapping[str, Any]
    used_by: tuple[str, ...] = ()  # the stacks that name it

    @property
    def built_in(self) -> bool:
        """Whether it is available without registering."""
        return BUILT_IN.get((self.kind, self.name)) == self.flavour and not self.options


def register(
    kind: ComponentKind | str, name: str, flavour_name: str, options: Mapping[str, Any] | None = None, **more: Any
) -> RegisteredComponent:
    """Register a component.

    Args:
        kind: Its kind, as ``"metadata_store"`` or ``"metadata-store"``.
        name: A new name.
        flavour_name: Its flavour, as ``"mysql"``.
        options: The flavour's options; a secret may be ``"${VARIABLE}"``.
        **more: Further options by name.

    Returns:
        The registered component.

    Raises:
        StackError: The name is taken, or the flavour or an option is not known or not valid.
    """
    kind = as_kind(kind)
    workspace = Workspace.find()
    check_name(name, kind.label_with_article)
    if name in component_names(kind, workspace):
        raise StackError(
            f"{kind.label_with_article.capitalize()} {name!r} exists already.",
            f"Choose another name, or change it: zen {kind.cli_name} update {name} --OPTION VALUE.",
        )
    component_flavour = flavour(kind, flavour_name)
    checked = checked_options(component_flavour, {**(options or {}), **more}, f"{kind.label} {name!r}", workspace)
    return write_component(component_flavour, name, checked, workspace)


def update(
    kind: ComponentKind | str, name: str, options: Mapping[str, Any] | None = None, **more: Any
) -> RegisteredComponent:
    """Change options of a component.

    Args:
        kind: Its kind.
        name: Its name.
        options: The options that change; None sets one back to its default.
        **more: Further options by name.

    Returns:
        The component as it is now.
    """
    kind = as_kind(kind)
    workspace = Workspace.find()
    entry = dict(entry_of(kind, name, workspace))
    component_flavour = flavour(kind, str(entry.pop("flavour")))
    changed = {**entry, **by_setting_names(component_flavour, {**(options or {}), **more})}
    remaining = {key: value for key, value in changed.items() if value is not None}
    checked = checked_options(component_flavour, remaining, f"{kind.label} {name!r}", workspace)
    return replace_component(component_flavour, name, checked, workspace)


def delete(kind: ComponentKind | str, name: str) -> RegisteredComponent:
    """Delete a component that no stack uses.

    Args:
        kind: Its kind.
        name: Its name.

    Returns:
        The component as it was.

    Raises:
        StackError: It is built in, or stacks use it; the message names them.
    """
    kind = as_kind(kind)
    workspace = Workspace.find()
    deleted = component(kind, name)
    if deleted.built_in:
        raise StackError(f"The {kind.label} {name!r} is built in and cannot be deleted.", "Nothing needs to be done.")
    with workspace.changing() as body:
        users = users_of(kind, name, body.get("stacks") or {}, str(body.get("active") or "default"))
        if users:
            raise StackError(
                f"The {kind.label} {name!r} is used by the stack{'s' * (len(users) > 1)} {', '.join(users)}.",
                f"Choose another one there first: zen stack update {users[0]} --{kind.cli_name} OTHER.",
            )
        (body.get(kind.config_key) or {}).pop(name, None)
    forget_secrets(deleted.options, workspace)
    return deleted


def component(kind: ComponentKind | str, name: str) -> RegisteredComponent:
    """Look up one component.

    Args:
        kind: Its kind.
        name: Its name.

    Returns:
        The registered component.
    """
    kind = as_kind(kind)
    workspace = Workspace.find()
    entry = dict(entry_of(kind, name, workspace))
    config = workspace.config()
    users = users_of(kind, name, config.stacks or {}, config.active)
    return RegisteredComponent(kind, name, str(entry.pop("flavour", "")), entry, users)


def chosen_component(kind: ComponentKind, choice: Choice) -> RegisteredComponent:
    """Look up the component that a stack has chosen, registered or described in place.

    Args:
        kind: Its kind.
        choice: The stack's choice.

    Returns:
        The component.
    """
    if choice.flavour:
        return RegisteredComponent(kind, choice.name, choice.flavour, choice.options)
    return component(kind, choice.name)


def components(kind: ComponentKind | str) -> tuple[RegisteredComponent, ...]:
    """List all components of a kind.

    Args:
        kind: The kind.

    Returns:
        The components, those that are built in first.
    """
    kind = as_kind(kind)
    return tuple(component(kind, name) for name in component_names(kind, Workspace.find()))


def as_kind(kind: ComponentKind | str) -> ComponentKind:
    """Find a kind by its name.

    Args:
        kind: The name, with dashes, underscores or spaces.

    Returns:
        The kind.

    Raises:
        StackError: No kind has that name.
    """
    try:
        return ComponentKind(str(kind).replace("-", "_").replace(" ", "_"))
    except ValueError:
        known = [known_kind.cli_name for known_kind in ComponentKind]
        raise StackError(
            f"Unknown kind of component {str(kind)!r}.", did_you_mean(str(kind), known, noun="kind")
        ) from None


def write_component(
    component_flavour: Flavour, name: str, options: Mapping[str, Any], workspace: Workspace
) -> RegisteredComponent:
    """Put a component into ``config.yaml``, and its secrets into the keyring.

    Args:
        component_flavour: Its flavour.
        name: Its name.
        options: Its options, as `checked_options` returns them.
        workspace: Where to register it.

    Returns:
        The registered component.
    """
    kind = component_flavour.kind
    public = store_secrets(options, component_flavour.settings, f"{kind.value}/{name}", workspace)
    with workspace.changing() as body:
        set_entry(body, kind.config_key, name, {"flavour": component_flavour.name, **public})
    return component(kind, name)


def replace_component(
    component_flavour: Flavour, name: str, options: Mapping[str, Any], workspace: Workspace
) -> RegisteredComponent:
    """Write a component's options in the place of those that it has, and forget secrets that it no longer uses.

    Args:
        component_flavour: Its flavour.
        name: Its name.
        options: Its options, as `checked_options` returns them.
        workspace: Where it is registered.

    Returns:
        The component as it is now.
    """
    before = component(component_flavour.kind, name).options
    written = write_component(component_flavour, name, options, workspace)
    forget_secrets({key: value for key, value in before.items() if written.options.get(key) != value}, workspace)
    return written


def users_of(kind: ComponentKind, name: str, stacks: Mapping[str, Any], active: str) -> tuple[str, ...]:
    """Find the stacks that use a component.

    Args:
        kind: The component's kind.
        name: The component's name.
        stacks: The stacks' entries by name.
        active: The name of the active stack.

    Returns:
        Their names, the active stack first.
    """
    users = [stack for stack, entry in stacks.items() if _component_name(entry.get(kind.value)) == name]
    return tuple(sorted(users, key=lambda stack: (stack != active, stack)))


def flavour_of_url(kind: ComponentKind, url: str) -> str | None:
    """Find the flavour that the scheme of a URL means.

    Args:
        kind: The kind of component.
        url: Any text.

    Returns:
        The flavour's name; None if the text is not a URL.

    Raises:
        StackError: No flavour has URLs of that scheme.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return None
    by_scheme: dict[str, str] = {}
    for name in flavours(kind):
        try:
            by_scheme.update(dict.fromkeys(flavour(kind, name).schemes, name))
        except StackError:  # a flavour from outside that cannot be imported: the others still can
            continue
    name_of_scheme = by_scheme.get(scheme.casefold())
    if name_of_scheme is None and "filesystem" in flavours(kind):
        return "filesystem"  # which knows all schemes that fsspec knows, and what to install for them
    if name_of_scheme is None:
        raise StackError(
            f"No {kind.label} has URLs that start with {scheme}://.", did_you_mean(scheme, by_scheme, noun="scheme")
        )
    return name_of_scheme


def _component_name(choice: Any) -> str:
    return str(choice.get("name", "")) if isinstance(choice, Mapping) else str(choice or "")


__all__ = ["RegisteredComponent", "component", "components", "delete", "register", "update"]
