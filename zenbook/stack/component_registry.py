"""Registered components: what ``zenbook.components.register(…)`` and the verbs ``zen metadata-store register …`` do.

Options are checked against the flavour's settings before anything is written, and secrets go to the keyring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.component_choice import Choice, first_mistake
from zenbook.stack.component_factory import BUILT_IN, component_names, entry_of, settings_of
from zenbook.stack.config_file import set_entry
from zenbook.stack.flavour import ComponentKind, Flavour, flavour, flavours
from zenbook.stack.secrets import forget, hidden, is_reference, revealed, secret_fields
from zenbook.stack.workspace import Workspace

NAME = re.compile(r"[^\W_][\w.\-]{0,63}")


@dataclass(frozen=True, slots=True)
class Registered:
    """A component as it is registered; secrets among its options are references, never values."""

    kind: ComponentKind
    name: str
    flavour: str
    options: Mapping[str, Any]
    used_by: tuple[str, ...] = ()  # the stacks that name it

    @property
    def built_in(self) -> bool:
        """Whether it is there without registering."""
        return BUILT_IN.get((self.kind, self.name)) == self.flavour and not self.options


def register(
    kind: ComponentKind | str, name: str, flavour_name: str, options: Mapping[str, Any] | None = None, **more: Any
) -> Registered:
    """Register a component; options as a mapping or by name.

    Raises `StackError` for a name that is taken, a flavour or an option that there is not, or a value that can't be.
    """
    kind = as_kind(kind)
    workspace = Workspace.find()
    check_name(name, kind.label_with_article)
    if name in component_names(kind, workspace):
        raise StackError(
            f"There is {kind.label_with_article} {name!r} already.",
            f"Choose another name, or change it: zen {kind.cli_name} update {name} --OPTION VALUE.",
        )
    chosen = flavour(kind, flavour_name)
    given = checked_options(chosen, {**(options or {}), **more}, f"{kind.label} {name!r}", workspace)
    return write(chosen, name, given, workspace)


def update(kind: ComponentKind | str, name: str, options: Mapping[str, Any] | None = None, **more: Any) -> Registered:
    """Change options of a component; ``None`` takes an option back to its default. Raises `StackError`."""
    kind = as_kind(kind)
    workspace = Workspace.find()
    entry = dict(entry_of(kind, name, workspace))
    chosen = flavour(kind, str(entry.pop("flavour")))
    changed = {**entry, **_spelt(chosen, {**(options or {}), **more})}
    kept = {key: value for key, value in changed.items() if value is not None}
    given = checked_options(chosen, kept, f"{kind.label} {name!r}", workspace)
    return replace(chosen, name, given, workspace)


def delete(kind: ComponentKind | str, name: str) -> Registered:
    """Take a component out. Raises `StackError` that names the stacks which use it, if any do."""
    kind = as_kind(kind)
    workspace = Workspace.find()
    found = component(kind, name)
    if found.built_in:
        raise StackError(f"The {kind.label} {name!r} is built in and always there.", "Nothing needs to be done.")
    with workspace.changing() as body:
        users = users_of(kind, name, body.get("stacks") or {}, str(body.get("active") or "default"))
        if users:
            raise StackError(
                f"The {kind.label} {name!r} is used by {_stacks(users)}.",
                f"Give them another first: zen stack update {users[0]} --{kind.cli_name} OTHER.",
            )
        (body.get(kind.config_key) or {}).pop(name, None)
    forget(found.options, workspace)
    return found


def component(kind: ComponentKind | str, name: str) -> Registered:
    """One component. Raises `StackError` when there is none of that name."""
    kind = as_kind(kind)
    workspace = Workspace.find()
    entry = dict(entry_of(kind, name, workspace))
    config = workspace.config()
    users = users_of(kind, name, config.stacks or {}, config.active)
    return Registered(kind, name, str(entry.pop("flavour", "")), entry, users)


def chosen(kind: ComponentKind, choice: Choice) -> Registered:
    """The component that a stack has chosen, registered or described in place. Raises `StackError`."""
    if choice.flavour:
        return Registered(kind, choice.name, choice.flavour, choice.options)
    return component(kind, choice.name)


def components(kind: ComponentKind | str) -> tuple[Registered, ...]:
    """All components of a kind, those that are built in first."""
    kind = as_kind(kind)
    return tuple(component(kind, name) for name in component_names(kind, Workspace.find()))


def as_kind(kind: ComponentKind | str) -> ComponentKind:
    """A kind by its name, with dashes, underscores or spaces. Raises `StackError`."""
    try:
        return ComponentKind(str(kind).replace("-", "_").replace(" ", "_"))
    except ValueError:
        known = [each.cli_name for each in ComponentKind]
        raise StackError(
            f"There is no kind of component {str(kind)!r}.", did_you_mean(str(kind), known, noun="kind")
        ) from None


def check_name(name: str, what: str) -> None:
    """Raise `StackError` for a name that a file, a URL or a shell would stumble over."""
    if not NAME.fullmatch(name):
        raise StackError(
            f"{name!r} can't be the name of {what}.",
            "Use letters, digits, '-', '_' and '.', at most 64, with a letter or digit first.",
        )


def checked_options(chosen: Flavour, options: Mapping[str, Any], what: str, workspace: Workspace) -> dict[str, Any]:
    """The options by the names of the settings, as ``config.yaml`` can hold them. Raises `StackError`."""
    given = _without_password_in_url(chosen, _spelt(chosen, options), what)
    try:
        settings = settings_of(chosen, revealed(given, what, workspace), what)
    except StackError:
        _check_without_references(chosen, given, what)
        return {key: _plain(value) for key, value in given.items()}
    numbers = {key: getattr(settings, key, None) for key, value in given.items() if not _refers(value)}
    return {
        key: numbers[key] if type(numbers.get(key)) in (bool, int, float) else _plain(value)
        for key, value in given.items()
    }


def write(chosen: Flavour, name: str, given: Mapping[str, Any], workspace: Workspace) -> Registered:
    """Put a component's checked options into ``config.yaml``, and its secrets into the keyring."""
    kept = hidden(given, chosen.settings, f"{chosen.kind.value}/{name}", workspace)
    with workspace.changing() as body:
        set_entry(body, chosen.kind.config_key, name, {"flavour": chosen.name, **kept})
    return component(chosen.kind, name)


