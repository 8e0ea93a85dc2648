"""The verbs that ask the history and mark runs: sql, tag, note, star."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zenbook.cli import completion
from zenbook.cli.tree import Text
from zenbook.errors import QueryError


@click.command()
@click.argument("query", required=False)
@click.option("--schema", "-s", is_flag=True, help="Show the views that there are, with their columns.")
@click.option("--param", "-p", "params", multiple=True, metavar="K=V", help="The value of $K in the query, as text.")
@click.option("--allow-files", is_flag=True, help="Let the query read files of this machine too.")
def sql(query: str | None, schema: bool, params: Sequence[str], allow_files: bool) -> Any:
    """Ask all runs, parameters, metrics and artifacts in SQL.

    \b
    zen sql "select id, params.lr, metrics.accuracy from runs order by 3 desc limit 10"
    zen sql "select * from artifact('latest', 'split', 'test') limit 5"
    zen sql --schema
    """  # noqa: D301
    from zenbook.history.sql import query as queries

    if schema:
        return queries.schema()
    if query is None:
        raise QueryError("What is to be asked?", 'zen sql "select * from runs limit 5", or zen sql --schema.')
    values = {}
    for one in params:
        name, equals, value = one.partition("=")
        if not equals:
            raise QueryError(f"The parameter {one!r} has no value.", "Write it as --param name=value.")
        values[name.strip()] = value
    return queries.sql(query, values, allow_files=allow_files)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.argument("tags", nargs=-1, required=True, metavar="TAG…")
@click.option("--remove", is_flag=True, help="Take them off.")
def tag(run_id: str, tags: Sequence[str], remove: bool) -> Text:
    """Put tags on a run.

    Example: zen tag latest baseline
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    (found.untag if remove else found.tag)(*tags)
    return Text(f"Run {found.id} has {', '.join(found.marks.tags) or 'no tags'}.")


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.argument("text", nargs=-1, metavar="[TEXT]")
@click.option("--remove", is_flag=True, help="Take it away.")
def note(run_id: str, text: Sequence[str], remove: bool) -> Text:
    """Write a note on a run, or read it.

    Example: zen note latest "the first with the new labels"
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    if text or remove:
        found.note("" if remove else " ".join(text))
    return Text(found.marks.note or "(no note)")


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.RUN)
@click.option("--remove", is_flag=True, help="Take it away.")
def star(run_id: str, remove: bool) -> Text:
    """Give a run a star.

    Example: zen star latest
    """
    from zenbook.history.runs import find_run

    found = find_run(run_id)
    (found.unstar if remove else found.star)()
    return Text(f"Run {found.id} has {'no' if remove else 'a'} star.")


VERBS = (sql, tag, note, star)
