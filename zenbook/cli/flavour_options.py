"""Options of a verb made from a flavour's settings model: names, types, help and defaults are the model's."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zenbook.cli.tree import Notebook, usage
from zenbook.errors import StackError, ZenbookError
from zenbook.stack.component_options import names_of, password_in
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.secrets import is_reference, secret_fields, secret_store_name
from zenbook.stack.workspace import Workspace

_CHOSEN = "zenbook.flavour"
_PREFIX = "setting_"  # so that a setting may have the name of one of the verb's own parameters
NO_VALUE = ("none", "null", "default")  # what takes an option back to its default


class OfFlavour(click.Command):
    """A verb with the options of the flavour that its first words mean."""

    def __init__(self, *arguments: Any, chosen: Callable[[list[str]], Flavour | None], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.chosen = chosen

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See which flavour it is, then read the words."""
        try:
            ctx.meta[_CHOSEN] = self.chosen(self._words(ctx, args))
        except ZenbookError:
            if not ctx.resilient_parsing:  # Tab completes what there is
                raise
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if ctx.meta.get(_CHOSEN) is not None:
                raise
            message = f"The option {error.option_name!r} comes before what it is an option of."
            raise ZenbookError(message, usage(error)) from None

    def _words(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without the verb's own options, which may stand before the flavour."""
        own = {name: one for one in self.params if isinstance(one, click.Option) for name in one.opts}
        rest, words = iter(args), []
        for word in rest:
            option = own.get(word.partition("=")[0])
            if option is None and word not in ctx.help_option_names:
                words.append(word)
            elif option is not None and not option.is_flag and "=" not in word:
                next(rest, None)  # its value
        return words

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The verb's own, and one for each setting."""
        found = ctx.meta.get(_CHOSEN)
        return [*super().get_params(ctx), *(options_of(found.settings) if found is not None else ())]


def flavour_at(place: int, kind: ComponentKind) -> Callable[[list[str]], Flavour | None]:
    """The flavour that the word at a place names; None where there is no such word."""

    def chosen(words: list[str]) -> Flavour | None:
        if len(words) <= place or words[place].startswith("-"):
            return None
        return flavour(kind, words[place])

    return chosen


def options_of(settings: type[BaseModel]) -> Iterator[click.Option]:
    """An option for each setting."""
    secret = secret_fields(settings)
    for name, field in settings.model_fields.items():
        names = [f"--{one}" for known in names_of(settings, name) for one in _spellings(known)]
        yield _option(name, list(dict.fromkeys(names)), field, secret=name in secret)


def _spellings(name: str) -> tuple[str, ...]:
    return name.replace("_", "-"), name


def _option(name: str, names: list[str], field: FieldInfo, *, secret: bool) -> click.Option:
    told, into = _help(field), f"{_PREFIX}{name}"
    kind = bare_type(field.annotation)
    if get_origin(kind) is dict or kind is dict:
        return click.Option([*names, into], multiple=True, metavar="KEY=VALUE", help=told)
    if secret:
        asked = name.replace("_", " ").capitalize()
        return click.Option(
            [*names, into], prompt=asked, prompt_required=False, hide_input=True, metavar="[SECRET]", help=told
        )
    if kind is bool:
        return click.Option([*(f"{one}/--no-{one[2:]}" for one in names), into], default=None, help=told)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return click.Option([*names, into], type=click.Choice([str(one.value) for one in kind]), help=told)
    if get_origin(kind) is Literal:
        return click.Option([*names, into], type=click.Choice([str(one) for one in get_args(kind)]), help=told)
    return click.Option([*names, into], metavar=_metavar(kind), help=told)


def bare_type(annotation: Any) -> Any:
    """The type without ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        others = [one for one in get_args(annotation) if one is not type(None)]
        return others[0] if others else str
    return annotation


def _metavar(kind: Any) -> str:
    return {int: "INTEGER", float: "NUMBER"}.get(kind, "PATH" if getattr(kind, "__name__", "") == "Path" else "TEXT")


def _help(field: FieldInfo) -> str:
    default = field.get_default()
    shown = default.value if isinstance(default, enum.Enum) else default
    text = field.description or ""
    if field.is_required():
        return f"{text} (required)".strip()
    return text if shown in (None, "", {}, False) else f"{text} [default: {shown}]".strip()


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of the options, as a registry takes it. Raises `ZenbookError` for a pair without ``=``."""
    found: dict[str, Any] = {}
    for parameter, value in values.items():
        name = parameter.removeprefix(_PREFIX)
        if value is None or value == () or name == parameter:
            continue
        if isinstance(value, tuple):
            found[name] = dict(map(pair, value))
        else:
            found[name] = None if isinstance(value, str) and value.casefold() in NO_VALUE else value
    return found


def pair(text: str) -> tuple[str, Any]:
    """An entry of a setting that is a mapping, from KEY=VALUE. Raises `ZenbookError` for one without ``=``."""
    key, separator, value = text.partition("=")
    if not separator:
        raise ZenbookError(f"{text!r} has no value.", "Write it as KEY=VALUE; it may be given several times.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def warnings_of(ctx: click.Context, settings: type[BaseModel]) -> tuple[str, ...]:
    """What to say of a secret that stands in a notebook's cell."""
    notebook: Notebook | None = ctx.obj
    if notebook is None:
        return ()
    secret = secret_fields(settings)
    inline = [
        name
        for name, value in _secrets_in(ctx.params, secret)
        if value and not is_reference(value) and value in notebook.line
    ]
    if not inline:
        return ()
    flag = inline[0].replace("_", "-")
    return (
        f"! This cell, and so the notebook's file, now contains the {flag}: change the cell before you save it.",
        f"  `--{flag}` without a value asks for it; `--{flag} '${{VARIABLE}}'` takes it from the environment.",
    )


def _secrets_in(given_words: Mapping[str, Any], secret: Collection[str]) -> Iterator[tuple[str, str]]:
    """What was given as a secret, with its setting's name: alone, as KEY=VALUE, or in a URL."""
    for parameter, value in sorted(given_words.items()):
        name = parameter.removeprefix(_PREFIX)
        for one in value if isinstance(value, tuple) else (value,):
            if not isinstance(one, str):
                continue
            if name in secret:
                yield name, one.partition("=")[2] if isinstance(value, tuple) else one
            elif "password" in secret and (found := password_in(one)):
                yield "password", found


def chosen_of(ctx: click.Context) -> Flavour:
    """The flavour that was seen. Raises `StackError` when the words name none."""
    found: Flavour | None = ctx.meta.get(_CHOSEN)
    if found is None:
        raise StackError("Which flavour?", "See `zen … flavours`.")
    return found


def masked(options: Mapping[str, Any], settings: type[BaseModel]) -> dict[str, str]:
    """Options for people: a secret is shown as where it comes from."""
    secret = secret_fields(settings)
    return {name: _masked(value) if name in secret else str(value) for name, value in options.items()}


def _masked(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_masked(one)}" for key, one in value.items())
    if isinstance(value, str) and value.startswith("${"):
        return value
    return f"(kept in {secret_store_name(Workspace.find())})" if is_reference(value) else "(hidden)"
