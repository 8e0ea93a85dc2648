"""The form of a flavour: its fields are the settings model's, and so is what is said of a value that can't be."""

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
    """A flavour's fields and what it is. Raises `StackError` for one that is not installed."""
    chosen = flavour(kind, name)
    does = (type(chosen).__doc__ or "").strip().partition("\n")[0]
    return {"does": does, "fields": list(_fields(chosen.settings))}


def _fields(settings: type[BaseModel]) -> Iterator[dict[str, Any]]:
    secret = secret_fields(settings)
    for name, one in settings.model_fields.items():
        yield {
            "name": name,
            "label": name.replace("_", " "),
            "help": one.description or "",
            "required": one.is_required(),
            "default": _default(one),
            "secret": name in secret,
            **_input(bare_type(one.annotation)),
        }


def _input(kind: Any) -> dict[str, Any]:
    if kind is bool:
        return {"input": "switch"}
    if get_origin(kind) is dict or kind is dict:
        return {"input": "pairs"}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"input": "choice", "choices": [str(one.value) for one in kind]}
    if get_origin(kind) is Literal:
        return {"input": "choice", "choices": [str(one) for one in get_args(kind)]}
    return {"input": "number" if kind in (int, float) else "text"}


def _default(field: FieldInfo) -> Any:
    """As the form shows it; a secret's is not shown."""
    default = None if field.is_required() else field.get_default()
    if isinstance(default, bool):
        return default
    if default is None or isinstance(default, SecretStr | Mapping):
        return ""
    return str(default.value if isinstance(default, enum.Enum) else default)


def read(chosen: Flavour, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What was typed, as a registry takes it, and what is wrong with it, by field; "" is all of them together.

    What says where a secret is, and is not known yet, is no mistake.
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
    return options, {**_complaints(chosen, options), **mistakes}


def _pairs(text: str) -> dict[str, Any]:
    return dict(pair(line.strip()) for line in str(text).splitlines() if line.strip())


def _complaints(chosen: Flavour, options: Mapping[str, Any]) -> dict[str, str]:
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
        found: dict[str, str] = {}
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            where = fields.get(str(one["loc"][0]), "") if one["loc"] else ""
            if where not in later:
                found.setdefault(where, one["msg"].removeprefix("Value error, "))
        return found
    return {}


def register_line(chosen: Flavour, name: str, options: Mapping[str, Any]) -> str:
    """The line that registers the same; a secret is a reference in it, or has no value."""
    secret = secret_fields(chosen.settings)
    words = ["%zen", f"{chosen.kind.cli_name} register", quoted(name), chosen.name]
    for field, value in options.items():
        words += _option(f"--{field.replace('_', '-')}", value, hidden=field in secret)
    return " ".join(words)


def _option(flag: str, value: Any, *, hidden: bool) -> list[str]:
    if isinstance(value, Mapping):
        entries = {key: _entry(key, one, hidden=hidden) for key, one in value.items()}
        return [word for key, one in entries.items() for word in (flag, quoted(f"{key}={one}"))]
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
    """A word as ``%zen`` reads it, which fills in ``{names}`` and ``$names`` of the notebook."""
    pieces = _REFERENCE.split(text)
    pieces[::2] = [
        re.sub(r"\$(?=[\w.])", "$$", one.replace("{", "{{").replace("}", "}}")) for one in pieces[::2]
    ]  # fmt: skip
    return shlex.quote("".join(pieces))


def secrets_in(chosen: Flavour, options: Mapping[str, Any]) -> Iterator[str]:
    """The secrets among options, so that they can be looked for in what is said."""
    for name in secret_fields(chosen.settings) & options.keys():
        value = options[name]
        for one in value.values() if isinstance(value, Mapping) else (value,):
            text = one.get_secret_value() if isinstance(one, SecretStr) else str(one)
            if text and not is_reference(text):
                yield text
