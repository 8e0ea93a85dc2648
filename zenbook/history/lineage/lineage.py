"""Where an artifact or a file came from and what was made of it, across runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zenbook.core.digest import digest_of_path
from zenbook.errors import RunError
from zenbook.history.lineage.edges import Edges
from zenbook.history.lineage.result import Lineage
from zenbook.history.lineage.search import Search
from zenbook.history.outputs import StoredOutput
from zenbook.history.sql.mirror import mirror_of
from zenbook.history.sql.mirror.mirror import retry_if_damaged, transaction
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import open_stack

if TYPE_CHECKING:
    from zenbook.history.run import Run

_MIN_DIGITS = 8  # of a digest, so that a short word is not taken for one


def lineage(thing: StoredOutput | Path | str, *, stack: str | None = None) -> Lineage:
    """What an artifact was made of and what was made of it; which runs used a file. Looks through all runs of a stack.

    Args:
        thing: An output (``run.steps["fit"].outputs["model"]``), the path of a file or folder, the digest of an
            artifact or its beginning (8 digits or more), or ``run.step.output`` as text, where ``run`` is what
            `find_run` takes.
        stack: The stack; None for the output's own, else the active one.

    Returns:
        The steps before and after it.

    Raises:
        RunError: Nothing is known under that name, path or digest.
    """
    opened = thing._stack if isinstance(thing, StoredOutput) else open_stack(stack)
    find = _search_for(thing, stack)
    mirror = mirror_of(opened)

    def search() -> Lineage:
        with transaction(mirror) as cursor:
            return find(Search(Edges(cursor)))

    return replace(retry_if_damaged(mirror, search), stack=opened)


def _search_for(thing: Any, stack: str | None) -> Callable[[Search], Lineage]:
    """What a thing is, as the search that finds it."""
    if isinstance(thing, StoredOutput):
        return lambda search: search.of_output(thing.record)
    if not isinstance(thing, Path | str):
        raise RunError(
            f"Cannot look up the lineage of an object of type {type(thing).__name__}.",
            "Give an output, a path or a digest: zenbook.lineage(run.steps['fit'].outputs['model']).",
        )
    path = Path(thing)
    if path.exists():
        content = digest_of_path(path)
        return lambda search: search.of_file(path.name, content)
    if isinstance(thing, Path):
        raise RunError(f"There is nothing at {str(path)!r}.", "Give the path of a file that exists, or a digest.")
    if len(thing) >= _MIN_DIGITS and set(thing) <= set("0123456789abcdef"):
        return lambda search: search.of_digest(thing)
    record = _output_named(thing, stack)
    return lambda search: search.of_output(record)


def _output_named(text: str, stack: str | None) -> OutputRecord:
    from zenbook.history.runs import find_run

    *reference, step, output = text.split(".") if text.count(".") >= 2 else ("", "", "")
    if not step:
        raise RunError(
            f"{text!r} is not a file, a digest or an output.", "Name an output as run.step.output: latest.split.train."
        )
    run: Run = find_run(".".join(reference), stack=stack)
    return run.steps[step].outputs[output].record
