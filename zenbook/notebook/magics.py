"""The magics ``%zen`` and ``%%step``. What they need is imported when they are used."""

from __future__ import annotations

import inspect
import re
import shlex
from typing import TYPE_CHECKING, Any, cast

from IPython.core.magic import no_var_expand

from zenbook.errors import DefinitionError

if TYPE_CHECKING:
    from zenbook.notebook.cells import NotebookSteps

_VARIABLE = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})")
_ATTRIBUTE = "_zenbook_steps"


def register(shell: Any) -> None:
    """Register the magics.

    Args:
        shell: The IPython shell.
    """
    shell.register_magic_function(_line_magic(shell), "line", "zen")
    shell.register_magic_function(_query_magic(shell), "cell", "zen")
    shell.register_magic_function(_cell_magic(shell), "cell", "step")


def unregister(shell: Any) -> None:
    """Take the magics out again.

    Args:
        shell: The IPython shell.
    """
    shell.magics_manager.magics["line"].pop("zen", None)
    shell.magics_manager.magics["cell"].pop("zen", None)
    shell.magics_manager.magics["cell"].pop("step", None)


def steps_of(shell: Any) -> NotebookSteps:
    """Find the step cells of a shell's notebook.

    Args:
        shell: The IPython shell.

    Returns:
        The step cells; an empty list of them at first.
    """
    from zenbook.notebook.cells import NotebookSteps

    steps = getattr(shell, _ATTRIBUTE, None)
    if steps is None:
        steps = NotebookSteps(shell)
        setattr(shell, _ATTRIBUTE, steps)
    return cast("NotebookSteps", steps)


def _line_magic(shell: Any) -> Any:
    @no_var_expand
    def zen(line: str) -> Any:
        """Everything that the shell command ``zen`` does: ``%zen --help``, ``%zen runs``, ``%zen stack use prod``.

        The value of the magic is the verb's object: ``x = %zen runs``.
        """
        from zenbook.cli import invoke
        from zenbook.notebook.current_notebook import KernelNotebook

        try:
            words = shlex.split(_expanded(shell, line))
        except ValueError as error:
            raise DefinitionError(f"The line could not be read: {error}.", "Is a quotation mark missing?") from None
        return invoke(words or ["--help"], KernelNotebook(shell, steps_of(shell), line))

    zen.getdoc = lambda: f"{inspect.getdoc(zen)}\n\n{_help('zen')}"  # type: ignore[attr-defined]  # ``%zen?`` asks it
    return zen


def _help(name: str) -> str:
    """What ``--help`` says."""
    import click

    from zenbook.cli import zen
    from zenbook.notebook.step_options import COMMAND

    command = zen if name == "zen" else COMMAND
    return command.get_help(click.Context(command, info_name=name))


def _expanded(shell: Any, line: str) -> str:
    """The line with the notebook's ``{names}`` and ``$names`` filled in; ``${NAME}`` means an environment variable.

    Nothing is filled into SQL: values are bound (``%%zen sql`` does it for ``{{expressions}}``).
    """
    if line.split()[:1] == ["sql"]:
        return line
    pieces = _VARIABLE.split(line)
    pieces[::2] = [shell.var_expand(piece, depth=0) if piece.strip() else piece for piece in pieces[::2]]
    return "".join(pieces)


def _query_magic(shell: Any) -> Any:
    @no_var_expand
    def zen(line: str, cell: str) -> Any:
        """Ask the history in SQL: ``%%zen sql [NAME] [--allow-files]``; NAME gets the result instead of showing it.

        ``{{expression}}`` is evaluated in the notebook and bound as a parameter; it never becomes part of the SQL.
        """
        from zenbook.cli.query_verbs import read_sql_cell
        from zenbook.history.sql.query import sql
        from zenbook.history.sql.query_text import bind_expressions

        options = read_sql_cell(line)
        query, values = bind_expressions(cell, shell.user_ns)
        result = sql(query, {**options.values, **values}, allow_files=options.allow_files)
        if options.name is None:
            return result
        shell.user_ns[options.name] = result
        return None

    return zen


def _cell_magic(shell: Any) -> Any:
    @no_var_expand
    def step(line: str, cell: str) -> Any:
        """Run the cell as a step: ``%%step NAME [-o OUTPUT,…] [--retries N] [--timeout 10m] [--no-cache]``.

        Names that earlier steps made are its inputs, names bound to plain values its parameters, the names that it
        assigns its outputs. It is served from the cache when nothing changed.
        """
        from zenbook.engine.progress_displays import trim_traceback
        from zenbook.engine.steps.failure_text import users_frames
        from zenbook.notebook.step_options import read_options

        options = read_options(line)
        try:
            return steps_of(shell).run_cell(options, cell)
        except BaseException as error:
            error.__traceback__ = users_frames(error.__traceback__)
            trim_traceback(error)
            raise

    step.getdoc = lambda: f"{inspect.getdoc(step)}\n\n{_help('%%step')}"  # type: ignore[attr-defined]
    return step
