"""The verbs on runs: run, look back, resume, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli import completion
from zenbook.cli.pipeline_argument import place_for
from zenbook.cli.tree import Notebook, Text, Tree, needed
from zenbook.errors import RunError


@click.command()
@click.argument("target", required=False, metavar="[PIPELINE | FILE[:PIPELINE]]", shell_complete=completion.TARGET)
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="K=V",
    shell_complete=completion.PARAM,
    help="A parameter; may be repeated.",
)
@click.option(
    "--stack",
    "-s",
    "stack_name",
    default=None,
    shell_complete=completion.STACK,
    help="The stack to run on instead of the active one.",
)
@click.option("--no-cache", is_flag=True, help="Run every step, even if nothing changed.")
@click.option("--background", is_flag=True, help="Don't wait: a process of its own runs it, and outlives this one.")
def run(
    target: str | None,
    params: Sequence[str],
    stack_name: str | None,
    no_cache: bool,
    background: bool,
) -> Any:
    """Run a pipeline: of this notebook, of a module or of a notebook's file.

    \b
    %zen run training --param lr=0.3
    zen run train.py:training -p lr=0.3
    zen run notebook.ipynb
    """  # noqa: D301
    place, name = place_for(target)
    return place.find(name).run(pairs_of(params), stack=stack_name, cache=not no_cache, background=background)


def pairs_of(pairs: Sequence[str]) -> dict[str, str]:
    """Parameters given as ``name=value``. Raises `RunError` for one without a value."""
    for one in pairs:
        if "=" not in one:
            raise RunError(f"The parameter {one!r} has no value.", "Write it as --param name=value.")
    return {name.strip(): value for name, _, value in (one.partition("=") for one in pairs)}


@click.group(cls=Tree, invoke_without_command=True)
@click.option("--pipeline", "-p", default=None, shell_complete=completion.PIPELINE, help="Only runs of this pipeline.")
@click.option(
    "--state", default=None, shell_complete=completion.STATE, help="Only runs in this state: succeeded, failed, …"
)
@click.option("--where", default=None, metavar="SQL", help="Only those: 'metrics.accuracy > 0.9 and params.lr < 0.1'.")
@click.option("--order-by", default=None, metavar="SQL", help="In this order; -metrics.accuracy for the largest first.")
@click.option("--limit", "-n", default=20, show_default=True, help="How many at most.")
@click.pass_context
def runs(
    ctx: click.Context, pipeline: str | None, state: str | None, where: str | None, order_by: str | None, limit: int
) -> Any:
    """The recorded runs, newest first.

    \b
    zen runs --pipeline training -n 5
    zen runs --where "metrics.accuracy > 0.9" --order-by=-metrics.accuracy
    """  # noqa: D301
    from zenbook.history.runs import runs

    if ctx.invoked_subcommand is not None:
        return None
    return runs(pipeline, state=state, where=where, order_by=order_by, limit=limit)


@click.command()
@click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.RUN)
@click.argument("step", required=False, shell_complete=completion.STEP)
def show(run_id: str | None, step: str | None) -> Any:
    """One run, or one of its steps. RUN is an id, a part of one, a pipeline's name or `latest`.

    Example: zen show latest fit
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    return found if step is None else found.steps[step]


@click.command()
@click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.RUN)
@click.argument("step", required=False, shell_complete=completion.STEP)
def logs(run_id: str | None, step: str | None) -> Text:
    """What a run's steps printed and logged.

    Example: zen logs latest fit
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    return Text((found.logs if step is None else found.steps[step].logs).rstrip("\n") or "(nothing was printed)")


@click.command()
@click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.RUN)
@click.argument("step", required=False, shell_complete=completion.STEP)
def why(run_id: str | None, step: str | None) -> Any:
    """Why each step ran or was served from the cache.

    Example: zen why latest fit
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    if step is None:
        return found.why
    return found.steps[step].explanation


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
def resume(run_id: str) -> Any:
    """Run a run's plan again; what succeeded comes from the cache.

    Example: zen resume k3f9a2
    """
    from zenbook.history.runs import find_run

    return find_run(run_id).resume()


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
def cancel(run_id: str) -> Text:
    """Interrupt a run that goes on in another process of this machine.

    Example: zen cancel latest
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    found.cancel()
    return Text(f"Run {found.id} was asked to stop.")


@click.command()
@click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.PANEL)
@click.pass_obj
def panel(notebook: Notebook | None, run_id: str | None) -> None:
    """Show the stacks to pick from; with a run, that run, whose steps can be opened; with `runs`, the history.

    Example: %zen panel latest
    """
    if run_id is None:
        needed(notebook).open_stack_panel()
        return
    from zenbook.history.runs import find_run

    if run_id == "runs":
        needed(notebook).open_history()
        return
    needed(notebook).open_panel(find_run(run_id))


VERBS = (run, show, logs, why, panel, resume, cancel)
