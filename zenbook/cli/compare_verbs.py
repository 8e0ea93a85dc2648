"""The verbs that set runs side by side: compare, lineage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli import completion


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="RUN RUN…", shell_complete=completion.RUN)
@click.option("--all", "everything", is_flag=True, help="Also what is the same.")
@click.option("--key", default=None, metavar="COLUMN", help="The column by which rows of frames belong together.")
def compare(references: Sequence[str], everything: bool, key: str | None) -> Any:
    """What differs between runs: parameters, metrics, code, environment, outputs. The first is the yardstick.

    Example: zen compare training@prod latest
    """
    from zenbook.history.comparison.compare import compare as compare_runs
    from zenbook.history.comparison.run_data import read_run_data
    from zenbook.history.references import find_record

    return compare_runs(read_run_data([find_record(reference) for reference in references]), all=everything, key=key)


@click.command()
@click.argument("what", metavar="FILE | DIGEST | RUN.STEP.OUTPUT")
@click.option("--runs", is_flag=True, help="List the runs that made or used it.")
def lineage(what: str, *, runs: bool) -> Any:
    """Where an artifact or a file comes from, and which runs used it.

    Example: zen lineage latest.split.train
    """
    from zenbook.history.lineage.lineage import lineage as look_up

    found = look_up(what)
    return found.used_in if runs else found


VERBS = (compare, lineage)
