"""The verbs on components: ``zen artifact-store | metadata-store | orchestrator register | list | describe | …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.flavour_options import OfFlavour, chosen_of, flavour_at, given, masked, warnings_of
from zenbook.cli.tree import Tree, ask_first
from zenbook.errors import StackError, ZenbookError
from zenbook.stack import component_registry
from zenbook.stack.component_registry import RegisteredComponent
from zenbook.stack.flavour import ComponentKind, Flavour, flavour, flavours

if TYPE_CHECKING:
    from zenbook.display.table import Table

EXAMPLES = {  # (flavour and options for the examples of the help)
    ComponentKind.ARTIFACT_STORE: "s3 --path s3://bucket/dir",
    ComponentKind.METADATA_STORE: "mysql --host 127.0.0.1 --username me --password",
    ComponentKind.ORCHESTRATOR: "process",
}


def group_of(kind: ComponentKind) -> click.Group:
    """The verbs on the components of one kind."""
    example = EXAMPLES.get(kind, "FLAVOUR")
    name, cli_name, label = "mine", kind.cli_name, kind.label
    names = completion.components_of(kind)

    @click.group(cli_name, cls=Tree, help=f"The {label}s that stacks can use.\n\nExample: zen {cli_name} list")
    def group() -> None:
        pass

    register = OfFlavour(
        "register",
        chosen=flavour_at(1, kind),
        callback=_registering(kind),
        params=[
            click.Argument(["name"]),
            click.Argument(["flavour_name"], metavar="FLAVOUR", shell_complete=completion.flavours_of(kind)),
        ],
        help=f"Register {kind.label_with_article}; its options are those of the flavour.\n\n"
        f"A secret's option without a value asks for it; '${{VARIABLE}}' takes it from the environment.\n\n"
        f"Example: zen {cli_name} register {name} {example}",
    )
    update = OfFlavour(
        "update",
        chosen=lambda words: (
            flavour(kind, component_registry.component(kind, words[0]).flavour)
            if words and not words[0].startswith("-")
            else None
        ),
        callback=_updating(kind),
        params=[click.Argument(["name"], shell_complete=names)],
        help=f"Change options of {kind.label_with_article}; the value `none` takes one back to its default.\n\n"
        f"Example: zen {cli_name} update {name} {example.partition(' ')[2] or '--python none'}",
    )
    for one in (register, update):
        group.add_command(one)

    @group.command("list", help=f"The {label}s that there are.\n\nExample: zen {cli_name} list")
    def list_() -> Table:
        from zenbook.display.table import Table

        rows = [
            (one.name, one.flavour, _options(one), ", ".join(one.used_by))
            for one in component_registry.components(kind)
        ]
        return Table(f"{label.capitalize()}s", (label, "flavour", "options", "used by"), rows)

    @group.command("describe", help=f"One {label} and its options.\n\nExample: zen {cli_name} describe local")
    @click.argument("name", shell_complete=names)
    def describe(name: str) -> Table:
        return described(component_registry.component(kind, name))

    @group.command(
        "delete",
        help=f"Take out {kind.label_with_article} that no stack uses.\n\nExample: zen {cli_name} delete {name}",
    )
    @click.argument("name", shell_complete=names)
    @click.option("--yes", "-y", is_flag=True, help="Don't ask, even on a stack for production.")
    def delete(name: str, yes: bool) -> Table:
        component_registry.component(kind, name)
        ask_first(f"Delete the {label} {name!r}", sure=yes)
        return described(component_registry.delete(kind, name), title=f"Deleted the {label} {name}")

    @group.command("flavours", help=f"The flavours of {label}s.\n\nExample: zen {cli_name} flavours")
    @click.argument("name", required=False, shell_complete=completion.flavours_of(kind))
    def flavours_(name: str | None) -> Table:
        return _flavour(flavour(kind, name)) if name else _flavours(kind)

    return group


def _registering(kind: ComponentKind) -> Any:
    @click.pass_context
    def register(ctx: click.Context, /, name: str, flavour_name: str, **values: Any) -> Table:
        chosen = chosen_of(ctx)
        made = component_registry.register(kind, name, flavour_name, given(values))
        notes = (*warnings_of(ctx, chosen.settings), *_to_install(chosen))
        return described(made, title=f"Registered the {kind.label} {name}", notes=notes)

    return register


def _updating(kind: ComponentKind) -> Any:
    @click.pass_context
    def update(ctx: click.Context, /, name: str, **values: Any) -> Table:
        chosen = chosen_of(ctx)
        options = given(values)
        if not options:
            raise ZenbookError(f"Nothing is to change in the {kind.label} {name!r}.", _options_hint(chosen))
        made = component_registry.update(kind, name, options)
        return described(made, title=f"Changed the {kind.label} {name}", notes=warnings_of(ctx, chosen.settings))

    return update


def described(found: RegisteredComponent, *, title: str = "", notes: tuple[str, ...] = ()) -> Table:
    """A component as a table: its flavour, its options, who uses it. Secrets are hidden."""
    from zenbook.display.table import Table

    try:
        settings = flavour(found.kind, found.flavour).settings
        shown = masked(found.options, settings)
    except StackError as error:  # a flavour that is not installed here: its secrets aren't known, so nothing is shown
        shown = dict.fromkeys(found.options, "(not shown)")
        notes = (*notes, error.message, error.hint)
    rows = [("flavour", found.flavour), *shown.items()]
    if found.used_by:
        rows.append(("used by", ", ".join(found.used_by)))
    title = title or f"{found.kind.label.capitalize()} {found.name}"
    return Table(title, ("what", "is"), rows, wide_last=True, notes=notes)


def _options(found: RegisteredComponent) -> str:
    try:
        shown = masked(found.options, flavour(found.kind, found.flavour).settings)
    except StackError:
        return "(flavour not installed)"
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def _flavours(kind: ComponentKind) -> Table:
    from zenbook.display.table import Table

    rows = []
    for name in flavours(kind):
        try:
            found = flavour(kind, name)
            does = (type(found).__doc__ or "").strip().partition("\n")[0]
            rows.append((name, does, ", ".join(f"{one}://" for one in found.schemes)))
        except StackError as error:
            rows.append((name, f"{error.message} {error.hint}", ""))
    title = f"Flavours of {kind.label}s"
    return Table(title, ("flavour", "what it is", "URLs"), rows, notes=(f"Options: zen {kind.cli_name} flavours NAME",))


def _flavour(found: Flavour) -> Table:
    from zenbook.cli.flavour_options import options_of
    from zenbook.display.table import Table

    rows = [(one.opts[0], _value_of(one), one.help) for one in options_of(found.settings)]
    return Table(
        f"Options of the flavour {found.name}", ("option", "value", "what it is"), rows, "(none)", wide_last=True
    )


def _value_of(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " | ".join(map(str, option.type.choices))
    return "yes or no" if option.is_flag else option.metavar or ""


def _to_install(chosen: Flavour) -> tuple[str, ...]:
    """What to do before a component of a flavour can be used here."""
    if not chosen.missing:
        return ()
    return (f'It needs {", ".join(chosen.missing)}, not installed here yet: pip install "zenbook[{chosen.extra}]"',)


def _options_hint(chosen: Flavour) -> str:
    names = [f"--{name.replace('_', '-')}" for name in chosen.settings.model_fields]
    return f"Its options: {', '.join(names)}." if names else f"The flavour {chosen.name} has no options."


VERBS = tuple(group_of(kind) for kind in ComponentKind)
