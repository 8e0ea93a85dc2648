"""The command tree: the shell command ``zen``, the magic ``%zen`` and the panels' buttons drive the same verbs.

Each verb returns an object that draws itself. In a notebook ``ctx.obj`` is the notebook, as a `Place`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from zenbook.errors import RunError, StackError, ZenbookError, did_you_mean

if TYPE_CHECKING:
    from zenbook.runs.table import Table
    from zenbook.runs.targets import Place


class Notebook(Protocol):
    """What the verbs ask of the notebook that they are used in."""

    @property
    def place(self) -> Place:
        """Where pipelines are looked for."""

    def steps(self) -> Table:
        """The notebook's step cells."""

    def drop_step(self, name: str) -> str:
        """Take a cell's step out of the notebook's pipeline."""


class Text(str):
    """A text that shows itself as it is, and not as a quoted string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Tree(click.Group):
    """A group that suggests close matches for a misspelt verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            known = [one for one in self.list_commands(ctx) if not self.commands[one].hidden]
            hint = did_you_mean(name, known, noun="verb")
            raise ZenbookError(f"There is no verb {f'{ctx.info_name} {name}'.removeprefix('zen ')!r}.", hint)
        return super().resolve_command(ctx, args)


_Tree.group_class = _Tree


@click.group(cls=_Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="zenbook", prog_name="zenbook")
def zen() -> None:
    """Take a notebook to production without leaving it.

    \b
    zen run train.py:training --param lr=0.3     run a pipeline
    zen runs                                     what ran
    zen show latest                              one run
    """  # noqa: D301  # \\b keeps click from joining the lines


@zen.command()
@click.option("--path", type=click.Path(path_type=Path, file_okay=False), default=None, help="The folder to hold .zen.")
def init(path: Path | None) -> Text:
    """Choose where the workspace is. Without this it makes itself in the current folder on first use.

    Example: zen init --path ~/experiments
    """
    from zenbook.stack.workspace import FOLDER, Workspace

    folder = (path or Path.cwd()).expanduser().absolute()
    workspace = Workspace(folder / FOLDER)
    existed = workspace.exists
    workspace.ensure()
    lines = [f"{'Using the' if existed else 'Made a'} workspace {workspace.home}"]
    os.environ.pop("ZENBOOK_WORKSPACE", None)
    if Workspace.find().home != workspace.home:
        os.environ["ZENBOOK_WORKSPACE"] = str(workspace.home)
        lines.append(f"For other shells and kernels: export ZENBOOK_WORKSPACE={workspace.home}")
    return Text("\n".join(lines))


@zen.command()
def status() -> Table:
    """Where we are: workspace, active stack, last run.

    Example: zen status
    """
    from zenbook.runs.table import Table
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import Stack, open_stack
    from zenbook.stack.workspace import Workspace

    workspace = Workspace.find()
    stack = Stack.named()
    rows: list[tuple[str, object]] = [
        ("workspace", f"{workspace.home}{'' if workspace.exists else ' (made on first use)'}"),
        ("stack", stack.name),
        ("artifact store", stack.artifact_store),
        ("metadata store", stack.metadata_store),
        ("orchestrator", stack.orchestrator),
    ]
    if workspace.exists:
        opened = open_stack()
        rows[3] = ("metadata store", f"{stack.metadata_store}: {opened.metadata.describe()}")
        rows[4] = ("orchestrator", f"{stack.orchestrator}: {opened.orchestrator.describe()}")
        last = opened.metadata.runs(RunQuery(limit=1))
        rows.append(("last run", f"{last[0].id} {last[0].pipeline} {last[0].state}" if last else "none yet"))
    return Table("Status", ("what", "is"), rows, wide_last=True)


@zen.group(cls=_Tree)
def stack() -> None:
    """The stacks: which stores and which orchestrator a run uses.

    Example: zen stack use prod
    """


@stack.command("list")
def stack_list() -> Table:
    """All stacks; the active one has a star.

    Example: zen stack list
    """
    from zenbook.runs.table import Table
    from zenbook.stack.stack import Stack, active_name, stack_names

    stacks = [Stack.named(name) for name in stack_names()]
    rows = [
        ("*" if one.name == active_name() else "", one.name, one.artifact_store, one.metadata_store, one.orchestrator)
        for one in stacks
    ]
    return Table("Stacks", ("", "stack", "artifact store", "metadata store", "orchestrator"), rows)