def replace(chosen: Flavour, name: str, given: Mapping[str, Any], workspace: Workspace) -> Registered:
    """Write a component's checked options in the place of those that it has."""
    before = component(chosen.kind, name).options
    made = write(chosen, name, given, workspace)
    forget({key: value for key, value in before.items() if made.options.get(key) != value}, workspace)
    return made


def users_of(kind: ComponentKind, name: str, stacks: Mapping[str, Any], active: str) -> tuple[str, ...]:
    """The stacks that name a component, the active one first."""
    users = [stack for stack, entry in stacks.items() if _named(entry.get(kind.value)) == name]
    return tuple(sorted(users, key=lambda one: (one != active, one)))


def flavour_of_url(kind: ComponentKind, url: str) -> str | None:
    """The flavour that a URL's scheme means, None for what is no URL. Raises `StackError` for an unknown scheme."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return None
    known: dict[str, str] = {}
    for name in flavours(kind):
        try:
            known.update(dict.fromkeys(flavour(kind, name).schemes, name))
        except StackError:  # somebody else's flavour that can't be imported: the others are still there
            continue
    found = known.get(scheme.casefold())
    if found is None and "filesystem" in flavours(kind):
        return "filesystem"  # which knows all schemes that fsspec knows, and what to install for them
    if found is None:
        raise StackError(f"No {kind.label} has URLs with {scheme}://.", did_you_mean(scheme, known, noun="scheme"))
    return found


def _named(choice: Any) -> str:
    return str(choice.get("name", "")) if isinstance(choice, Mapping) else str(choice or "")


def _stacks(names: tuple[str, ...]) -> str:
    return f"the stack{'s' * (len(names) > 1)} {', '.join(names)}"


def _spelt(chosen: Flavour, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by the names of the settings, whichever of its names was used for one."""
    spelt = {alias: name for name in chosen.settings.model_fields for alias in names_of(chosen.settings, name)}
    return {spelt.get(key.replace("-", "_"), key.replace("-", "_")): value for key, value in options.items()}


def names_of(settings: type[BaseModel], field: str) -> tuple[str, ...]:
    """All names of a setting, its own first."""
    alias = settings.model_fields[field].validation_alias
    choices = getattr(alias, "choices", [alias] if alias else [])
    return tuple(dict.fromkeys([field, *(one for one in choices if isinstance(one, str))]))


def _without_password_in_url(chosen: Flavour, options: dict[str, Any], what: str) -> dict[str, Any]:
    """Take a password out of a URL: ``config.yaml`` shows URLs. Raises `StackError` where there is no other place."""
    found = dict(options)
    secret = secret_fields(chosen.settings)
    for key, value in options.items():
        if key in secret or not isinstance(value, str) or "://" not in value:
            continue
        password = password_in(value)
        if not password or is_reference(password):
            continue
        if "password" not in secret:
            raise StackError(
                f"The {what} has a password in its {key}.", "Give it where the flavour has a secret for it."
            )
        parts = urlsplit(value)
        user, _, place = parts.netloc.rpartition("@")
        found[key] = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{place}"))
        found.setdefault("password", SecretStr(unquote(password)))
    return found


def password_in(url: str) -> str | None:
    """The password as a URL spells it; None where there is none."""
    try:
        return urlsplit(url).password if "://" in url else None
    except ValueError:  # no URL at all
        return None


def _check_without_references(chosen: Flavour, given: Mapping[str, Any], what: str) -> None:
    """Complain of what is wrong apart from references whose variables may be set only later, or elsewhere."""
    later = {key for key, value in given.items() if _refers(value)}
    try:
        chosen.settings(**given)
    except ValidationError as error:
        where = {str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]} - later
        if not where and not any(not one["loc"] for one in error.errors(include_input=False)):
            return
        if not later:
            settings_of(chosen, given, what)
        place, told, _ = first_mistake(error)
        raise StackError(f"The {what} has an option that can't be: {place}: {told}.") from None


def _refers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_refers, value.values()))
    return isinstance(value, str) and ("${" in value or is_reference(value))


def _plain(value: Any) -> Any:
    """As YAML holds it; a secret stays what it is until it is hidden."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str | SecretStr | None) else str(value)


__all__ = ["Registered", "component", "components", "delete", "register", "update"]
