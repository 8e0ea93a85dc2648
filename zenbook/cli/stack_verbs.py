"""The verbs on stacks: register, use, check, change and share them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.tree import Text, Tree, ask_first, hidden_copy
from zenbook.errors import StackError, ZenbookError
from zenbook.stack import stacks
from zenbook.stack.checks import TIME_LIMIT
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.import_export import export_stack, import_stack
from zenbook.stack.stack import Stack, active_name, stack_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from zenbook.display.table import Table
    from zenbook.stack.checks import CheckResult


@click.group(cls=Tree)
def stack() -> None:
    """Manage the stacks, which say what stores and what orchestrator a run uses.

    Example: zen stack use prod
    """


def _components(command: Callable[..., Any]) -> Callable[..., Any]:
    for kind in ComponentKind:
        names = dict.fromkeys((f"--{kind.cli_name}", f"--{kind.value}", f"-{kind.short_flag}"))
        command = click.option(
            *names,
            kind.value,
            default=None,
            metavar="NAME",
            shell_complete=completion.components_of(kind),
            help=f"A registered {kind.label}.",
        )(command)
    return command


@stack.command("register")
@click.argument("name")
@_components
@click.option("--production", is_flag=True, help="Show its name everywhere, and ask before something is deleted.")
def stack_register(name: str, production: bool, **components: str | None) -> Table:
    """Register a stack of registered components. By default a component is local.

    Example: zen stack register prod -m mysql -a gcs -o local
    """
    registered = stacks.register(name, **components, production=production)
    return _stack_table(registered, f"Registered the stack {name}", (f"Switch to it: zen stack use {name}",))


@stack.command("list")
def stack_list() -> Table:
    """List the stacks; the active one has a star.

    Example: zen stack list
    """
    from zenbook.display.table import Table

    active = active_name()
    rows = []
    for name in stack_names():
        listed = Stack(name=name)
        components = [str(listed.choice(kind)) for kind in ComponentKind]
        rows.append(("*" if name == active else "", name, *components, "production" if listed.production else ""))
    return Table("Stacks", ("", "stack", *(kind.label for kind in ComponentKind), "for"), rows)


@stack.command("describe")
@click.argument("name", required=False, shell_complete=completion.STACK)
def stack_describe(name: str | None) -> Table:
    """Show the components of a stack, by default of the active one.

    Example: zen stack describe prod
    """
    from zenbook.cli.component_verbs import component_table
    from zenbook.display.table import Table
    from zenbook.stack import component_registry

    chosen = Stack.named(name)
    rows: list[tuple[str, str, str]] = [("stack", chosen.name, "for production" if chosen.production else "")]
    for kind in ComponentKind:
        choice = chosen.choice(kind)
        component = component_registry.chosen_component(kind, choice)
        options = [
            f"{row['what']} {row['is']}"
            for row in component_table(component)
            if row["what"] not in ("flavour", "used by")
        ]
        rows.append((kind.label, str(choice), ", ".join([f"flavour {component.flavour}", *options])))
    return Table(f"Stack {chosen.name}", ("what", "name", "is"), rows, wide_last=True)


def _named(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--stack_name", "--stack-name", "other", default=None, hidden=True)(command)
    return click.argument("name", required=False, shell_complete=completion.STACK)(command)


@stack.command("use")
@_named
@click.option("--no-check", is_flag=True, help="Skip the check whether its components can be reached.")
@click.option("--time-limit", type=float, default=TIME_LIMIT, show_default=True, help="Seconds for each check.")
def stack_use(name: str | None, other: str | None, no_check: bool, time_limit: float) -> Table:
    """Switch to a stack, after a check of its components, and show what changes.

    Example: zen stack use prod
    """
    chosen = name or other
    if chosen is None:
        raise ZenbookError("No stack given.", "Name it: zen stack use NAME. See `zen stack list`.")
    return switch_table(stacks.use(chosen, check=not no_check, time_limit=time_limit), f"Stack {chosen} is active")


stack.add_command(hidden_copy(stack_use, "set"))


@stack.command("get")
def stack_get() -> Text:
    """Show the name of the active stack.

    Example: zen stack get
    """
    return Text(active_name())


@stack.command("check")
@_named
@click.option("--time-limit", type=float, default=TIME_LIMIT, show_default=True, help="Seconds for each component.")
def stack_check(name: str | None, other: str | None, time_limit: float) -> Table:
    """Check whether a stack's components can be reached, read and written.

    Example: zen stack check prod
    """
    from zenbook.display.table import Table

    chosen = Stack.named(name or other)
    checks = stacks.check(chosen.name, time_limit=time_limit)
    rows = [_check_row(check) for check in checks]
    table = Table(f"Stack {chosen.name}", ("", "component", "name", "found"), rows, wide_last=True)
    if all(check.ok for check in checks):
        return table
    failed = [check for check in checks if not check.ok]
    raise StackError(
        f"{len(failed)} of {len(checks)} components of the stack {chosen.name!r} cannot be used.\n{table!r}",
        "\n".join(dict.fromkeys(check.hint for check in failed if check.hint)),
    )


@stack.command("update")
@_named
@_components
@click.option("--production/--no-production", default=None, help="Whether it is for production.")
def stack_update(name: str | None, other: str | None, production: bool | None, **components: str | None) -> Table:
    """Change the components of a stack, by default of the active one.

    Example: zen stack update prod --orchestrator process
    """
    old = Stack(name=stacks.existing_name(name or other))
    new = stacks.update(old.name, **components, production=production)
    notes = ("It is the active stack. Check it: zen stack check",) if new.name == active_name() else ()
    return switch_table(stacks.Switch(old, new), f"Changed the stack {new.name}", notes)


@stack.command("copy")
@click.argument("source", shell_complete=completion.STACK)
@click.argument("target")
def stack_copy(source: str, target: str) -> Table:
    """Register a copy of a stack.

    Example: zen stack copy prod staging
    """
    return _stack_table(stacks.copy(source, target), f"Registered the stack {target}, a copy of {source}")


@stack.command("rename")
@click.argument("old", shell_complete=completion.STACK)
@click.argument("new")
def stack_rename(old: str, new: str) -> Table:
    """Rename a stack.

    Example: zen stack rename prod live
    """
    return _stack_table(stacks.rename(old, new), f"The stack {old} is now {new}")


@stack.command("delete")
@_named
@click.option("--yes", "-y", is_flag=True, help="Do not ask, even on a stack for production.")
def stack_delete(name: str | None, other: str | None, yes: bool) -> Table:
    """Delete a stack; its components and runs stay.

    Example: zen stack delete staging
    """
    chosen = name or other
    if chosen is None:
        raise ZenbookError("No stack given.", "Name it: zen stack delete NAME. See `zen stack list`.")
    stacks.existing_name(chosen)
    ask_first(f"Delete the stack {chosen!r}", sure=yes)
    return _stack_table(
        stacks.delete(chosen), f"Deleted the stack {chosen}", ("Its components and runs are still there.",)
    )


@stack.command("export")
@click.argument("name", required=False, shell_complete=completion.STACK)
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The file to write.")
def stack_export(name: str | None, to: Path | None) -> Text:
    """Export a stack with its components as YAML without secrets, to share it.

    Example: zen stack export prod > prod.yaml
    """
    text = export_stack(stacks.existing_name(name))
    if to is None:
        return Text(text.rstrip("\n"))
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StackError(f"{to} cannot be written: {error.strerror}.", "Choose another file.") from error
    return Text(f"Wrote {to}")


@stack.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--name", default=None, help="Another name for the stack.")
@click.option("--replace", is_flag=True, help="Replace the stack and the components of the same names.")
def stack_import(file: Path, name: str | None, replace: bool) -> Table:
    """Register the stack of an exported file and its components.

    Example: zen stack import prod.yaml
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StackError(
            f"{file} cannot be read: {reason}.", "Is it the file that `zen stack export` wrote?"
        ) from error
    result = import_stack(text, name=name, replace=replace)
    notes = [f"Still missing: {option}" for option in result.missing]
    return _stack_table(result.stack, f"Registered the stack {result.stack.name}", tuple(notes))


