"""The command tree, which the shell command ``zen``, the magic ``%zen`` and the panels' buttons use.

Each verb returns an object that shows itself. In a notebook ``ctx.obj`` is the notebook, as a `Notebook`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli.tree import Notebook, Root, Text, unknown_option, usage
from zenbook.errors import ZenbookError, show_short_warnings
from zenbook.stack.flavour import ComponentKind

COMPLETION = "_ZEN_COMPLETE"  # set by the shells' scripts, as Click names it


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="zenbook", prog_name="zenbook")
def zen() -> None:
    """Take a notebook to production without leaving it.

    \b
    zen run train.py:training --param lr=0.3     run a pipeline
    zen runs                                     what ran
    zen show latest                              one run
    """  # noqa: D301  # \\b keeps click from joining the lines


zen.modules = {
    **{kind.cli_name: "component_verbs" for kind in ComponentKind},
    "cancel": "run_verbs",
    "compare": "compare_verbs",
    "completion": "completion",
    "config": "config_verbs",
    "doctor": "workspace_verbs",
    "export": "export_verbs",
    "gc": "cleanup_verbs",
    "init": "workspace_verbs",
    "lineage": "compare_verbs",
    "logs": "run_verbs",
    "note": "query_verbs",
    "panel": "run_verbs",
    "resume": "run_verbs",
    "run": "run_verbs",
    "runs": "cleanup_verbs",
    "show": "run_verbs",
    "sql": "query_verbs",
    "stack": "stack_verbs",
    "star": "query_verbs",
    "status": "workspace_verbs",
    "step": "step_cell_verbs",
    "tag": "query_verbs",
    "why": "run_verbs",
}


def invoke(arguments: Sequence[str], notebook: Notebook | None = None) -> Any:
    """Run a verb. What it raises is raised.

    Args:
        arguments: The words of the command, without ``zen``.
        notebook: The notebook in which the verb is used, None in a shell.

    Returns:
        What the verb returns.

    Raises:
        ZenbookError: The words are not a valid command.
    """
    try:
        with zen.make_context("zen", list(arguments), obj=notebook) as context:
            return zen.invoke(context)
    except click.exceptions.Exit:
        return None
    except click.NoSuchOption as error:
        refused = unknown_option(error)
        raise refused from None
    except click.UsageError as error:
        raise ZenbookError(error.format_message(), usage(error)) from None
    except click.ClickException as error:
        raise ZenbookError(error.format_message()) from None


def main() -> None:
    """Run the shell command ``zen``."""
    if COMPLETION in os.environ:  # the shell asks for completions, or for its script
        zen.main(prog_name="zen")
    show_short_warnings()
    arguments = sys.argv[1:] or ["--help"]
    runs_something = arguments[0] in ("run", "resume")
    try:
        if runs_something:
            _show_progress()
        result = invoke(arguments)
        if result is not None and (
            not runs_something or "--background" in arguments
        ):  # otherwise the progress display has shown it
            click.echo(repr(result))
        sys.stdout.flush()
    except BrokenPipeError:  # `zen runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # the step's own exception: shown with its own frames
        click.echo(_error_text(error), err=True)
        sys.exit(2 if type(error) is ZenbookError else 1)


def _error_text(error: Exception) -> str:
    from zenbook.engine.steps.failure_text import describe_failure

    if not isinstance(error, ZenbookError):
        return describe_failure(error)[1].rstrip()
    return "\n".join(line for line in (error.message, error.hint, *getattr(error, "__notes__", ())) if line)


def _show_progress() -> None:
    import signal

    from zenbook.display.live_terminal import shell_progress
    from zenbook.engine.progress_displays import watch_runs_with

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # `kill`, or a container that ends: the run is recorded as cancelled
    watch_runs_with(lambda view: shell_progress(view, sys.stderr))


__all__ = ["Notebook", "Text", "invoke", "main", "zen"]
