"""What all verbs share: the tree that suggests close matches, the notebook they are used in, a question before harm."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import click

from zenbook.errors import StackError, ZenbookError, close_matches, did_you_mean

if TYPE_CHECKING:
    from zenbook.display.table import Table
    from zenbook.history.run import Run
    from zenbook.pipelines.sources import PipelineSource


class Notebook(Protocol):
    """What the verbs ask of the notebook that they are used in."""

    @property
    def line(self) -> str:
        """The line of the cell that is being executed, as it was typed."""

    @property
    def place(self) -> PipelineSource:
        """Where pipelines are looked for."""

    def pipelines(self) -> Mapping[str, Sequence[str]]:
        """The notebook's pipelines, with the names of their parameters."""

    def steps(self) -> Table:
        """The notebook's step cells."""

    def open_panel(self, run: Run) -> None:
        """Show a run in the cell that runs now, as a panel whose steps can be opened."""

    def open_stack_panel(self) -> None:
        """Show the stacks in the cell that runs now, to pick one and to register."""

    def open_history(self) -> None:
        """Show the runs of the active stack in the cell that runs now, as a panel that is live."""

    def drop_step(self, name: str) -> str:
        """Take a cell's step out of the notebook's pipeline."""


class Text(str):
    """A text that shows itself as it is, and not as a quoted string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Tree(click.Group):
    """A group that suggests close matches for a misspelt verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the words mean. Raises `ZenbookError` with close matches when there is none."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            hidden = {one for one, command in self.commands.items() if command.hidden}
            known = [one for one in self.list_commands(ctx) if one not in hidden]
            hint = did_you_mean(name, known, noun="verb")
            raise ZenbookError(f"There is no verb {f'{ctx.command_path} {name}'.removeprefix('zen ')!r}.", hint)
        return super().resolve_command(ctx, args)


Tree.group_class = Tree


class Root(Tree):
    """The tree's root: a verb's module is imported when the verb is used, since settings models take 0.2 s."""

    modules: Mapping[str, str] = {}  # verb → the module of this package whose VERBS have it

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name."""
        if cmd_name not in self.commands and cmd_name in self.modules:
            module = import_module(f"zenbook.cli.{self.modules[cmd_name]}")
            for verb in module.VERBS:
                self.add_command(verb)
        return self.commands.get(cmd_name)


def hidden_copy(command: click.Command, name: str) -> click.Command:
    """Another spelling of a verb, that help and completion leave out."""
    return click.Command(name, callback=command.callback, params=command.params, help=command.help, hidden=True)


def needed(notebook: Notebook | None) -> Notebook:
    """The notebook. Raises `ZenbookError` in a shell."""
    if notebook is None:
        raise ZenbookError("This verb needs a notebook.", "Use it there, as %zen.")
    return notebook


def ask_first(what: str, *, sure: bool) -> None:
    """On a stack for production, ask whether something is to be destroyed, unless the user said ``--yes``.

    Raises `ZenbookError` for a no, and where nobody can be asked.
    """
    from zenbook.stack.stack import Stack

    stack = Stack.named()
    if sure or not stack.production:
        return
    try:
        if click.confirm(f"The stack {stack.name!r} is for production. {what}?", default=False):
            return
    except (click.Abort, EOFError, OSError, NotImplementedError):
        sys.stderr.write("\n")
    except Exception as error:
        if type(error).__name__ != "StdinNotImplementedError":  # a kernel whose front end takes no input
            raise
    raise StackError(f"Nothing was done: the stack {stack.name!r} is for production.", "If you are sure: --yes.")


def unknown_option(error: click.NoSuchOption) -> ZenbookError:
    """The error for an option that there is not: with those that are close, else with how the verb is used."""
    name, known = error.option_name, error.possibilities or []
    close = close_matches(name, known, prefix="--")
    return ZenbookError(f"There is no option {name!r}.", did_you_mean(name, close) if close else usage(error))


def usage(error: click.UsageError) -> str:
    """How the verb is used that was used wrongly."""
    return error.ctx.get_usage() if error.ctx is not None else ""
