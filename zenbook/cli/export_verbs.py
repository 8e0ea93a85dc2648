"""``zen export``: a pipeline as files for another tool. Each exporter that is installed is a verb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    """The exporters as verbs, loaded on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the exporters.

        Args:
            ctx: The context of the group.

        Returns:
            Their names, sorted.
        """
        from zenbook.exporters.base import exporter_names

        return list(exporter_names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load an exporter and make its verb.

        Args:
            ctx: The context of the group.
            cmd_name: The exporter's name.

        Returns:
            The verb, None if the exporter is not installed.
        """
        from zenbook.exporters.base import find_exporter

        if cmd_name not in self.commands and cmd_name in self.list_commands(ctx):
            self.add_command(_command(find_exporter(cmd_name)))
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the exporter that is named, as Click's own method.

        Args:
            ctx: The context of the group.
            args: The words after the group.

        Returns:
            The exporter's name, its verb, and the words after it.

        Raises:
            ZenbookError: The exporter is not installed.
        """
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise ZenbookError(
                f"Unknown exporter {name!r}.", did_you_mean(name, self.list_commands(ctx), noun="exporter")
            )
        return click.Group.resolve_command(self, ctx, args)


@click.group(cls=Exporters)
def export() -> None:
    """Export a pipeline to another tool.

    Example: zen export airflow train.py:training --to dags/training
    """


def _command(exporter: Exporter) -> click.Command:
    def export_to(
        target: str | None,
        to: Path,
        check: bool,
        static: bool,
        params: Sequence[str],
        stack_name: str | None,
        **options: Any,
    ) -> Any:
        from zenbook.exporters.base import check_export, make_files, write_export

        folder = to.expanduser().absolute()  # a notebook's file is executed in its own folder
        plan = _plan_of(target, static=static, params=params, stack_name=stack_name)
        files = make_files(exporter, plan, {name: value for name, value in options.items() if value not in (None, ())})
        return check_export(files, folder) if check else write_export(files, folder)

    return click.Command(
        exporter.name,
        callback=export_to,
        params=[*_common_params(), *_own_options(exporter)],
        help=f"Export a pipeline as {exporter.summary}.\n\n"
        f"Example: zen export {exporter.name} train.py:training --to DIR",
        short_help=exporter.summary,
    )


def _common_params() -> list[click.Parameter]:
    return [
        click.Argument(["target"], required=False, metavar="[PIPELINE | RUN | FILE[:PIPELINE]]"),
        click.Option(
            ["--to"],
            required=True,
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="The folder in which the files are written.",
        ),
        click.Option(
            ["--check"], is_flag=True, help="Write nothing. Show what would change, and exit with 1 if anything would."
        ),
        click.Option(
            ["--static"],
            is_flag=True,
            help="Execute only the imports, definitions and constants of a notebook file.",
        ),
        click.Option(
            ["--param", "-p", "params"], multiple=True, metavar="K=V", help="The value of a parameter; may be repeated."
        ),
        click.Option(
            ["--stack", "-s", "stack_name"],
            default=None,
            shell_complete=completion.STACK,
            help="The stack whose stores keep the objects that are passed to the pipeline.",
        ),
    ]


def _own_options(exporter: Exporter) -> Iterator[click.Option]:
    for name, field in exporter.options.model_fields.items():
        several = field.annotation is not None and "tuple" in str(field.annotation)
        yield click.Option(
            [f"--{name.removesuffix('s') if several else name}".replace("_", "-"), name],
            multiple=several,
            default=None,
            show_default=False,
            help=field.description,
        )


def _plan_of(target: str | None, *, static: bool, params: Sequence[str], stack_name: str | None) -> Plan:
    if target is not None and _RUN.fullmatch(target):
        return _plan_of_run(target, unchanged=not (params or stack_name or static))
    place, name = place_for(target)
    runnable = (place.analysed() if static else place).find(name)
    return runnable.plan(pairs_of(params), stack=stack_name)


def _plan_of_run(run: str, *, unchanged: bool) -> Plan:
    from zenbook.history.runs import find_run

    if not unchanged:
        raise RunError(f"A run is exported as it was; {run} cannot get other options.", "Export its pipeline instead.")
    return find_run(run).plan


VERBS = (export,)
