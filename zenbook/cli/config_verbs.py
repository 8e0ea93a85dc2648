"""Register a component and put it into the active stack in one line: ``zen config metadata set mysql --host …``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.flavour_options import OfFlavour, chosen_of, set_options, warnings_of
from zenbook.cli.stack_verbs import switch_table
from zenbook.cli.tree import Tree
from zenbook.stack import component_registry, stacks
from zenbook.stack.component_factory import BUILT_IN, component_names
from zenbook.stack.component_options import check_name, checked_options
from zenbook.stack.flavour import ComponentKind, Flavour, flavour, flavours
from zenbook.stack.stack import Stack
from zenbook.stack.workspace import Workspace

if TYPE_CHECKING:
    from zenbook.display.table import Table

EXAMPLES = {
    ComponentKind.METADATA_STORE: "mysql --host 127.0.0.1 --port 3306 --username me --passwd --database zen",
    ComponentKind.ARTIFACT_STORE: "gs://bucket/sub/dir",
    ComponentKind.ORCHESTRATOR: "process",
}


@click.group(cls=Tree)
def config() -> None:
    """Change a component of the active stack in one line.

    Example: zen config artifacts set gs://bucket/sub/dir
    """


def _group(kind: ComponentKind) -> click.Group:
    word = kind.config_word

    @click.group(word, cls=Tree, help=f"Set or show the active stack's {kind.label}.\n\nExample: zen config {word} get")
    def group() -> None:
        pass

    setting = OfFlavour(
        "set",
        chosen=lambda words: _flavour(kind, words[0]) if words and not words[0].startswith("-") else None,
        callback=_set,
        params=[
            click.Argument(
                ["what"],
                metavar="FLAVOUR|URL" if kind.has_urls else "FLAVOUR",
                shell_complete=completion.flavours_of(kind, urls=True),
            ),
            click.Option(
                ["--name"],
                shell_complete=completion.components_of(kind),
                help="The component's name; by default the name of its flavour.",
            ),
            click.Option(["--no-check"], is_flag=True, help="Skip the connection check."),
        ],
        help=f"Register the {kind.label} and put it into the active stack.\n\n"
        f"Example: zen config {word} set {EXAMPLES.get(kind, 'FLAVOUR')}",
    )
    group.add_command(setting)

    @group.command("get", help=f"Show the active stack's {kind.label}.\n\nExample: zen config {word} get")
    def get() -> Table:
        from zenbook.cli.component_verbs import component_table

        return component_table(component_registry.chosen_component(kind, Stack.named().choice(kind)))

    return group


@click.pass_context
def _set(ctx: click.Context, /, what: str, name: str | None, no_check: bool, **values: Any) -> Table:
    chosen = chosen_of(ctx)
    options = set_options(values)
    if what != chosen.name:
        options = {"path": _place(what), **options}
    return set_component(chosen, options, name=name, check_first=not no_check, notes=warnings_of(ctx, chosen.settings))


def set_component(
    chosen: Flavour, options: dict[str, Any], *, name: str | None, check_first: bool, notes: tuple[str, ...] = ()
) -> Table:
    """Check a component, register it and put it into the active stack. If that fails, nothing is changed.

    Args:
        chosen: The component's flavour.
        options: The component's options.
        name: The component's name; by default the flavour's.
        check_first: Whether to check that the component can be reached.
        notes: Lines below the table.

    Returns:
        A table of what has changed.
    """
    kind, workspace = chosen.kind, Workspace.find()
    active = stacks.existing_name(None)
    built_in = _built_in(chosen) if name is None and not options else None
    name = name or built_in or _free_name(chosen, active)
    check_name(name, kind.label_with_article)
    what = f"{kind.label} {name!r}"
    ready = checked_options(chosen, options, what, workspace)
    changed = Stack(name=active, **{kind.value: {"flavour": chosen.name, **ready}})
    checks = stacks.require_passing_checks(changed, kinds=(kind,)) if check_first else ()
    if name == built_in:
        pass
    elif name in component_names(kind, workspace):
        component_registry.replace_component(chosen, name, ready, workspace)
    else:
        component_registry.write_component(chosen, name, ready, workspace)
    switch = stacks.put_into_active(kind, name)
    return switch_table(stacks.Switch(switch.old, switch.new, checks), f"Stack {active} uses the {what}", notes)


def _flavour(kind: ComponentKind, word: str) -> Flavour:
    """The flavour that a word means: the flavour's name, one of its URLs, or a folder for the local one."""
    if word in flavours(kind):
        return flavour(kind, word)
    of_url = component_registry.flavour_of_url(kind, word)
    if of_url is not None:
        return flavour(kind, of_url)
    if kind is ComponentKind.ARTIFACT_STORE and (word.startswith((".", "/", "~")) or Path(word).is_dir()):
        return flavour(kind, "local")
    return flavour(kind, word)  # raises with the known flavours


def _place(what: str) -> str:
    return what if "://" in what else str(Path(what).expanduser().absolute())


def _built_in(chosen: Flavour) -> str | None:
    """The built-in component of a flavour, unless somebody has changed it."""
    for kind, name in BUILT_IN:
        if (
            kind is chosen.kind
            and BUILT_IN[kind, name] == chosen.name
            and component_registry.component(kind, name).built_in
        ):
            return name
    return None


def _free_name(chosen: Flavour, active: str) -> str:
    """The flavour's name, with a number if another stack has a component of that name."""
    taken = {component.name: component for component in component_registry.components(chosen.kind)}
    candidates = [chosen.name, *(f"{chosen.name}-{n}" for n in range(2, 1000))]
    for name in candidates:
        component = taken.get(name)
        own = component is not None and set(component.used_by) <= {active} and component.flavour == chosen.name
        if component is None or (own and (chosen.kind, name) not in BUILT_IN):
            return name
    return candidates[-1]


for _kind in ComponentKind:
    config.add_command(_group(_kind))

VERBS = (config,)
__all__ = ["VERBS", "set_component"]
