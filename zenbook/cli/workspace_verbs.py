"""The verbs on the workspace: init, status, doctor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zenbook.cli.tree import Text
from zenbook.errors import ZenbookError

if TYPE_CHECKING:
    from zenbook.display.table import Table


@click.command()
@click.option(
    "--path", type=click.Path(path_type=Path, file_okay=False), default=None, help="The folder that will contain .zen."
)
def init(path: Path | None) -> Text:
    """Choose where the workspace is. Without this verb it is created in the current folder on first use.

    Example: zen init --path ~/experiments
    """
    from zenbook.stack.workspace import FOLDER, Workspace

    folder = (path or Path.cwd()).expanduser().absolute()
    workspace = Workspace(folder / FOLDER)
    existed = workspace.exists
    workspace.ensure()
    lines = [f"{'Using the' if existed else 'Created a'} workspace {workspace.home}"]
    os.environ.pop("ZENBOOK_WORKSPACE", None)
    if Workspace.find().home != workspace.home:
        os.environ["ZENBOOK_WORKSPACE"] = str(workspace.home)
        lines.append(f"For other shells and kernels: export ZENBOOK_WORKSPACE={workspace.home}")
    return Text("\n".join(lines))


@click.command()
def status() -> Table:
    """Show the workspace, the active stack and the last run.

    Example: zen status
    """
    from zenbook.display.table import Table
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import Stack, open_stack
    from zenbook.stack.workspace import Workspace

    workspace = Workspace.find()
    stack = Stack.named()
    rows: list[tuple[str, object]] = [
        ("workspace", f"{workspace.home}{'' if workspace.exists else ' (created on first use)'}"),
        ("stack", stack.label),
        ("artifact store", stack.artifact_store),
        ("metadata store", stack.metadata_store),
        ("orchestrator", stack.orchestrator),
    ]
    notes: tuple[str, ...] = ()
    if workspace.exists:
        try:
            opened = open_stack()
            rows[4] = ("orchestrator", f"{stack.orchestrator}: {opened.orchestrator.describe()}")
            rows[3] = ("metadata store", f"{stack.metadata_store}: {opened.metadata.describe()}")
            last = opened.metadata.runs(RunQuery(limit=1))
            rows.append(("last run", f"{last[0].id} {last[0].pipeline} {last[0].state}" if last else "none yet"))
        except ZenbookError as error:  # the status is needed most when something is wrong
            rows.append(("trouble", error.message))
            notes = (error.hint,) if error.hint else ()
    return Table("Status", ("what", "is"), rows, wide_last=True, notes=notes)


@click.command()
def doctor() -> Table:
    """Check Python, the kernel, the workspace and the active stack.

    Example: zen doctor
    """
    from zenbook.history.doctor import examine

    return examine()


VERBS = (init, status, doctor)