@stack.command("describe")
@click.argument("name", required=False)
def stack_describe(name: str | None) -> Table:
    """One stack's components, the active one's without a name.

    Example: zen stack describe prod
    """
    from zenbook.runs.table import Table
    from zenbook.stack.stack import open_stack

    opened = open_stack(name)
    chosen = opened.stack
    rows = [
        ("stack", chosen.name, ""),
        ("artifact store", chosen.artifact_store, opened.artifacts.describe()),
        ("metadata store", chosen.metadata_store, opened.metadata.describe()),
        ("orchestrator", chosen.orchestrator, opened.orchestrator.describe()),
    ]
    return Table(f"Stack {chosen.name}", ("what", "name", "is"), rows, wide_last=True)


@stack.command("use")
@click.argument("name", required=False)
@click.option("--stack_name", "--stack-name", "other", default=None, hidden=True)
def stack_use(name: str | None, other: str | None) -> Table:
    """Switch to a stack; shows what changes.

    Example: zen stack use prod
    """
    from zenbook.runs.table import Table
    from zenbook.stack.stack import Stack
    from zenbook.stack.workspace import Workspace

    chosen = name or other
    if chosen is None:
        raise ZenbookError("Which stack?", "Name it: zen stack use NAME. See `zen stack list`.")
    forced = os.environ.get("ZENBOOK_STACK")
    if forced and forced != chosen:
        raise StackError(
            f"The variable ZENBOOK_STACK says {forced!r}, which wins over `zen stack use`.", "Unset it first."
        )
    old, new = Stack.named(), Stack.named(chosen)
    Workspace.find().set_active(chosen)
    fields = ("artifact_store", "metadata_store", "orchestrator")
    rows = [(one.replace("_", " "), getattr(old, one), "→", getattr(new, one)) for one in fields]
    return Table(f"Stack {chosen} is active", ("what", "before", "", "now"), rows)


@stack.command("get")
def stack_get() -> Text:
    """The name of the active stack.

    Example: zen stack get
    """
    from zenbook.stack.stack import active_name

    return Text(active_name())


stack.add_command(click.Command("set", callback=stack_use.callback, params=stack_use.params, hidden=True))


@zen.command()
@click.argument("target", required=False, metavar="[PIPELINE | FILE[:PIPELINE]]")
@click.option("--param", "-p", "params", multiple=True, metavar="K=V", help="A parameter; may be repeated.")
@click.option("--stack", "-s", "stack_name", default=None, help="The stack to run on instead of the active one.")
@click.option("--no-cache", is_flag=True, help="Run every step, even if nothing changed.")
@click.pass_context
def run(ctx: click.Context, target: str | None, params: Sequence[str], stack_name: str | None, no_cache: bool) -> Any:
    """Run a pipeline: of this notebook, of a module or of a notebook's file.

    \b
    %zen run training --param lr=0.3
    zen run train.py:training -p lr=0.3
    zen run notebook.ipynb
    """  # noqa: D301
    from zenbook.runs.targets import find_target

    notebook: Notebook | None = ctx.obj
    if notebook is not None and (target is None or not target.partition(":")[0].endswith((".py", ".ipynb"))):
        runnable = notebook.place.find(target)
    elif target is not None:
        runnable = find_target(target)
    else:
        raise RunError("What is to run?", "Name a file: zen run train.py:training, or zen run notebook.ipynb.")
    return runnable.run(_params(params), stack=stack_name, cache=not no_cache)


def _params(pairs: Sequence[str]) -> dict[str, str]:
    for one in pairs:
        if "=" not in one:
            raise RunError(f"The parameter {one!r} has no value.", "Write it as --param name=value.")
    return {name.strip(): value for name, _, value in (one.partition("=") for one in pairs)}


@zen.command()
@click.option("--pipeline", "-p", default=None, help="Only runs of this pipeline.")
@click.option("--state", default=None, help="Only runs in this state: succeeded, failed, …")
@click.option("--limit", "-n", default=20, show_default=True, help="How many at most.")
def runs(pipeline: str | None, state: str | None, limit: int) -> Any:
    """The recorded runs, newest first.

    Example: zen runs --pipeline training -n 5
    """
    from zenbook.runs.history import list_runs

    return list_runs(pipeline, state=state, limit=limit)


@zen.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.argument("step", required=False)
def show(run_id: str | None, step: str | None) -> Any:
    """One run, or one of its steps. RUN is an id, a part of one, a pipeline's name or `latest`.

    Example: zen show latest fit
    """
    from zenbook.runs.history import find_run

    found = find_run(run_id)
    return found if step is None else found.steps[step]


