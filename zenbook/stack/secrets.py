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
    """The options with the values that they refer to.

    Raises `StackError` for a variable that is not set and for an entry that the keyring doesn't have.
    """
    return {key: _resolve(value, f"{what}, option {key!r}", workspace) for key, value in options.items()}


def _resolve(value: Any, what: str, workspace: Workspace) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolve(one, what, workspace) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith(PREFIX):
        return _from_keyring(value.removeprefix(PREFIX), what, workspace)
    return VARIABLE.sub(lambda found: _from_environment(found[1], what), value)


def _from_environment(variable: str, what: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise StackError(
            f"The variable {variable} is not set; the {what} is to come from it.",
            f"export {variable}=… before the kernel starts, or %env {variable}=… in a cell that you don't keep.",
        ) from None


def _from_keyring(account: str, what: str, workspace: Workspace) -> str:
    from keyring.errors import KeyringError

    try:
        found = _keyring(workspace).get_password(SERVICE, account)
    except KeyringError as error:
        raise StackError(
            f"The keyring does not give the {what}: {error}.", "Unlock it, or register the component again."
        ) from None
    if found is None:
        raise StackError(
            f"The keyring has no entry for the {what}.",
            "Give it again: `zen … update NAME --OPTION` without a value asks for it.",
        )
    return found


def variables_in(value: Any) -> Iterator[str]:
    """The environment variables to which a value refers."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from variables_in(one)
    elif isinstance(value, str):
        yield from VARIABLE.findall(value)


def is_reference(value: Any) -> bool:
    """Whether a value says where a secret is, and is none itself."""
    return isinstance(value, str) and (value.startswith(PREFIX) or _is_variable(value))


def secret_fields(settings: type[BaseModel]) -> frozenset[str]:
    """The settings whose values are secrets."""
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
    """The options with plain secrets put into the keyring, and references to them in their places.

    Raises `StackError` when the keyring takes nothing.
    """
    secret = secret_fields(settings)
    return {
        key: _store(value, f"{account}/{key}", workspace) if key in secret else value for key, value in options.items()
    }


def _store(value: Any, account: str, workspace: Workspace) -> Any:
    if isinstance(value, Mapping):
        return {key: _store(one, f"{account}/{key}", workspace) for key, one in value.items()}
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
            f"The keyring does not take the secret: {error}.",
            "Put it into an environment variable, and give '${VARIABLE}' as the value.",
        ) from None
    return PREFIX + full


def forget_secrets(options: Mapping[str, Any], workspace: Workspace) -> None:
    """Take out of the keyring what these options refer to there; what isn't there any more is no error."""
    from keyring.errors import KeyringError

    for value in options.values():
        if isinstance(value, Mapping):
            forget_secrets(value, workspace)
        elif isinstance(value, str) and value.startswith(PREFIX):
            try:
                _keyring(workspace).delete_password(SERVICE, value.removeprefix(PREFIX))
            except KeyringError:  # nothing there to forget, or nobody to ask: the component goes all the same
                continue


def secret_store_name(workspace: Workspace) -> str:
    """Where secrets of this workspace are kept, in few words: ``the keyring``, or the file that stands for it."""
    from zenbook.stack.secret_file import SecretFile

    chosen = _keyring(workspace)
    return f"{workspace.home.name}/{chosen.file.name}, encrypted" if isinstance(chosen, SecretFile) else "the keyring"


def describe_secret_store(workspace: Workspace) -> str:
    """Where secrets of this workspace are kept, for people."""
    from zenbook.stack.secret_file import SecretFile

    chosen = _keyring(workspace)
    if isinstance(chosen, SecretFile):
        return f"{chosen.file}, encrypted with {chosen.key_file}"
    return f"the keyring of this system ({type(chosen).__module__.rpartition('.')[2]})"


def _keyring(workspace: Workspace) -> KeyringBackend:
    import keyring
    from keyring.backends import fail, null

    from zenbook.stack.secret_file import SecretFile

    chosen = keyring.get_keyring()
    if isinstance(chosen, fail.Keyring | null.Keyring):
        return SecretFile(workspace.home / "secrets.json")
    return chosen


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
