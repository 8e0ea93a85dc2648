"""Completion of every verb, from the command tree itself: for bash, zsh and fish, and for ``%zen`` in a notebook.

What can't be looked up right now (a store that is away, a config that can't be read) completes to nothing: Tab never
raises and never waits long.
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
RECENT = 50  # runs that are offered


def completions(
    tree: click.Command, words: Sequence[str], part: str, notebook: Notebook | None = None, name: str = "zen"
) -> list[CompletionItem]:
    """What may stand for ``part`` after the complete words; names of files come as an item of type ``file``."""
    try:
        return ShellComplete(tree, {"obj": notebook}, name, "_ZEN_COMPLETE").get_completions(list(words), part)
    except (ZenbookError, click.ClickException):
        return []


def _offering(names: Callable[[click.Context], Iterable[str | tuple[str, str]]]) -> Completer:
    """Complete to those of some names that begin with the part; a pair is a name with its help."""

    def complete(ctx: click.Context, param: click.Parameter, part: str) -> list[CompletionItem]:
        try:
            found = [one if isinstance(one, tuple) else (one, "") for one in names(ctx)]
        except (ZenbookError, OSError):
            return []
        taken = ctx.params.get(param.name or "") or ()
        several = taken if isinstance(taken, tuple) else ()
        return [
            CompletionItem(name, help=told or None)
            for name, told in found
            if name.startswith(part) and name not in several
        ]

    return complete


def _stacks(_ctx: click.Context) -> Iterable[str]:
    from zenbook.stack.stack import stack_names

    return stack_names()


def components_of(kind: ComponentKind) -> Completer:
    """The names of the components of a kind."""

    def names(_ctx: click.Context) -> Iterable[str]:
        from zenbook.stack.component_factory import component_names
        from zenbook.stack.workspace import Workspace

        return component_names(kind, Workspace.find())

    return _offering(names)


def flavours_of(kind: ComponentKind, *, urls: bool = False) -> Completer:
    """The names of the flavours of a kind, and where URLs are taken too, how those begin."""

    def names(_ctx: click.Context) -> Iterator[str]:
        from zenbook.stack.flavour import flavour, flavours

        for name in flavours(kind):
            yield name
            if urls:
                try:
                    yield from (f"{scheme}://" for scheme in flavour(kind, name).schemes)
                except ZenbookError:  # a flavour that can't be imported here is still there by name
                    continue

    return _offering(names)


def _runs(_ctx: click.Context) -> Iterator[tuple[str, str]]:
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import open_stack

    found = open_stack().metadata.runs(RunQuery(limit=RECENT))
    if found:
        yield "latest", "the newest run"
    for one in found:
        yield one.id, f"{one.pipeline} {one.state}"
    for name in dict.fromkeys(one.pipeline for one in found):
        yield name, "its newest run"


def _panels(ctx: click.Context) -> Iterator[str | tuple[str, str]]:
    yield "runs", "the history"
    yield from _runs(ctx)


def _recorded_pipelines(_ctx: click.Context) -> Iterator[str]:
    from zenbook.stack.records import RunQuery
    from zenbook.stack.stack import open_stack

    yield from dict.fromkeys(one.pipeline for one in open_stack().metadata.runs(RunQuery(limit=500)))


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
    target = ctx.params.get("target") or next(iter(ctx.args), None)  # where the option at the end has no value yet
    notebook: Notebook | None = ctx.find_root().obj
    known: Mapping[str, Sequence[str]] = notebook.pipelines() if notebook is not None else {}
    file, _, name = str(target or "").rpartition(":")
    if target is not None and target not in known:
        known, target = pipelines_in(Path(file or name)), name if file else None
    chosen = [known[target]] if target is not None and target in known else known.values() if len(known) == 1 else []
    for names in chosen:
        yield from (f"{one}=" for one in names)


def pipelines_in(file: Path) -> dict[str, tuple[str, ...]]:
    """The functions of a module or notebook that have ``@pipeline``, with their parameters, by reading alone."""
    found: dict[str, tuple[str, ...]] = {}
    for text in _sources(file):
        try:
            tree = parse(re.sub(r"(?m)^\s*[%!].*$", "", text))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any("pipeline" in ast.unparse(one) for one in node.decorator_list):
                found[node.name] = tuple(one.arg for one in (*node.args.args, *node.args.kwonlyargs))
    return found


def _sources(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".ipynb":
            return [text]
        cells = json.loads(text).get("cells", [])
        return ["".join(one.get("source", "")) for one in cells if one.get("cell_type") == "code"]
    except (OSError, ValueError, AttributeError):  # no such file, or none of ours: nothing to complete
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
    """How to switch on completion in your shell; in notebooks it is on.

    Example: zen completion bash
    """
    from zenbook.display.table import Table

    rows = [(name, line, file) for name, (line, file) in SHELLS.items() if shell in (None, name)]
    return Table("Completion", ("shell", "line", "goes into"), rows)


VERBS = (completion,)