def switch_table(switch: stacks.Switch, title: str, notes: tuple[str, ...] = ()) -> Table:
    """Show what changes from one stack to another.

    Args:
        switch: The two stacks, and the checks of the new one.
        title: The table's title.
        notes: Lines below the table.

    Returns:
        A table with a row for each component and the result of its check.
    """
    from zenbook.display.table import Table

    checks = {check.kind: check for check in switch.checks}
    rows = []
    for kind in ComponentKind:
        check = checks.get(kind)
        result = f"✓ {check.message}" if check is not None else ""
        rows.append((kind.label, str(switch.old.choice(kind)), "→", str(switch.new.choice(kind)), result))
    if switch.old.production != switch.new.production:
        rows.append(("for production", _yes(switch.old.production), "→", _yes(switch.new.production), ""))
    if not switch.checks:
        return Table(title, ("what", "before", "", "now"), [row[:-1] for row in rows], notes=notes)
    return Table(title, ("what", "before", "", "now", "check"), rows, wide_last=True, notes=notes)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _check_row(check: CheckResult) -> tuple[str, str, str, str]:
    return ("✓" if check.ok else "✗", check.kind.label, check.name, check.message)


def _stack_table(shown: Stack, title: str, notes: tuple[str, ...] = ()) -> Table:
    from zenbook.display.table import Table

    rows = [(kind.label, str(shown.choice(kind))) for kind in ComponentKind]
    if shown.production:
        rows.append(("for production", "yes"))
    return Table(title, ("what", "is"), rows, wide_last=True, notes=notes)


VERBS = (stack,)
