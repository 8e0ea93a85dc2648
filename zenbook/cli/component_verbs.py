"""The verbs on components: ``zen artifact-store | metadata-store | orchestrator register | list | describe | …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.flavour_options import OfFlavour, chosen_of, flavour_at, masked, set_options, warnings_of
from zenbook.cli.tree import Tree, ask_first
from zenbook.errors import StackError, ZenbookError
from zenbook.stack import component_registry
from zenbook.stack.component_registry import RegisteredComponent
from zenbook.stack.flavour import ComponentKind, Flavour, flavour, flavours

if TYPE_CHECKING:
    from zenbook.display.table import Table

EXAMPLE_NAME = "mine"
EXAMPLES = {  # a flavour and its options, for the help
    ComponentKind.ARTIFACT_STORE: "s3 --path s3://bucket/dir",
    ComponentKind.METADATA_STORE: "mysql --host 127.0.0.1 --username me --password",
    ComponentKind.ORCHESTRATOR: "process",
}


def group_of(kind: ComponentKind) -> click.Group:
    """Make the verbs on the components of one kind.

    Args:
        kind: The kind of component.

    Returns:
        The group of the verbs.
    """
    label, cli_name = kind.label, kind.cli_name
    group = Tree(cli_name, help=f"Manage the {label}s that stacks can use.\n\nExample: zen {cli_name} list")
    for command in (_register(kind), _update(kind)):
        group.add_command(command)

    @group.command("list", help=f"List the registered {label}s.\n\nExample: zen {cli_name} list")
    def list_() -> Table:
        return _components_table(kind)

    @group.command("describe", help=f"Show one {label} and its options.\n\nExample: zen {cli_name} describe local")
    @click.argument("name", shell_complete=completion.components_of(kind))
    def describe(name: str) -> Table:
        return component_table(component_registry.component(kind, name))

    @group.command(
        "delete",
        help=f"Delete {kind.label_with_article} that no stack uses.\n\nExample: zen {cli_name} delete {EXAMPLE_NAME}",
    )
    @click.argument("name", shell_complete=completion.components_of(kind))
    @click.option("--yes", "-y", is_flag=True, help="Do not ask, even on a stack for production.")
    def delete(name: str, yes: bool) -> Table:
        component_registry.component(kind, name)
        ask_first(f"Delete the {label} {name!r}", sure=yes)
        return component_table(component_registry.delete(kind, name), title=f"Deleted the {label} {name}")

    @group.command("flavours", help=f"List the flavours of {label}s.\n\nExample: zen {cli_name} flavours")
    @click.argument("name", required=False, shell_complete=completion.flavours_of(kind))
    def flavours_(name: str | None) -> Table:
        return _flavour_table(flavour(kind, name)) if name else _flavours_table(kind)

    return group


def _register(kind: ComponentKind) -> click.Command:
    @click.pass_context
    def register(ctx: click.Context, /, name: str, flavour_name: str, **values: Any) -> Table:
        chosen = chosen_of(ctx)
        registered = component_registry.register(kind, name, flavour_name, set_options(values))
        notes = (*warnings_of(ctx, chosen.settings), *_to_install(chosen))
        return component_table(registered, title=f"Registered the {kind.label} {name}", notes=notes)

    return OfFlavour(
        "register",
        chosen=flavour_at(1, kind),
        callback=register,
        params=[
            click.Argument(["name"]),
            click.Argument(["flavour_name"], metavar="FLAVOUR", shell_complete=completion.flavours_of(kind)),
        ],
        help=f"Register {kind.label_with_article}; its options are those of the flavour.\n\n"
        f"A secret's option without a value asks for it; '${{VARIABLE}}' takes it from the environment.\n\n"
        f"Example: zen {kind.cli_name} register {EXAMPLE_NAME} {EXAMPLES.get(kind, 'FLAVOUR')}",
    )


def _update(kind: ComponentKind) -> click.Command:
    def flavour_of(words: list[str]) -> Flavour | None:
        if not words or words[0].startswith("-"):
            return None
        return flavour(kind, component_registry.component(kind, words[0]).flavour)

    @click.pass_context
    def update(ctx: click.Context, /, name: str, **values: Any) -> Table:
        chosen = chosen_of(ctx)
        options = set_options(values)
        if not options:
            raise ZenbookError(f"No option given for the {kind.label} {name!r}.", _options_hint(chosen))
        updated = component_registry.update(kind, name, options)
        notes = warnings_of(ctx, chosen.settings)
        return component_table(updated, title=f"Changed the {kind.label} {name}", notes=notes)

    options = EXAMPLES.get(kind, "FLAVOUR").partition(" ")[2] or "--python none"
    return OfFlavour(
        "update",
        chosen=flavour_of,
        callback=update,
        params=[click.Argument(["name"], shell_complete=completion.components_of(kind))],
        help=f"Change options of {kind.label_with_article}; the value `none` sets an option to its default.\n\n"
        f"Example: zen {kind.cli_name} update {EXAMPLE_NAME} {options}",
    )


def _components_table(kind: ComponentKind) -> Table:
    from zenbook.display.table import Table

    rows = [
        (component.name, component.flavour, _options_text(component), ", ".join(component.used_by))
        for component in component_registry.components(kind)
    ]
    return Table(f"{kind.label.capitalize()}s", (kind.label, "flavour", "options", "used by"), rows)


def component_table(component: RegisteredComponent, *, title: str = "", notes: tuple[str, ...] = ()) -> Table:
    """Show a component: its flavour, its options without secrets, the stacks that use it.

    Args:
        component: The component.
        title: The table's title; by default the component's name.
        notes: Lines below the table.

    Returns:
        The table.
    """
    from zenbook.display.table import Table

    try:
        settings = flavour(component.kind, component.flavour).settings
        shown = masked(component.options, settings)
    except StackError as error:  # the flavour is not installed here: any option may be a secret, so none is shown
        shown = dict.fromkeys(component.options, "(not shown)")
        notes = (*notes, error.message, error.hint)
    rows = [("flavour", component.flavour), *shown.items()]
    if component.used_by:
        rows.append(("used by", ", ".join(component.used_by)))
    title = title or f"{component.kind.label.capitalize()} {component.name}"
    return Table(title, ("what", "is"), rows, wide_last=True, notes=notes)


def _options_text(component: RegisteredComponent) -> str:
    try:
        shown = masked(component.options, flavour(component.kind, component.flavour).settings)
    except StackError:
        return "(flavour not installed)"
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def _flavours_table(kind: ComponentKind) -> Table:
    from zenbook.display.table import Table

    rows = []
    for name in flavours(kind):
        try:
            loaded = flavour(kind, name)
            summary = (type(loaded).__doc__ or "").strip().partition("\n")[0]
            rows.append((name, summary, ", ".join(f"{scheme}://" for scheme in loaded.schemes)))
        except StackError as error:
            rows.append((name, f"{error.message} {error.hint}", ""))
    title = f"Flavours of {kind.label}s"
    return Table(title, ("flavour", "what it is", "URLs"), rows, notes=(f"Options: zen {kind.cli_name} flavours NAME",))


def _flavour_table(chosen: Flavour) -> Table:
    from zenbook.cli.flavour_options import options_of
    from zenbook.display.table import Table

    rows = [(option.opts[0], _value_of(option), option.help) for option in options_of(chosen.settings)]
    return Table(
        f"Options of the flavour {chosen.name}", ("option", "value", "what it is"), rows, "(none)", wide_last=True
    )


def _value_of(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " | ".join(map(str, option.type.choices))
    return "yes or no" if option.is_flag else option.metavar or ""


def _to_install(chosen: Flavour) -> tuple[str, ...]:
    """Notes on what to install before a component of a flavour can be used here."""
    if not chosen.missing:
        return ()
    return (f'It needs {", ".join(chosen.missing)}. Install it: pip install "zenbook[{chosen.extra}]"',)


def _options_hint(chosen: Flavour) -> str:
    names = [f"--{name.replace('_', '-')}" for name in chosen.settings.model_fields]
    return f"Its options: {', '.join(names)}." if names else f"The flavour {chosen.name} has no options."


VERBS = tuple(group_of(kind) for kind in ComponentKind)
