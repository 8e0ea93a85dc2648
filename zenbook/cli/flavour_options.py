"""Options of a verb that are made from a flavour's settings model, with its names, types, help and defaults."""

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
_PREFIX = "setting_"  # a setting may have the same name as one of the verb's own parameters
NO_VALUE = ("none", "null", "default")  # sets an option to its default


class OfFlavour(click.Command):
    """A verb with the options of the flavour that its first words name.

    Args:
        *arguments: As for `click.Command`.
        chosen: Finds the flavour by the verb's words; None if they name none.
        **more: As for `click.Command`.
    """

    def __init__(self, *arguments: Any, chosen: Callable[[list[str]], Flavour | None], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.chosen = chosen

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the flavour, then parse the words.

        Args:
            ctx: The context of the verb.
            args: The words after the verb.

        Returns:
            The words that are left.

        Raises:
            ZenbookError: The flavour is unknown, or an option stands before it.
            NoSuchOption: The flavour has no such option.
        """
        try:
            ctx.meta[_CHOSEN] = self.chosen(self._words(ctx, args))
        except ZenbookError:
            if not ctx.resilient_parsing:  # Tab completes what can be completed
                raise
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if ctx.meta.get(_CHOSEN) is not None:
                raise
            message = f"The option {error.option_name!r} stands before the flavour to which it belongs."
            raise ZenbookError(message, usage(error)) from None

    def _words(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words without the verb's own options, which may stand before the flavour."""
        own = {name: param for param in self.params if isinstance(param, click.Option) for name in param.opts}
        rest, words = iter(args), []
        for word in rest:
            option = own.get(word.partition("=")[0])
            if option is None and word not in ctx.help_option_names:
                words.append(word)
            elif option is not None and not option.is_flag and "=" not in word:
                next(rest, None)  # its value
        return words

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """List the verb's own parameters, and an option for each setting.

        Args:
            ctx: The context of the verb.

        Returns:
            The parameters.
        """
        chosen = ctx.meta.get(_CHOSEN)
        return [*super().get_params(ctx), *(options_of(chosen.settings) if chosen is not None else ())]


def flavour_at(place: int, kind: ComponentKind) -> Callable[[list[str]], Flavour | None]:
    """Make a function that finds the flavour in a verb's words.

    Args:
        place: The index of the word that names the flavour.
        kind: The kind of component.

    Returns:
        The function; it gives None where the word is missing.
    """

    def chosen(words: list[str]) -> Flavour | None:
        if len(words) <= place or words[place].startswith("-"):
            return None
        return flavour(kind, words[place])

    return chosen


def options_of(settings: type[BaseModel]) -> Iterator[click.Option]:
    """Make an option for each setting.

    Args:
        settings: The settings model of a flavour.

    Yields:
        The options.
    """
    secret = secret_fields(settings)
    for name, field in settings.model_fields.items():
        names = [f"--{spelling}" for known in names_of(settings, name) for spelling in _spellings(known)]
        yield _option(name, list(dict.fromkeys(names)), field, secret=name in secret)


def _spellings(name: str) -> tuple[str, ...]:
    return name.replace("_", "-"), name


def _option(name: str, names: list[str], field: FieldInfo, *, secret: bool) -> click.Option:
    help_text, parameter = _help(field), f"{_PREFIX}{name}"
    kind = bare_type(field.annotation)
    if get_origin(kind) is dict or kind is dict:
        return click.Option([*names, parameter], multiple=True, metavar="KEY=VALUE", help=help_text)
    if secret:
        prompt = name.replace("_", " ").capitalize()
        return click.Option(
            [*names, parameter],
            prompt=prompt,
            prompt_required=False,
            hide_input=True,
            metavar="[SECRET]",
            help=help_text,
        )
    if kind is bool:
        return click.Option([*(f"{flag}/--no-{flag[2:]}" for flag in names), parameter], default=None, help=help_text)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return click.Option(
            [*names, parameter], type=click.Choice([str(member.value) for member in kind]), help=help_text
        )
    if get_origin(kind) is Literal:
        return click.Option(
            [*names, parameter], type=click.Choice([str(value) for value in get_args(kind)]), help=help_text
        )
    return click.Option([*names, parameter], metavar=_metavar(kind), help=help_text)


def bare_type(annotation: Any) -> Any:
    """Take ``| None`` from a type.

    Args:
        annotation: The type.

    Returns:
        The first type of the union that is not None, or the type itself.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        others = [member for member in get_args(annotation) if member is not type(None)]
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


def set_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the settings that the user has set.

    Args:
        values: The values of the verb's parameters, of its own ones too.

    Returns:
        The settings by name, as a registry takes them; None stands for the default.
    """
    options: dict[str, Any] = {}
    for parameter, value in values.items():
        name = parameter.removeprefix(_PREFIX)
        if value is None or value == () or name == parameter:
            continue
        if isinstance(value, tuple):
            options[name] = dict(map(pair, value))
        else:
            options[name] = None if isinstance(value, str) and value.casefold() in NO_VALUE else value
    return options


def pair(text: str) -> tuple[str, Any]:
    """Parse an entry of a setting that is a mapping.

    Args:
        text: The entry as KEY=VALUE; the value is read as JSON, or as a text if it is not valid JSON.

    Returns:
        The key and the value.

    Raises:
        ZenbookError: The text has no ``=``.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise ZenbookError(f"{text!r} has no value.", "Write it as KEY=VALUE; it may be repeated.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def warnings_of(ctx: click.Context, settings: type[BaseModel]) -> tuple[str, ...]:
    """Warn of a secret that is written in a notebook's cell.

    Args:
        ctx: The context of the verb.
        settings: The settings model of the flavour.

    Returns:
        Lines of text; empty if no secret is written there.
    """
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


def _secrets_in(values: Mapping[str, Any], secret: Collection[str]) -> Iterator[tuple[str, str]]:
    """The values that are secrets, with their settings' names: alone, as KEY=VALUE, or in a URL."""
    for parameter, value in sorted(values.items()):
        name = parameter.removeprefix(_PREFIX)
        for text in value if isinstance(value, tuple) else (value,):
            if not isinstance(text, str):
                continue
            if name in secret:
                yield name, text.partition("=")[2] if isinstance(value, tuple) else text
            elif "password" in secret and (password := password_in(text)):
                yield "password", password


def chosen_of(ctx: click.Context) -> Flavour:
    """The flavour that the verb's words name.

    Args:
        ctx: The context of the verb.

    Returns:
        The flavour.

    Raises:
        StackError: The words name no flavour.
    """
    chosen: Flavour | None = ctx.meta.get(_CHOSEN)
    if chosen is None:
        raise StackError("No flavour given.", "List the flavours with `zen … flavours`.")
    return chosen


def masked(options: Mapping[str, Any], settings: type[BaseModel]) -> dict[str, str]:
    """Options as they are shown: instead of a secret, the place where it is kept.

    Args:
        options: The options of a component.
        settings: The settings model of its flavour.

    Returns:
        The texts by the options' names.
    """
    secret = secret_fields(settings)
    return {name: _masked(value) if name in secret else str(value) for name, value in options.items()}


def _masked(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_masked(entry)}" for key, entry in value.items())
    if isinstance(value, str) and value.startswith("${"):
        return value
    return f"(kept in {secret_store_name(Workspace.find())})" if is_reference(value) else "(hidden)"
