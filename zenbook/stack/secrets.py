"""Secrets: an option's value may be ``${VARIABLE}`` or ``keyring:NAME``, and what is registered never holds more.

The keyring is the system's own; where there is none (a server, a container, Colab) it is a file of the workspace,
encrypted with a key in the user's home (`zenbook.stack.secret_file`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, SecretStr

from zenbook.errors import StackError
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.workspace import Workspace

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "zenbook"
PREFIX = "keyring:"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def resolve_references(options: Mapping[str, Any], what: str, workspace: Workspace) -> dict[str, Any]:
    """Replace references to variables and to the keyring by their values.

    Args:
        options: A component's options.
        what: The component in error messages, as ``metadata store 'team'``.
        workspace: Whose keyring entries are meant.

    Returns:
        The options with their values. A `StackError` says which variable is not set or which entry is missing.
    """
    return {key: _resolve(value, f"{what}, option {key!r}", workspace) for key, value in options.items()}


def _resolve(value: Any, what: str, workspace: Workspace) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolve(item, what, workspace) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith(PREFIX):
        return _from_keyring(value.removeprefix(PREFIX), what, workspace)
    return VARIABLE.sub(lambda match: _from_environment(match[1], what), value)


def _from_environment(variable: str, what: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise StackError(
            f"The variable {variable} is not set, and the {what} refers to it.",
            f"export {variable}=… before the kernel starts, or %env {variable}=… in a cell that you delete afterwards.",
        ) from None


def _from_keyring(account: str, what: str, workspace: Workspace) -> str:
    from keyring.errors import KeyringError

    try:
        secret = _keyring(workspace).get_password(SERVICE, account)
    except KeyringError as error:
        raise StackError(
            f"The keyring could not return the {what}: {error}.", "Unlock it, or register the component again."
        ) from None
    if secret is None:
        raise StackError(
            f"The keyring has no entry for the {what}.",
            "Set it again: `zen … update NAME --OPTION` without a value asks for it.",
        )
    return secret


def variables_in(value: Any) -> Iterator[str]:
    """Find the environment variables to which a value refers.

    Args:
        value: An option's value, or a mapping of such.

    Yields:
        The variables' names.
    """
    if isinstance(value, Mapping):
        for item in value.values():
            yield from variables_in(item)
    elif isinstance(value, str):
        yield from VARIABLE.findall(value)


def is_reference(value: Any) -> bool:
    """Whether a value says where a secret is, instead of being one.

    Args:
        value: An option's value.

    Returns:
        True for ``keyring:NAME`` and ``${VARIABLE}``.
    """
    return isinstance(value, str) and (value.startswith(PREFIX) or _is_variable(value))


def secret_fields(settings: type[BaseModel]) -> frozenset[str]:
    """Find the settings whose values are secrets.

    Args:
        settings: A flavour's settings.

    Returns:
        Their names.
    """
    return frozenset(name for name, field in settings.model_fields.items() if _is_secret(field.annotation))


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def without_secrets(kind: ComponentKind, entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """Leave the secrets out of a component's entry, so that it may be written to a file. References to variables stay.

    Args:
        kind: The kind of component.
        entry: Its flavour and options. Without a flavour, any option may be a secret.

    Returns:
        The entry without secrets, and the path of each option that was left out: its name and, in a mapping, its key.
    """
    name = str(entry.get("flavour") or "")
    secret = secret_fields(flavour(kind, name).settings) if name else frozenset(entry) - {"name", "flavour"}
    public: dict[str, Any] = {}
    left_out: list[tuple[str, ...]] = []
    for option, value in entry.items():
        if option not in secret or _is_variable(value):
            public[option] = value
        elif isinstance(value, Mapping):
            public[option] = {key: text for key, text in value.items() if _is_variable(text)}
            left_out += [(option, key) for key in value if key not in public[option]]
        else:
            left_out.append((option,))
    return public, left_out


def _is_variable(value: Any) -> bool:
    return isinstance(value, str) and VARIABLE.fullmatch(value) is not None


def store_secrets(
    options: Mapping[str, Any], settings: type[BaseModel], account: str, workspace: Workspace
) -> dict[str, Any]:
    """Put the secrets among some options into the keyring.

    Args:
        options: A component's options.
        settings: Its flavour's settings, which say what is secret.
        account: The component in the keyring, as ``metadata_store/team``.
        workspace: Whose component it is.

    Returns:
        The options with references in the place of secrets. A `StackError` says that the keyring accepts none.
    """
    secret = secret_fields(settings)
    return {
        key: _store(value, f"{account}/{key}", workspace) if key in secret else value for key, value in options.items()
    }


def _store(value: Any, account: str, workspace: Workspace) -> Any:
    if isinstance(value, Mapping):
        return {key: _store(item, f"{account}/{key}", workspace) for key, item in value.items()}
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "" or is_reference(value):
        return value
    from keyring.errors import KeyringError

    full = f"{account}@{workspace.home}"
    try:
        _keyring(workspace).set_password(SERVICE, full, str(value))
    except KeyringError as error:
        raise StackError(
            f"The keyring could not store the secret: {error}.",
            "Put it into an environment variable, and use '${VARIABLE}' as the value.",
        ) from None
    return PREFIX + full


def forget_secrets(options: Mapping[str, Any], workspace: Workspace) -> None:
    """Remove the keyring entries to which some options refer; an entry that is gone already is not an error.

    Args:
        options: A component's options.
        workspace: Whose component it was.
    """
    from keyring.errors import KeyringError

    for value in options.values():
        if isinstance(value, Mapping):
            forget_secrets(value, workspace)
        elif isinstance(value, str) and value.startswith(PREFIX):
            try:
                _keyring(workspace).delete_password(SERVICE, value.removeprefix(PREFIX))
            except KeyringError:  # no such entry, or no keyring: the component is deleted all the same
                continue


def secret_store_name(workspace: Workspace) -> str:
    """Name the place where a workspace's secrets are, briefly.

    Args:
        workspace: The workspace.

    Returns:
        ``the keyring``, or the file that is used instead of one.
    """
    from zenbook.stack.secret_file import SecretFile

    backend = _keyring(workspace)
    return f"{workspace.home.name}/{backend.file.name}, encrypted" if isinstance(backend, SecretFile) else "the keyring"


def describe_secret_store(workspace: Workspace) -> str:
    """Describe the place where a workspace's secrets are.

    Args:
        workspace: The workspace.

    Returns:
        One line for people.
    """
    from zenbook.stack.secret_file import SecretFile

    backend = _keyring(workspace)
    if isinstance(backend, SecretFile):
        return f"{backend.file}, encrypted with {backend.key_file}"
    return f"the keyring of this system ({type(backend).__module__.rpartition('.')[2]})"


def _keyring(workspace: Workspace) -> KeyringBackend:
    import keyring
    from keyring.backends import fail, null

    from zenbook.stack.secret_file import SecretFile

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring | null.Keyring):
        return SecretFile(workspace.home / "secrets.json")
    return backend


__all__ = [
    "describe_secret_store",
    "forget_secrets",
    "is_reference",
    "resolve_references",
    "secret_fields",
    "store_secrets",
    "variables_in",
    "without_secrets",
]
