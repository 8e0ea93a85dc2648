"""The verbs that delete runs, and artifacts that no run uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli import completion
from zenbook.cli.run_verbs import runs
from zenbook.cli.tree import ask_first


@runs.command("delete")
@click.argument("references", nargs=-1, required=True, metavar="RUN…", shell_complete=completion.RUN)
@click.option("--yes", "-y", is_flag=True, help="Do not ask, even on a stack for production.")
def runs_delete(references: Sequence[str], yes: bool) -> Any:
    """Delete runs. Their artifacts stay until `zen gc --delete`.

    Example: zen runs delete k3f9a2
    """
    from zenbook.history.garbage_collection import delete_runs

    ask_first(f"Delete {len(references)} run{'s' * (len(references) > 1)}", sure=yes)
    return delete_runs(references)


@click.command()
@click.option("--delete", is_flag=True, help="Delete them. Without this option they are only listed.")
@click.option("--older-than", default="1h", show_default=True, help="Keep what was stored more recently: 30m, 1h, 7d.")
@click.option("--untracked", is_flag=True, help="Also delete files that are not recorded in this metadata store.")
@click.option("--strays", is_flag=True, hidden=True)  # the name of --untracked in earlier releases
@click.option("--force", is_flag=True, help="Also while runs are running.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, even on a stack for production.")
def gc(delete: bool, older_than: str, untracked: bool, strays: bool, force: bool, yes: bool) -> Any:
    """List the artifacts that no run uses; with --delete, delete them.

    Example: zen gc --delete
    """
    from zenbook.history.garbage_collection import collect_garbage

    if delete:
        ask_first("Delete the artifacts that no run uses", sure=yes)
    return collect_garbage(delete=delete, older_than=older_than, untracked=untracked or strays, force=force)


VERBS = (runs, gc)
