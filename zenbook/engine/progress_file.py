"""How far the steps of a background run have come, in a small file: it is not worth a row of the metadata store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zenbook.core.events import Event, Progressed, RunFinished, StepFinished
from zenbook.stack.workspace import Workspace


class ProgressFile:
    """A listener that keeps the file of one run, and removes it when the run has ended."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._steps: dict[str, Progressed] = {}

    def on_event(self, event: Event) -> None:
        """Take note of how far a step is."""
        if isinstance(event, Progressed):
            self._steps[event.step] = event
            self._write()  # at most about ten times a second: so often are events told
        elif isinstance(event, StepFinished) and self._steps.pop(event.step, None) is not None:
            self._write()
        elif isinstance(event, RunFinished):
            self.file.unlink(missing_ok=True)

    def _write(self) -> None:
        facts = {name: [one.done, one.total, one.label] for name, one in self._steps.items()}
        new = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(exist_ok=True)
            new.write_text(json.dumps(facts), encoding="utf-8")
            new.replace(self.file)
        except OSError:  # a bar that stands still is no reason for a run to fail
            return


def progress_file(workspace: Workspace, run: str) -> Path:
    """Where the progress of a run's steps is."""
    return workspace.home / "progress" / f"{run}.json"


def read_progress(file: Path, run: str) -> Iterator[Progressed]:
    """How far a run's steps are; nothing where there is no file."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for name, (done, total, label) in facts.items():
        yield Progressed(run, name, done, total, label)
