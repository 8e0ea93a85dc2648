"""Check a component's name and options before they are written, without ever showing a value.

References to variables that are not set here are accepted: they may be set later, or on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError

from zenbook.errors import StackError
from zenbook.stack.component_choice import first_mistake
from zenbook.stack.component_factory import validated_settings
from zenbook.stack.flavour import Flavour
from zenbook.stack.secrets import is_reference, resolve_references, secret_fields
from zenbook.stack.workspace import Workspace

NAME = re.compile(r"[^\W_][\w.\-]{0,63}")


def check_name(name: str, what: str) -> None:
    """Refuse a name that a file, a URL or a shell could not take.

    Args:
        name: The name.
        what: What it would name, with its article, as ``a stack``.

    Raises:
        StackError: The name is not valid.
    """
    if not NAME.fullmatch(name):
        raise StackError(
            f"{name!r} is not a valid name for {what}.",
            "Use letters, digits, '-', '_' and '.', at most 64, with a letter or digit first.",
        )


def checked_options(
    component_flavour: Flavour, options: Mapping[str, Any], what: str, workspace: Workspace
) -> dict[str, Any]:
    """Check a component's options.

    Args:
        component_flavour: The component's flavour.
        options: The options by any of their names.
        what: The component in error messages, as ``metadata store 'team'``.
        workspace: Where references to the keyring are resolved.

    Returns:
        The options by the names of the settings, as ``config.yaml`` can hold them; secrets are still among them.
    """
    options = _without_password_in_url(component_flavour, by_setting_names(component_flavour, options), what)
    try:
        settings = validated_settings(component_flavour, resolve_references(options, what, workspace), what)
    except StackError:
        _check_without_references(component_flavour, options, what)
        return {key: _to_yaml_value(value) for key, value in options.items()}
    parsed = {key: getattr(settings, key, None) for key, value in options.items() if not _has_reference(value)}
    return {
        key: parsed[key] if type(parsed.get(key)) in (bool, int, float) else _to_yaml_value(value)
        for key, value in options.items()
    }


def by_setting_names(component_flavour: Flavour, options: Mapping[str, Any]) -> dict[str, Any]:
    """Rename options to the names of the flavour's settings.

    Args:
        component_flavour: The flavour.
        options: The options by any of their names, with dashes or underscores.

    Returns:
        The options by the settings' own names.
    """
    settings = component_flavour.settings
    names = {alias: name for name in settings.model_fields for alias in names_of(settings, name)}
    return {names.get(key.replace("-", "_"), key.replace("-", "_")): value for key, value in options.items()}


def names_of(settings: type[BaseModel], field: str) -> tuple[str, ...]:
    """List all names of a setting.

    Args:
        settings: A flavour's settings.
        field: The setting's own name.

    Returns:
        Its own name, then its aliases.
    """
    alias = settings.model_fields[field].validation_alias
    choices = getattr(alias, "choices", [alias] if alias else [])
    return tuple(dict.fromkeys([field, *(choice for choice in choices if isinstance(choice, str))]))


def password_in(url: str) -> str | None:
    """Find the password in a URL.

    Args:
        url: Any text.

    Returns:
        The password as the URL spells it; None if there is none.
    """
    try:
        return urlsplit(url).password if "://" in url else None
    except ValueError:  # not a URL
        return None


def _without_password_in_url(component_flavour: Flavour, options: dict[str, Any], what: str) -> dict[str, Any]:
    """The options with the password of a URL moved to the option `password`: ``config.yaml`` shows URLs."""
    result = dict(options)
    secret = secret_fields(component_flavour.settings)
    for key, value in options.items():
        if key in secret or not isinstance(value, str) or "://" not in value:
            continue
        password = password_in(value)
        if not password or is_reference(password):
            continue
        if "password" not in secret:
            raise StackError(
                f"The option {key!r} of the {what} contains a password.",
                "Pass it with the flavour's secret option instead.",
            )
        parts = urlsplit(value)
        user, _, host = parts.netloc.rpartition("@")
        result[key] = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
        result.setdefault("password", SecretStr(unquote(password)))
    return result


def _check_without_references(component_flavour: Flavour, options: Mapping[str, Any], what: str) -> None:
    """Report what is wrong apart from references whose variables may be set only later, or elsewhere."""
    references = {key for key, value in options.items() if _has_reference(value)}
    try:
        component_flavour.settings(**options)
    except ValidationError as error:
        locations = [mistake["loc"] for mistake in error.errors(include_input=False)]
        if all(location and str(location[0]) in references for location in locations):
            return
        if not references:
            validated_settings(component_flavour, options, what)
        option, reason, _ = first_mistake(error)
        raise StackError(f"Invalid option {option!r} for the {what}: {reason}.") from None


def _has_reference(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_reference, value.values()))
    return isinstance(value, str) and ("${" in value or is_reference(value))


def _to_yaml_value(value: Any) -> Any:
    """As YAML holds it; a secret stays what it is until it is stored elsewhere."""
    if isinstance(value, Mapping):
        return {str(key): _to_yaml_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_yaml_value(item) for item in value]
    return value if isinstance(value, bool | int | float | str | SecretStr | None) else str(value)
