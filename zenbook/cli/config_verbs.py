"""One line each: register a component and put it into the active stack (``zen config metadata set mysql --host …``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.flavour_options import OfFlavour, chosen_of, given, warnings_of
from zenbook.cli.stack_verbs import switched
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
    """Set a part of the active stack in one line.

    Example: zen config artifacts set gs://bucket/sub/dir
    """


def _group(kind: ComponentKind) -> click.Group:
    word = kind.config_word

    @click.group(word, cls=Tree, help=f"The active stack's {kind.label}.\n\nExample: zen config {word} get")
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
                help="The component's name; by default its flavour's.",
            ),
            click.Option(["--no-check"], is_flag=True, help="Don't see first whether it can be reached."),
        ],
        help=f"Register the {kind.label} and put it into the active stack.\n\n"
        f"Example: zen config {word} set {EXAMPLES.get(kind, 'FLAVOUR')}",
    )
    group.add_command(setting)

    @group.command("get", help=f"The active stack's {kind.label}.\n\nExample: zen config {word} get")
    def get() -> Table:
        from zenbook.cli.component_verbs import described

        return described(component_registry.chosen_component(kind, Stack.named().choice(kind)))

    return group


@click.pass_context
def _set(ctx: click.Context, /, what: str, name: str | None, no_check: bool, **values: Any) -> Table:
    chosen = chosen_of(ctx)
    options = given(values)
    if what != chosen.name:
        options = {"path": _place(what), **options}
    return set_component(chosen, options, name=name, check_first=not no_check, notes=warnings_of(ctx, chosen.settings))


def set_component(
    chosen: Flavour, options: dict[str, Any], *, name: str | None, check_first: bool, notes: tuple[str, ...] = ()
) -> Table:
    """Check a component, register it and put it into the active stack. Raises `StackError` and then changes nothing."""
    kind, workspace = chosen.kind, Workspace.find()
    active = stacks.existing_name(None)
    there_always = _built_in(chosen) if name is None and not options else None
    name = name or there_always or _free_name(chosen, active)
    check_name(name, kind.label_with_article)
    what = f"{kind.label} {name!r}"
    ready = checked_options(chosen, options, what, workspace)
    trial = Stack(name=active, **{kind.value: {"flavour": chosen.name, **ready}})
    checks = stacks.require_passing_checks(trial, kinds=(kind,)) if check_first else ()
    if name == there_always:
        pass
    elif name in component_names(kind, workspace):
        component_registry.replace_component(chosen, name, ready, workspace)
    else:
        component_registry.write_component(chosen, name, ready, workspace)
    switch = stacks.put_into_active(kind, name)
    return switched(stacks.Switch(switch.old, switch.new, checks), f"Stack {active} uses the {what}", notes)


def _flavour(kind: ComponentKind, word: str) -> Flavour:
    """The flavour that a word means: its name, a URL of it, or a folder for the local one."""
    if word in flavours(kind):
        return flavour(kind, word)
    of_url = component_registry.flavour_of_url(kind, word)
    if of_url is not None:
        return flavour(kind, of_url)
    if kind is ComponentKind.ARTIFACT_STORE and (word.startswith((".", "/", "~")) or Path(word).is_dir()):
        return flavour(kind, "local")
    return flavour(kind, word)  # which says what there is


def _place(what: str) -> str:
    return what if "://" in what else str(Path(what).expanduser().absolute())


def _built_in(chosen: Flavour) -> str | None:
    """The component of that flavour which is there without registering, as long as nobody has changed it."""
    for kind, name in BUILT_IN:
        if (
            kind is chosen.kind
            and BUILT_IN[kind, name] == chosen.name
            and component_registry.component(kind, name).built_in
        ):
            return name
    return None


def _free_name(chosen: Flavour, active: str) -> str:
    """The flavour's name, with a number where another stack has a component of that name."""
    taken = {one.name: one for one in component_registry.components(chosen.kind)}
    candidates = [chosen.name, *(f"{chosen.name}-{n}" for n in range(2, 1000))]
    for name in candidates:
        one = taken.get(name)
        mine = one is not None and set(one.used_by) <= {active} and one.flavour == chosen.name
        if one is None or (mine and (chosen.kind, name) not in BUILT_IN):
            return name
    return candidates[-1]


for _kind in ComponentKind:
    config.add_command(_group(_kind))

VERBS = (config,)
__all__ = ["VERBS", "set_component"]
