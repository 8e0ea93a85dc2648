"""Completion of every verb, from the command tree itself: for bash, zsh and fish, and for ``%zen`` in a notebook.

If something cannot be looked up now (a store that is unreachable, a config that is invalid), nothing is completed: Tab
never raises and never waits long.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete

from zenbook.core.parsing import parse
from zenbook.errors import ZenbookError
from zenbook.stack.flavour import ComponentKind

if TYPE_CHECKING:
    from zenbook.cli.tree import Notebook

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
RECENT = 50  # runs that are suggested


def completions(
    tree: click.Command, words: Sequence[str], part: str, notebook: Notebook | None = None, name: str = "zen"
) -> list[CompletionItem]:
    """Complete a word of a command.

    Args:
        tree: The command.
        words: The complete words before it.
        part: The beginning of the word.
        notebook: The notebook in which the command is typed, None in a shell.
        name: The name of the command.

    Returns:
        What the word may be; an item of type ``file`` stands for the names of files.
    """
    try:
        return ShellComplete(tree, {"obj": notebook}, name, "_ZEN_COMPLETE").get_completions(list(words), part)
    except (ZenbookError, click.ClickException):
        return []


def _offering(names: Callable[[click.Context], Iterable[str | tuple[str, str]]]) -> Completer:
    """Complete to those names that begin with the part; a pair is a name and its help."""

    def complete(ctx: click.Context, param: click.Parameter, part: str) -> list[CompletionItem]:
        try:
            known = [name if isinstance(name, tuple) else (name, "") for name in names(ctx)]
        except (ZenbookError, OSError):
            return []
        value = ctx.params.get(param.name or "") or ()
        chosen = value if isinstance(value, tuple) else ()
        return [
            CompletionItem(name, help=help_text or None)
            for name, help_text in known
            if name.startswith(part) and name not in chosen
        ]

    return complete


def _stacks(_ctx: click.Context) -> Iterable[str]:
    from zenbook.stack.stack import stack_names

    return stack_names()


def components_of(kind: ComponentKind) -> Completer:
    """Complete the name of a component.

    Args:
        kind: The kind of component.

    Returns:
        The completer.
    """

    def names(_ctx: click.Context) -> Iterable[str]:
        from zenbook.stack.component_factory import component_names
        from zenbook.stack.workspace import Workspace

        return component_names(kind, Workspace.find())

    return _offering(names)


def flavours_of(kind: ComponentKind, *, urls: bool = False) -> Completer:
    """Complete the name of a flavour.

    Args:
        kind: The kind of component.
        urls: Whether a URL may be given instead; then the schemes of the flavours' URLs are suggested too.

    Returns:
        The completer.
    """

    def names(_ctx: click.Context) -> Iterator[str]:
        from zenbook.stack.flavour import flavour, flavours

        for name in flavours(kind):
            yield name
            if urls:
                try:
                    yield from (f"{scheme}://" for scheme in flavour(kind, name).schemes)
                except ZenbookError:  # a flavour that cannot be imported here still has a name
                    continue

    return _offering(names)


def _runs(_ctx: click.Context) -> Iterator[tuple[str, str]]:
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import open_stack

    records = open_stack().metadata.runs(RunQuery(limit=RECENT))
    if records:
        yield "latest", "the newest run"
    for record in records:
        yield record.id, f"{record.pipeline} {record.state}"
    for name in dict.fromkeys(record.pipeline for record in records):
        yield name, "its newest run"


def _panels(ctx: click.Context) -> Iterator[str | tuple[str, str]]:
    yield "runs", "the history"
    yield from _runs(ctx)


def _recorded_pipelines(_ctx: click.Context) -> Iterator[str]:
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import open_stack

    yield from dict.fromkeys(record.pipeline for record in open_stack().metadata.runs(RunQuery(limit=500)))


def _steps_of_run(ctx: click.Context) -> Iterable[str]:
    from zenbook.history.runs import find_run

    return [*find_run(ctx.params.get("run_id")).steps]


def _states(_ctx: click.Context) -> Iterable[str]:
    from zenbook.core.states import RunState

    return [state.value for state in RunState]


def _cells(ctx: click.Context) -> Iterable[str]:
    notebook: Notebook | None = ctx.find_root().obj
    return [str(name) for name in notebook.steps()["step"]] if notebook is not None else ()


def _target(ctx: click.Context, _param: click.Parameter, part: str) -> list[CompletionItem]:
    """A pipeline of the notebook, a file, or behind ``file.py:`` a pipeline of the file."""
    notebook: Notebook | None = ctx.find_root().obj
    file, colon, _ = part.rpartition(":")
    if colon:
        return [
            CompletionItem(f"{file}:{name}") for name in pipelines_in(Path(file)) if f"{file}:{name}".startswith(part)
        ]
    own = [CompletionItem(name) for name in (notebook.pipelines() if notebook else ()) if name.startswith(part)]
    return own or [CompletionItem(part, type="file")]


def _params(ctx: click.Context) -> Iterator[str]:
    target = ctx.params.get("target") or next(iter(ctx.args), None)  # the latter while the last option has no value yet
    notebook: Notebook | None = ctx.find_root().obj
    known: Mapping[str, Sequence[str]] = notebook.pipelines() if notebook is not None else {}
    file, _, name = str(target or "").rpartition(":")
    if target is not None and target not in known:
        known, target = pipelines_in(Path(file or name)), name if file else None
    chosen = [known[target]] if target is not None and target in known else known.values() if len(known) == 1 else []
    for names in chosen:
        yield from (f"{parameter}=" for parameter in names)


def pipelines_in(file: Path) -> dict[str, tuple[str, ...]]:
    """Find the pipelines of a module or a notebook file without executing it.

    Args:
        file: The module or notebook.

    Returns:
        The names of the functions with a decorator ``@pipeline``, with the names of their parameters.
    """
    pipelines: dict[str, tuple[str, ...]] = {}
    for text in _sources(file):
        try:
            tree = parse(re.sub(r"(?m)^\s*[%!].*$", "", text))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any(
                "pipeline" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                pipelines[node.name] = tuple(argument.arg for argument in (*node.args.args, *node.args.kwonlyargs))
    return pipelines


def _sources(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".ipynb":
            return [text]
        cells = json.loads(text).get("cells", [])
        return ["".join(cell.get("source", "")) for cell in cells if cell.get("cell_type") == "code"]
    except (OSError, ValueError, AttributeError):  # not a file, a module or a notebook: nothing to complete
        return []


STACK = _offering(_stacks)
RUN = _offering(_runs)
PANEL = _offering(_panels)
PIPELINE = _offering(_recorded_pipelines)
STEP = _offering(_steps_of_run)
STATE = _offering(_states)
CELL = _offering(_cells)
PARAM = _offering(_params)
TARGET: Completer = _target

SHELLS = {
    "bash": ('eval "$(_ZEN_COMPLETE=bash_source zen)"', "~/.bashrc"),
    "zsh": ('eval "$(_ZEN_COMPLETE=zsh_source zen)"', "~/.zshrc"),
    "fish": ("_ZEN_COMPLETE=fish_source zen | source", "~/.config/fish/completions/zen.fish"),
}


@click.command()
@click.argument("shell", type=click.Choice([*SHELLS]), required=False)
def completion(shell: str | None) -> Any:
    """Show how to enable completion in your shell; in notebooks it is enabled.

    Example: zen completion bash
    """
    from zenbook.display.table import Table

    rows = [(name, line, file) for name, (line, file) in SHELLS.items() if shell in (None, name)]
    return Table("Completion", ("shell", "line", "goes into"), rows)


VERBS = (completion,)
