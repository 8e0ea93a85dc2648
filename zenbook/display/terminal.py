"""Progress for a terminal: one line for each step that ends, and the totals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from zenbook.core.events import Event, Logged, RunFinished, StepFinished, StepRetried
from zenbook.display.run_text import header, metrics_line, step_line
from zenbook.display.run_view import RunView
from zenbook.display.table import cut, duration, one_line, width
from zenbook.display.theme import COLOURS

if TYPE_CHECKING:
    from rich.console import Console

MAX_NAME = 40


class TerminalProgress:
    """A listener that writes finished steps and totals to a stream, in colour where the stream is a terminal.

    It passes every event on to its view. Each message is one write of whole lines that begins on a fresh line, so what
    steps print stays readable between them.
    """

    def __init__(self, view: RunView, stream: TextIO) -> None:
        self.view = view
        self._stream = stream
        self._console = _console(stream)
        self._within_line = False  # a step's last print ended without a line end
        self._room = max((width(_name(name)) for name in view.steps), default=0)

    def on_event(self, event: Event) -> None:
        """Take one event of the view's run; events of other runs change nothing.

        Args:
            event: What happened.
        """
        self.view.on_event(event)
        if event.run != self.view.run:
            return
        match event:
            case Logged(stream="stdout" | "stderr", text=text) if text:
                self._within_line = not text.endswith("\n")
            case StepRetried():
                line = f"{_name(event.step)}: attempt {event.attempt} failed: {one_line(event.error)}"
                self._write(f"  … {line}; again in {duration(event.delay)}", "running")
            case StepFinished():
                self._write(self._step(event.step), event.state)
            case RunFinished():
                self._write("\n".join(self._totals()), event.state)
            case _:
                pass

    def _step(self, name: str) -> str:
        step = self.view.steps[name]
        lines = [step_line(step, _name(name), self._room)]
        lines += (f"      note: {one_line(note)}" for note in step.notes)
        return "\n".join(lines)

    def _totals(self) -> list[str]:
        lines = [header(self.view)]
        if self.view.error:
            lines.append(f"  {one_line(self.view.error)}")
        if self.view.metrics:
            lines.append(metrics_line(self.view))
        return lines

    def _write(self, message: str, state: str) -> None:
        if self._stream is not sys.stdout:
            sys.stdout.flush()  # what was printed before comes first, also when both end in one log file
        start = "\n" if self._within_line else ""
        self._within_line = False
        if self._console is None:
            self._stream.write(f"{start}{message}\n")
        else:
            self._coloured(self._console, start, message, state)
        self._stream.flush()

    def _coloured(self, console: Console, start: str, message: str, state: str) -> None:
        from rich.text import Text

        first, _, rest = message.partition("\n")
        line = Text(start + first)
        if first.startswith("  "):
            line.stylize(COLOURS[state], len(start), len(start) + 4)  # the sign
        else:
            line.highlight_words([f" {state} "], COLOURS[state])
        if rest:
            line.append(f"\n{rest}", "dim")
        console.print(line, soft_wrap=True, highlight=False)


def _console(stream: TextIO) -> Console | None:
    if not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream)


def _name(name: str) -> str:
    return cut(one_line(name), MAX_NAME)
