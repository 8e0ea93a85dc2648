"""The progress of a background run's steps, in a small file: it is not worth rows of the metadata store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zenbook.core.events import Event, Progressed, RunFinished, StepFinished
from zenbook.stack.workspace import Workspace


class ProgressFile:
    """A listener that writes the file of one run, and removes it when the run has ended.

    Args:
        file: The run's file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._steps: dict[str, Progressed] = {}

    def on_event(self, event: Event) -> None:
        """Note the progress of a step.

        Args:
            event: The event.
        """
        if isinstance(event, Progressed):
            self._steps[event.step] = event
            self._write()  # about ten times a second at most: events are not sent more often
        elif isinstance(event, StepFinished) and self._steps.pop(event.step, None) is not None:
            self._write()
        elif isinstance(event, RunFinished):
            self.file.unlink(missing_ok=True)

    def _write(self) -> None:
        facts = {name: [step.done, step.total, step.label] for name, step in self._steps.items()}
        new = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(exist_ok=True)
            new.write_text(json.dumps(facts), encoding="utf-8")
            new.replace(self.file)
        except OSError:  # the run must not fail because its progress bar stands still
            return


def progress_file(workspace: Workspace, run: str) -> Path:
    """Name the file with the progress of a run's steps.

    Args:
        workspace: The workspace.
        run: The run's id.

    Returns:
        A path in the workspace.
    """
    return workspace.home / "progress" / f"{run}.json"


def read_progress(file: Path, run: str) -> Iterator[Progressed]:
    """Read the progress of a run's steps.

    Args:
        file: The run's file.
        run: The run's id.

    Yields:
        The last progress of each running step; nothing if the file does not exist.
    """
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for name, (done, total, label) in facts.items():
        yield Progressed(run, name, done, total, label)
