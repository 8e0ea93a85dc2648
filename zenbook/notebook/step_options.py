"""The options of ``%%step`` as a Click command: they are read, completed and explained like those of every verb."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import click

from zenbook.cli.completion import CELL
from zenbook.cli.tree import unknown_option
from zenbook.errors import DefinitionError

USAGE = "%%step NAME [-o OUTPUT,…] [--retries N] [--retry-delay 1s] [--timeout 10m] [--no-cache]"


@dataclass(frozen=True, slots=True)
class CellOptions:
    """The options of one step cell."""

    name: str = ""
    outputs: str | None = None  # names with commas between
    retries: int = 0
    retry_delay: str = "1s"
    timeout: str | None = None
    no_cache: bool = False


COMMAND = click.Command(
    "%%step",
    params=[
        click.Argument(["name"], default="", shell_complete=CELL),
        click.Option(["--outputs", "-o"], metavar="NAME,…", help="What is stored; by default all that it assigns."),
        click.Option(["--retries"], type=int, default=0, help="How often to try again after a failure."),
        click.Option(["--retry-delay"], default="1s", help="How long to wait before trying again; doubles each time."),
        click.Option(["--timeout"], metavar="TIME", help="How long it may take: 30s, 10m, 2h."),
        click.Option(["--no-cache"], is_flag=True, help="Run it even if nothing changed."),
    ],
    help="Run the cell as a step.\n\nExample: %%step fit --retries 2",
    add_help_option=False,
)


def read_options(line: str) -> CellOptions:
    """Read the words behind ``%%step``.

    Args:
        line: The words.

    Returns:
        The options.

    Raises:
        DefinitionError: An option is unknown or its value is not valid.
    """
    try:
        with COMMAND.make_context("%%step", shlex.split(line)) as context:
            return CellOptions(**context.params)
    except click.NoSuchOption as error:
        unknown = unknown_option(error)
        raise DefinitionError(f"%%step: {unknown.message}", unknown.hint or USAGE) from None
    except click.UsageError as error:
        raise DefinitionError(f"%%step: {error.format_message()}", USAGE) from None
    except ValueError as error:
        raise DefinitionError(f"%%step: {error}.", USAGE) from None
