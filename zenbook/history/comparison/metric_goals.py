"""Which way a metric is better: the user says it once for a workspace, and comparisons remember."""

from __future__ import annotations

import json
from pathlib import Path

from zenbook.core.atomic_write import write_atomically
from zenbook.errors import DefinitionError, StackError, did_you_mean
from zenbook.history.comparison.params_metrics import Direction
from zenbook.stack.workspace import Workspace

_FILE = "better.json"


def better(**directions: str) -> dict[str, str]:
    """Say which way metrics are better: ``zenbook.better(accuracy="higher", loss="lower")``.

    It is kept in the workspace (``.zen/better.json``), and all that was said is given back. Nothing is guessed: of
    other metrics a comparison shows the change and no verdict. Raises `DefinitionError` for another word.
    """
    for name, word in directions.items():
        if word not in list(Direction):
            raise DefinitionError(
                f"The metric {name!r} can't be better {word!r}.", did_you_mean(str(word), list(Direction), noun="word")
            )
    workspace = Workspace.find()
    known = {name: str(one) for name, one in known_directions(workspace).items()}
    if directions:
        known |= {name: str(Direction(word)) for name, word in directions.items()}
        _write(workspace.ensure().home / _FILE, known)
    return known


def known_directions(workspace: Workspace | None = None) -> dict[str, Direction]:
    """What was said in a workspace. Raises `StackError` for a file that says something else."""
    file = (workspace or Workspace.find()).home / _FILE
    try:
        return {str(name): Direction(word) for name, word in json.loads(file.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise StackError(f"{file} can't be read: {error}.", 'It holds {"metric": "higher" or "lower"}.') from error


def _write(file: Path, known: dict[str, str]) -> None:
    try:
        write_atomically(file, json.dumps(known, indent=1, sort_keys=True))
    except OSError as error:
        raise StackError(f"{file} can't be written: {error.strerror or error}.", "Is the folder writable?") from error
