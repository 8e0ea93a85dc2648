"""``zen export TARGET``: a pipeline as files for another machinery. Each exporter that is installed is a verb."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zenbook.cli import completion
from zenbook.cli.pipeline_argument import place_for
from zenbook.cli.run_verbs import pairs_of
from zenbook.cli.tree import Tree
from zenbook.errors import RunError, ZenbookError, did_you_mean

if TYPE_CHECKING:
    from zenbook.core.plan import Plan
    from zenbook.exporters.base import Exporter


_RUN = re.compile(r"\d{8}-\d{6}-\w+")  # as `new_run_id` makes them


class Exporters(Tree):
    """The exporters as verbs, loaded when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        from zenbook.exporters.base import exporter_names

        return list(exporter_names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of one exporter."""
        from zenbook.exporters.base import find_exporter

        if cmd_name not in self.commands and cmd_name in self.list_commands(ctx):
            self.add_command(_command(find_exporter(cmd_name)))
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the words mean. Raises `ZenbookError` with close matches when there is none."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise ZenbookError(
                f"There is no exporter {name!r}.", did_you_mean(name, self.list_commands(ctx), noun="exporter")
            )
        return click.Group.resolve_command(self, ctx, args)


@click.group(cls=Exporters)
def export() -> None:
    """Write a pipeline as files for another machinery.

    Example: zen export airflow train.py:training --to dags/training
    """


def _command(exporter: Exporter) -> click.Command:
    options = [
        click.Argument(["target"], required=False, metavar="[PIPELINE | RUN | FILE[:PIPELINE]]"),
        click.Option(
            ["--to"], required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder to write."
        ),
        click.Option(
            ["--check"], is_flag=True, help="Write nothing: say what would change, and exit 1 if anything would."
        ),
        click.Option(
            ["--static"],
            is_flag=True,
            help="Execute nothing of a notebook's file but imports, definitions and constants.",
        ),
        click.Option(
            ["--param", "-p", "params"], multiple=True, metavar="K=V", help="A parameter's value; may be repeated."
        ),
        click.Option(
            ["--stack", "-s", "stack_name"],
            default=None,
            shell_complete=completion.STACK,
            help="The stack whose stores keep what is passed to the pipeline.",
        ),
    ]
    for name, field in exporter.options.model_fields.items():
        several = field.annotation is not None and "tuple" in str(field.annotation)
        options.append(
            click.Option(
                [f"--{name.removesuffix('s') if several else name}".replace("_", "-"), name],
                multiple=several,
                default=None,
                show_default=False,
                help=field.description,
            )
        )

    def export_to(
        target: str | None,
        to: Path,
        check: bool,
        static: bool,
        params: Sequence[str],
        stack_name: str | None,
        **chosen: Any,
    ) -> Any:
        from zenbook.exporters.base import check_export, make_files, write_export

        folder = to.expanduser().absolute()  # a notebook's file is executed in its own folder
        if target is not None and _RUN.fullmatch(target):
            plan = _plan_of_run(target, as_it_was=not (params or stack_name or static))
        else:
            place, name = place_for(target)
            runnable = (place.analysed() if static else place).find(name)
            plan = runnable.plan(pairs_of(params), stack=stack_name)
        files = make_files(exporter, plan, {key: one for key, one in chosen.items() if one not in (None, ())})
        return check_export(files, folder) if check else write_export(files, folder)

    example = f"zen export {exporter.name} train.py:training --to DIR"
    return click.Command(
        exporter.name,
        callback=export_to,
        params=options,
        help=f"Export a pipeline as {exporter.summary}.\n\nExample: {example}",
        short_help=exporter.summary,
    )


def _plan_of_run(run: str, *, as_it_was: bool) -> Plan:
    from zenbook.history.runs import find_run

    if not as_it_was:
        raise RunError(f"Run {run} is exported as it was.", "Name its pipeline to give it other values.")
    return find_run(run).plan


VERBS = (export,)
