"""The verbs that compare runs and trace artifacts: compare, lineage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli import completion


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="RUN RUN…", shell_complete=completion.RUN)
@click.option("--all", "everything", is_flag=True, help="Also show what is equal.")
@click.option("--key", default=None, metavar="COLUMN", help="The column that identifies a row in a data frame.")
def compare(references: Sequence[str], everything: bool, key: str | None) -> Any:
    """Show what differs between runs: parameters, metrics, code, environment, outputs.

    The first run is the baseline.

    Example: zen compare training@prod latest
    """
    from zenbook.history.comparison.compare import compare as compare_runs
    from zenbook.history.comparison.run_data import read_run_data
    from zenbook.history.references import find_record

    return compare_runs(read_run_data([find_record(reference) for reference in references]), all=everything, key=key)


@click.command()
@click.argument("what", metavar="FILE | DIGEST | RUN.STEP.OUTPUT")
@click.option("--runs", is_flag=True, help="List the runs that created or used it.")
def lineage(what: str, *, runs: bool) -> Any:
    """Show where an artifact or a file comes from, and which runs used it.

    Example: zen lineage latest.split.train
    """
    from zenbook.history.lineage.lineage import lineage as find_lineage

    result = find_lineage(what)
    return result.used_in if runs else result


VERBS = (compare, lineage)
