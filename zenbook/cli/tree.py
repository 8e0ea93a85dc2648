"""What all verbs share: close matches for misspelt verbs, the notebook, a question before something is deleted."""

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
    """The notebook in which the verbs are used."""

    @property
    def line(self) -> str:
        """The line of the cell that is running, as it was typed."""

    @property
    def place(self) -> PipelineSource:
        """Where pipelines are looked for."""

    def pipelines(self) -> Mapping[str, Sequence[str]]:
        """The notebook's pipelines, with the names of their parameters."""

    def steps(self) -> Table:
        """The notebook's step cells."""

    def open_panel(self, run: Run) -> None:
        """Show a run in the running cell, as a panel whose steps can be opened.

        Args:
            run: The run to show.
        """

    def open_stack_panel(self) -> None:
        """Show the stacks in the running cell, to choose one and to register others."""

    def open_history(self) -> None:
        """Show the runs of the active stack in the running cell, as a live panel."""

    def drop_step(self, name: str) -> str:
        """Remove a cell's step from the notebook's pipeline.

        Args:
            name: The step's name.

        Returns:
            A sentence that says what was done.
        """


class Text(str):
    """A text that is shown as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Tree(click.Group):
    """A group that suggests close matches for a misspelt verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that is named, as Click's own method.

        Args:
            ctx: The context of the group.
            args: The words after the group.

        Returns:
            The verb's name, the verb, and the words after it.

        Raises:
            ZenbookError: The verb does not exist.
        """
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            hidden = {verb for verb, command in self.commands.items() if command.hidden}
            known = [verb for verb in self.list_commands(ctx) if verb not in hidden]
            hint = did_you_mean(name, known, noun="verb")
            raise ZenbookError(f"Unknown verb {f'{ctx.command_path} {name}'.removeprefix('zen ')!r}.", hint)
        return super().resolve_command(ctx, args)


Tree.group_class = Tree


class Root(Tree):
    """The root of the tree. It imports a verb's module when the verb is used, since settings models take 0.2 s."""

    modules: Mapping[str, str] = {}  # verb → the module of this package whose VERBS have it

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List all verbs.

        Args:
            ctx: The context of the group.

        Returns:
            Their names, sorted.
        """
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb.

        Args:
            ctx: The context of the group.
            cmd_name: The verb's name.

        Returns:
            The verb, None if it does not exist.
        """
        if cmd_name not in self.commands and cmd_name in self.modules:
            module = import_module(f"zenbook.cli.{self.modules[cmd_name]}")
            for verb in module.VERBS:
                self.add_command(verb)
        return self.commands.get(cmd_name)


def hidden_copy(command: click.Command, name: str) -> click.Command:
    """Another spelling of a verb, which help and completion leave out.

    Args:
        command: The verb.
        name: The other spelling.

    Returns:
        A hidden command that does the same.
    """
    return click.Command(name, callback=command.callback, params=command.params, help=command.help, hidden=True)


def needed(notebook: Notebook | None) -> Notebook:
    """The notebook that a verb cannot do without.

    Args:
        notebook: The notebook, None in a shell.

    Returns:
        The notebook.

    Raises:
        ZenbookError: The verb is used in a shell.
    """
    if notebook is None:
        raise ZenbookError("This verb needs a notebook.", "Use it in a notebook, as %zen.")
    return notebook


def ask_first(what: str, *, sure: bool) -> None:
    """On a stack for production, ask the user before something is deleted.

    Args:
        what: What will be done, as the beginning of a question: "Delete the stack 'prod'".
        sure: Whether the user said ``--yes``, so that the question is left out.

    Raises:
        StackError: The user said no, or nobody can be asked.
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
        if type(error).__name__ != "StdinNotImplementedError":  # raised where a kernel's front end takes no input
            raise
    raise StackError(f"Nothing was done: the stack {stack.name!r} is for production.", "If you are sure, add --yes.")


def unknown_option(error: click.NoSuchOption) -> ZenbookError:
    """The error for an option that does not exist.

    Args:
        error: Click's error.

    Returns:
        An error with close matches as its hint, or with how the verb is used.
    """
    name, known = error.option_name, error.possibilities or []
    close = close_matches(name, known, prefix="--")
    return ZenbookError(f"Unknown option {name!r}.", did_you_mean(name, close) if close else usage(error))


def usage(error: click.UsageError) -> str:
    """How the verb that was used wrongly is used.

    Args:
        error: Click's error.

    Returns:
        A line of help, "" if the verb is unknown.
    """
    return error.ctx.get_usage() if error.ctx is not None else ""