@zen.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.argument("step", required=False)
def logs(run_id: str | None, step: str | None) -> Text:
    """What a run's steps printed and logged.

    Example: zen logs latest fit
    """
    from zenbook.runs.history import find_run

    found = find_run(run_id)
    return Text((found.logs if step is None else found.steps[step].logs).rstrip("\n") or "(nothing was printed)")


@zen.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.argument("step", required=False)
def why(run_id: str | None, step: str | None) -> Any:
    """Why each step ran or was served from the cache.

    Example: zen why latest fit
    """
    from zenbook.runs.history import find_run

    found = find_run(run_id)
    if step is None:
        return found.why
    one = found.steps[step]
    return Text(f"{one.name} {one.state}: {one.why}")


@zen.command()
@click.argument("run_id", metavar="RUN")
def resume(run_id: str) -> Any:
    """Run a run's plan again; what succeeded comes from the cache.

    Example: zen resume k3f9a2
    """
    from zenbook.runs.history import find_run

    return find_run(run_id).resume()


@zen.command()
@click.argument("run_id", metavar="RUN")
def cancel(run_id: str) -> Text:
    """Interrupt a run that goes on in another process of this machine.

    Example: zen cancel latest
    """
    from zenbook.runs.history import find_run

    found = find_run(run_id)
    found.cancel()
    return Text(f"Run {found.id} was asked to stop.")


@zen.group(cls=_Tree)
def step() -> None:
    """The step cells (%%step) of this notebook.

    Example: %zen step list
    """


@step.command("list")
@click.pass_obj
def step_list(notebook: Notebook | None) -> Table:
    """The notebook's step cells in order.

    Example: %zen step list
    """
    return _needed(notebook).steps()


@step.command("drop")
@click.argument("name")
@click.pass_obj
def step_drop(notebook: Notebook | None, name: str) -> Text:
    """Take a cell's step out of the notebook's pipeline.

    Example: %zen step drop fit
    """
    return Text(_needed(notebook).drop_step(name))


def _needed(notebook: Notebook | None) -> Notebook:
    if notebook is None:
        raise ZenbookError("Step cells live in a notebook.", "Use %zen step in the notebook.")
    return notebook


@zen.command()
def doctor() -> Table:
    """Check Python, the kernel, the workspace and the active stack.

    Example: zen doctor
    """
    from zenbook.runs.doctor import examine

    return examine()


def invoke(arguments: Sequence[str], notebook: Notebook | None = None) -> Any:
    """Run a verb and give what it returns.

    Raises `ZenbookError` for a mistake in the words, and whatever the verb raises.
    """
    try:
        with zen.make_context("zen", list(arguments), obj=notebook) as context:
            return zen.invoke(context)
    except click.exceptions.Exit:
        return None
    except click.NoSuchOption as error:
        hint = did_you_mean(error.option_name, error.possibilities or [])
        raise ZenbookError(f"There is no option {error.option_name!r}.", hint or _usage(error)) from None
    except click.UsageError as error:
        raise ZenbookError(error.format_message(), _usage(error)) from None
    except click.ClickException as error:
        raise ZenbookError(error.format_message()) from None


def _usage(error: click.UsageError) -> str:
    return error.ctx.get_usage() if error.ctx is not None else ""


def main() -> None:
    """The shell command."""
    arguments = sys.argv[1:] or ["--help"]
    runs_something = arguments[0] in ("run", "resume")
    try:
        if runs_something:
            _watch()
        result = invoke(arguments)
        if result is not None and not runs_something:  # of a run all has been shown
            click.echo(repr(result))
        sys.stdout.flush()
    except BrokenPipeError:  # `zen runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # a step's own: shown with its own frames
        click.echo(_told(error), err=True)
        sys.exit(2 if type(error) is ZenbookError else 1)


def _told(error: Exception) -> str:
    from zenbook.runs.failures import describe_failure

    if not isinstance(error, ZenbookError):
        return describe_failure(error)[1].rstrip()
    return "\n".join(one for one in (error.message, error.hint, *getattr(error, "__notes__", ())) if one)


def _watch() -> None:
    import signal

    from zenbook.runs.terminal import TerminalProgress
    from zenbook.runs.watching import watch_runs_with

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # `kill`, a container's end: the run is recorded as cancelled
    watch_runs_with(lambda view: TerminalProgress(view, sys.stderr))


__all__ = ["Notebook", "Text", "invoke", "main", "zen"]
