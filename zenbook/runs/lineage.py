"""Where an artifact or a file came from and what was made of it, across runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zenbook.core.digest import digest_of_path
from zenbook.errors import RunError
from zenbook.runs.lineage_entries import Lineage
from zenbook.runs.lineage_search import Search
from zenbook.runs.outputs import StoredOutput
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import open_stack

if TYPE_CHECKING:
    from zenbook.runs.run import Run


def lineage(thing: StoredOutput | Path | str, *, stack: str | None = None) -> Lineage:
    """What an artifact was made of and what was made of it; which runs used a file.

    ``thing`` is an output (``run.steps["fit"].outputs["model"]``), the path of a file or folder, the digest of an
    artifact or its beginning (8 digits or more), or ``run.step.output`` as text, where ``run`` is what `find_run`
    takes. Looks through the newest 2,000 runs of the active stack, the output's own, or ``stack``. Raises `RunError`
    for what it can't make out.
    """
    if isinstance(thing, StoredOutput):
        return Search(thing._stack.metadata).of_output(thing.record)
    metadata = open_stack(stack).metadata
    if isinstance(thing, Path):
        return _of_path(metadata, thing)
    if not isinstance(thing, str):
        raise RunError(
            f"There is no lineage of a {type(thing).__name__}.",
            "Give an output, a path or a digest: zenbook.lineage(run.steps['fit'].outputs['model']).",
        )
    if Path(thing).exists():
        return _of_path(metadata, Path(thing))
    if len(thing) >= 8 and set(thing) <= set("0123456789abcdef"):
        return Search(metadata).of_digest(thing)
    return Search(metadata).of_output(_output_named(thing, stack))


def _of_path(metadata: MetadataStore, path: Path) -> Lineage:
    if not path.exists():
        raise RunError(f"There is nothing at {str(path)!r}.", "Give the path of a file that is there, or a digest.")
    return Search(metadata).of_file(path.name, digest_of_path(path))


def _output_named(text: str, stack: str | None) -> OutputRecord:
    from zenbook.runs.history import find_run

    *run, step, output = text.split(".") if text.count(".") >= 2 else ("", "", "")
    if not step:
        raise RunError(
            f"{text!r} is no file, no digest and no output.", "Name an output as run.step.output: latest.split.train."
        )
    found: Run = find_run(".".join(run), stack=stack)
    return found.steps[step].outputs[output].record
