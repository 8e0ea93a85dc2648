"""Progress for a shell on a terminal: the lines of `terminal`, and below them a bar while the run is running."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from zenbook.core.events import Event, Listener, Logged, Progressed, RunFinished, RunStarted, StepFinished, StepStarted
from zenbook.core.states import StepState
from zenbook.display.run_view import RunView, StepView
from zenbook.display.table import cut, one_line
from zenbook.display.terminal import TerminalProgress

if TYPE_CHECKING:
    from rich.progress import Progress

_MAX_DESCRIPTION = 48  # columns for the steps that are running


def shell_progress(view: RunView, stream: TextIO) -> Listener:
    """The progress of a run in a shell.

    Args:
        view: The run.
        stream: Where to write.

    Returns:
        A listener: with a bar on a terminal, plain lines elsewhere.
    """
    return LiveProgress(view, stream) if stream.isatty() else TerminalProgress(view, stream)


class LiveProgress(TerminalProgress):
    """A listener that also shows a bar: the step that runs, how far it is, how many steps have ended, the time."""

    def __init__(self, view: RunView, stream: TextIO) -> None:
        super().__init__(view, stream)
        self._bar: Progress | None = None

    def on_event(self, event: Event) -> None:
        """Take one event of the view's run."""
        if event.run == self.view.run and isinstance(event, RunFinished):
            self._stop()
        super().on_event(event)
        if event.run != self.view.run:
            return
        match event:
            case RunStarted():
                self._start()
            case StepStarted() | StepFinished() | Progressed():
                self._update()
            case Logged() if self._bar is not None:
                self._within_line = False  # the bar keeps a line back until it is whole
            case _:
                pass

    def _start(self) -> None:
        from rich.errors import LiveError
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes to a file must not go to the terminal
            redirect_stderr=sys.stderr.isatty(),
        )
        bar.add_task(one_line(self.view.pipeline), total=len(self.view.steps))
        try:
            bar.start()
        except LiveError:  # a step that runs a pipeline: the outer run has the bar
            return
        self._bar = bar

    def _update(self) -> None:
        if self._bar is None:
            return
        steps = self.view.steps.values()
        running = [step for step in steps if step.state is StepState.RUNNING]
        words = ", ".join(map(_step_words, running)) or one_line(self.view.pipeline)
        ended = sum(step.state.ended for step in steps)
        self._bar.update(self._bar.task_ids[0], description=cut(words, _MAX_DESCRIPTION), completed=ended)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _step_words(step: StepView) -> str:
    progress = step.progress
    if progress is None:
        return one_line(step.name)
    done = (
        f"{progress.done:g} of {progress.total:g}" if progress.total else f"{progress.done:g}" if progress.done else ""
    )
    return " ".join(words for words in (one_line(step.name), one_line(progress.label), done) if words)


__all__ = ["LiveProgress", "shell_progress"]
