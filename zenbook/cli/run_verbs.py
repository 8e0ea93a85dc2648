"""The verbs on runs: run, runs, show, logs, why, resume, cancel, panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.pipeline_argument import place_for
from zenbook.cli.tree import Notebook, Text, Tree, needed
from zenbook.errors import RunError

if TYPE_CHECKING:
    from zenbook.history.run import Run
    from zenbook.history.step_runs import StepRun


@click.command()
@click.argument("target", required=False, metavar="[PIPELINE | FILE[:PIPELINE]]", shell_complete=completion.TARGET)
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="K=V",
    shell_complete=completion.PARAM,
    help="The value of a parameter; may be repeated.",
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
@click.option(
    "--background", is_flag=True, help="Do not wait: run it in a process of its own, which outlives this one."
)
def run(
    target: str | None,
    params: Sequence[str],
    stack_name: str | None,
    no_cache: bool,
    background: bool,
) -> Any:
    """Run a pipeline of this notebook, of a module or of a notebook file.

    \b
    %zen run training --param lr=0.3
    zen run train.py:training -p lr=0.3
    zen run notebook.ipynb
    """  # noqa: D301
    place, name = place_for(target)
    return place.find(name).run(pairs_of(params), stack=stack_name, cache=not no_cache, background=background)


def pairs_of(pairs: Sequence[str]) -> dict[str, str]:
    """Read parameters.

    Args:
        pairs: Each as ``name=value``.

    Returns:
        The values, as text, by the parameters' names.

    Raises:
        RunError: A parameter has no value.
    """
    for pair in pairs:
        if "=" not in pair:
            raise RunError(f"The parameter {pair!r} has no value.", "Write it as --param name=value.")
    return {name.strip(): value for name, _, value in (pair.partition("=") for pair in pairs)}


@click.group(cls=Tree, invoke_without_command=True)
@click.option("--pipeline", "-p", default=None, shell_complete=completion.PIPELINE, help="Only runs of this pipeline.")
@click.option(
    "--state", default=None, shell_complete=completion.STATE, help="Only runs in this state: succeeded, failed, …"
)
@click.option(
    "--where",
    default=None,
    metavar="SQL",
    help="A condition: 'metrics.accuracy > 0.9 and params.lr < 0.1'.",
)
@click.option("--order-by", default=None, metavar="SQL", help="The order; -metrics.accuracy puts the largest first.")
@click.option("--limit", "-n", default=20, show_default=True, help="The largest number of runs to list.")
@click.pass_context
def runs(
    ctx: click.Context, pipeline: str | None, state: str | None, where: str | None, order_by: str | None, limit: int
) -> Any:
    """List the recorded runs, newest first.

    \b
    zen runs --pipeline training -n 5
    zen runs --where "metrics.accuracy > 0.9" --order-by=-metrics.accuracy
    """  # noqa: D301
    from zenbook.history.runs import runs

    if ctx.invoked_subcommand is not None:
        return None
    return runs(pipeline, state=state, where=where, order_by=order_by, limit=limit)


def _takes_run_and_step(verb: Callable[[Run, StepRun | None], Any]) -> Callable[..., Any]:
    """Give a verb the arguments RUN and STEP; it is called with the run, and the step run if a step is named."""

    @click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.RUN)
    @click.argument("step", required=False, shell_complete=completion.STEP)
    @wraps(verb)
    def find_and_call(run_id: str | None, step: str | None) -> Any:
        from zenbook.history.runs import find_run

        run = find_run(run_id)
        return verb(run, None if step is None else run.steps[step])

    return find_and_call


@click.command()
@_takes_run_and_step
def show(run: Run, step: StepRun | None) -> Any:
    """Show a run, or one of its steps. RUN is an id, a part of one, a pipeline's name or `latest`.

    Example: zen show latest fit
    """
    return run if step is None else step


@click.command()
@_takes_run_and_step
def logs(run: Run, step: StepRun | None) -> Text:
    """Show what a run's steps printed and logged.

    Example: zen logs latest fit
    """
    return Text((run if step is None else step).logs.rstrip("\n") or "(nothing was printed)")


@click.command()
@_takes_run_and_step
def why(run: Run, step: StepRun | None) -> Any:
    """Show why each step ran or was served from the cache.

    Example: zen why latest fit
    """
    return run.why if step is None else step.explanation


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
def resume(run_id: str) -> Any:
    """Run the plan of a run again; steps that succeeded come from the cache.

    Example: zen resume k3f9a2
    """
    from zenbook.history.runs import find_run

    return find_run(run_id).resume()


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
def cancel(run_id: str) -> Text:
    """Stop a run that is running in another process of this machine.

    Example: zen cancel latest
    """
    from zenbook.history.runs import find_run

    run = find_run(run_id)
    run.cancel()
    return Text(f"Run {run.id} was asked to stop.")


@click.command()
@click.argument("run_id", metavar="RUN", required=False, shell_complete=completion.PANEL)
@click.pass_obj
def panel(notebook: Notebook | None, run_id: str | None) -> None:
    """Open a panel: of the stacks, of a run with its steps, or with `runs` of the history.

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
