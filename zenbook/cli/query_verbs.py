"""The verbs that query the history and mark runs: sql, tag, note, star."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from zenbook.cli import completion
from zenbook.cli.tree import Text
from zenbook.errors import QueryError


@click.command()
@click.argument("query", required=False)
@click.option("--schema", "-s", is_flag=True, help="List the views and their columns.")
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="K=V",
    help="The value of $K in the query, as text; may be repeated.",
)
@click.option("--allow-files", is_flag=True, help="Allow the query to read files of this machine.")
def sql(query: str | None, schema: bool, params: Sequence[str], allow_files: bool) -> Any:
    """Query all runs, parameters, metrics and artifacts in SQL.

    \b
    zen sql "select id, params.lr, metrics.accuracy from runs order by 3 desc limit 10"
    zen sql "select * from artifact('latest', 'split', 'test') limit 5"
    zen sql --schema
    """  # noqa: D301
    from zenbook.history.sql import query as queries

    if schema:
        return queries.schema()
    if query is None:
        raise QueryError("No query given.", 'Try zen sql "select * from runs limit 5", or zen sql --schema.')
    return queries.sql(query, _query_values(params), allow_files=allow_files)


@dataclass(frozen=True, slots=True)
class SqlCell:
    """The first line of a cell that starts with ``%%zen sql``."""

    name: str | None  # the variable that gets the result; without it the result is shown
    values: dict[str, str]  # of the query's parameters
    allow_files: bool


def read_sql_cell(line: str) -> SqlCell:
    """Read the words behind ``%%zen``, with the options of the verb `sql`.

    Args:
        line: The rest of the cell's first line.

    Returns:
        The name and the options.

    Raises:
        QueryError: If the line is not ``sql [NAME]`` with options of the verb.
    """
    try:
        verb, *words = shlex.split(line)
        with sql.make_context("%%zen sql", words, help_option_names=[]) as context:
            name, options = context.params["query"], context.params
        is_valid = verb == "sql" and not options["schema"] and (name is None or name.isidentifier())
    except (click.UsageError, ValueError):
        is_valid = False
    if not is_valid:
        raise QueryError(f"A cell cannot start with %%zen {line.strip()}.", "Write %%zen sql [NAME] [--allow-files].")
    return SqlCell(name, _query_values(options["params"]), options["allow_files"])


def _query_values(params: Sequence[str]) -> dict[str, str]:
    values = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals:
            raise QueryError(f"The parameter {pair!r} has no value.", "Write it as --param name=value.")
        values[name.strip()] = value
    return values


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.argument("tags", nargs=-1, required=True, metavar="TAG…")
@click.option("--remove", is_flag=True, help="Remove the tags instead.")
def tag(run_id: str, tags: Sequence[str], remove: bool) -> Text:
    """Add tags to a run.

    Example: zen tag latest baseline
    """
    from zenbook.history.runs import find_run

    run = find_run(run_id)
    (run.untag if remove else run.tag)(*tags)
    return Text(f"Run {run.id} has {', '.join(run.marks.tags) or 'no tags'}.")


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.argument("text", nargs=-1, metavar="[TEXT]")
@click.option("--remove", is_flag=True, help="Remove it instead.")
def note(run_id: str, text: Sequence[str], remove: bool) -> Text:
    """Write a note about a run, or show it.

    Example: zen note latest "the first with the new labels"
    """
    from zenbook.history.runs import find_run

    run = find_run(run_id)
    if text or remove:
        run.note("" if remove else " ".join(text))
    return Text(run.marks.note or "(no note)")


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.option("--remove", is_flag=True, help="Remove it instead.")
def star(run_id: str, remove: bool) -> Text:
    """Give a run a star.

    Example: zen star latest
    """
    from zenbook.history.runs import find_run

    run = find_run(run_id)
    (run.unstar if remove else run.star)()
    return Text(f"Run {run.id} has {'no' if remove else 'a'} star.")


VERBS = (sql, tag, note, star)
