"""The form of a flavour: its fields and the messages about invalid values come from the flavour's settings model."""

from __future__ import annotations

import enum
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from zenbook.cli.flavour_options import bare_type, pair
from zenbook.errors import StackError, ZenbookError
from zenbook.stack.component_options import names_of
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.secrets import is_reference, resolve_references, secret_fields
from zenbook.stack.workspace import Workspace

_REFERENCE = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})")


def form(kind: ComponentKind, name: str) -> dict[str, Any]:
    """Describe the form of a flavour.

    Args:
        kind: The kind of component.
        name: The flavour's name.

    Returns:
        Its fields, and under ``does`` one sentence about it.
    """
    chosen = flavour(kind, name)
    does = (type(chosen).__doc__ or "").strip().partition("\n")[0]
    return {"does": does, "fields": list(_fields(chosen.settings))}


def _fields(settings: type[BaseModel]) -> Iterator[dict[str, Any]]:
    secret = secret_fields(settings)
    for name, field in settings.model_fields.items():
        yield {
            "name": name,
            "label": name.replace("_", " "),
            "help": field.description or "",
            "required": field.is_required(),
            "default": _default(field),
            "secret": name in secret,
            **_input(bare_type(field.annotation)),
        }


def _input(kind: Any) -> dict[str, Any]:
    if kind is bool:
        return {"input": "switch"}
    if get_origin(kind) is dict or kind is dict:
        return {"input": "pairs"}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"input": "choice", "choices": [str(member.value) for member in kind]}
    if get_origin(kind) is Literal:
        return {"input": "choice", "choices": [str(choice) for choice in get_args(kind)]}
    return {"input": "number" if kind in (int, float) else "text"}


def _default(field: FieldInfo) -> Any:
    """The default as the form shows it; that of a secret is not shown."""
    default = None if field.is_required() else field.get_default()
    if isinstance(default, bool):
        return default
    if default is None or isinstance(default, SecretStr | Mapping):
        return ""
    return str(default.value if isinstance(default, enum.Enum) else default)


def read(chosen: Flavour, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read what was typed into the form.

    Args:
        chosen: The flavour.
        values: The texts by field.

    Returns:
        The options, and the mistakes by field; the key "" stands for all fields together. A reference to a secret that
        is not known yet does not count as a mistake.
    """
    options: dict[str, Any] = {}
    mistakes: dict[str, str] = {}
    for name, field in chosen.settings.model_fields.items():
        value = values.get(name)
        if value is None or value == "":
            continue
        try:
            options[name] = _pairs(value) if _input(bare_type(field.annotation))["input"] == "pairs" else value
        except ZenbookError as error:
            mistakes[name] = f"{error.message} {error.hint}"
    return options, {**_mistakes(chosen, options), **mistakes}


def _pairs(text: str) -> dict[str, Any]:
    return dict(pair(line.strip()) for line in str(text).splitlines() if line.strip())


def _mistakes(chosen: Flavour, options: Mapping[str, Any]) -> dict[str, str]:
    known: dict[str, Any] = {}
    later = set()
    for name, value in options.items():
        try:
            known |= resolve_references({name: value}, name, Workspace.find())
        except StackError:
            known[name] = value
            later.add(name)
    try:
        chosen.settings(**known)
    except ValidationError as error:
        fields = {alias: name for name in chosen.settings.model_fields for alias in names_of(chosen.settings, name)}
        mistakes: dict[str, str] = {}
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            field = fields.get(str(detail["loc"][0]), "") if detail["loc"] else ""
            if field not in later:
                mistakes.setdefault(field, detail["msg"].removeprefix("Value error, "))
        return mistakes
    return {}


def register_line(chosen: Flavour, name: str, options: Mapping[str, Any]) -> str:
    """Write the ``%zen`` line that registers the same component.

    Args:
        chosen: The flavour.
        name: The component's name.
        options: Its options.

    Returns:
        The line. A secret is a reference in it, or has no value.
    """
    secret = secret_fields(chosen.settings)
    words = ["%zen", f"{chosen.kind.cli_name} register", quoted(name), chosen.name]
    for field, value in options.items():
        words += _option(f"--{field.replace('_', '-')}", value, hidden=field in secret)
    return " ".join(words)


def _option(flag: str, value: Any, *, hidden: bool) -> list[str]:
    if isinstance(value, Mapping):
        entries = {key: _entry(key, entry, hidden=hidden) for key, entry in value.items()}
        return [word for key, entry in entries.items() for word in (flag, quoted(f"{key}={entry}"))]
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if hidden and not is_reference(value):
        return [flag]
    return [flag, quoted(str(value))]


def _entry(key: str, value: Any, *, hidden: bool) -> str:
    if hidden and not is_reference(value):
        return f"${{{re.sub('[^A-Za-z0-9_]', '_', key).upper()}}}"
    return value if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """Quote a word for a ``%zen`` line, which fills in ``{names}`` and ``$names`` of the notebook.

    Args:
        text: The word.

    Returns:
        The word as ``%zen`` reads it.
    """
    pieces = _REFERENCE.split(text)
    pieces[::2] = [
        re.sub(r"\$(?=[\w.])", "$$", piece.replace("{", "{{").replace("}", "}}")) for piece in pieces[::2]
    ]  # fmt: skip
    return shlex.quote("".join(pieces))


def secrets_in(chosen: Flavour, options: Mapping[str, Any]) -> Iterator[str]:
    """Find the secrets among options, so that they can be taken out of messages.

    Args:
        chosen: The flavour.
        options: Its options.

    Yields:
        The text of each secret; references to secrets are left out.
    """
    for name in secret_fields(chosen.settings) & options.keys():
        value = options[name]
        for secret in value.values() if isinstance(value, Mapping) else (value,):
            text = secret.get_secret_value() if isinstance(secret, SecretStr) else str(secret)
            if text and not is_reference(text):
                yield text
