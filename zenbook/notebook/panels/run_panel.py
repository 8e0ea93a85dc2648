"""The run panel: a widget while the run goes on, and a static picture in its place when the run has ended.

What happens is noted at once and sent by a thread of the panel's own, so that a run is not slowed by those who watch.
"""

from __future__ import annotations

import contextvars
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from zenbook.core.events import (
    Event,
    Logged,
    Measured,
    Progressed,
    RunFinished,
    StepFinished,
    StepRetried,
    StepStarted,
)
from zenbook.display.run_html import run_html
from zenbook.display.run_text import run_text
from zenbook.display.run_view import RunView
from zenbook.engine.follower import Follower
from zenbook.engine.liveness import is_driven_here
from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import RunError, ZenbookError
from zenbook.notebook.panels.front_end import kernel_id, supports_subshells
from zenbook.notebook.panels.log_tail import LogTail
from zenbook.notebook.panels.panel_state import Changes, description, everything, patches
from zenbook.notebook.progress import DELAY, Output

if TYPE_CHECKING:
    from zenbook.history.run import Run
    from zenbook.notebook.panels.run_widget import RunWidget
    from zenbook.stack.stack import OpenStack

INTERVAL = 0.1  # seconds between two messages
_KEPT = 30.0  # seconds from one picture for the notebook's file to the next
_UNHEARD = 2.0  # the same where no page has said that it shows the panel: it may know no widgets
_AGAIN = (0.4, 1.5, 4.0, 10.0)  # seconds after which all is told again: a browser that still loads hears nothing
_TAIL_LINES, _TAIL = 3, 500  # of the log, in a message
_LINES = 500  # of the log, in an answer


def open_panel(run: Run) -> None:
    """Show a run, ended or not, as a panel whose steps can be opened, in the cell that runs now."""
    panel = RunPanel(run.view())
    if run.state.ended:
        panel.show()
    else:
        Follower(run.id, panel.records, panel).start()


class RunPanel:
    """A listener that shows a run in one output of the cell that started it; ``small`` is the form for a step cell."""

    def __init__(self, view: RunView, *, small: bool = False) -> None:
        self.view = view
        self._small = small
        self._output = Output()
        self._base = view.started_at or time.time()
        self._changes = Changes()
        self._tails: dict[str, LogTail] = {}
        self._spoke = self._last = ""  # the step that printed since the browser was told, and the one that ever did
        self._widget: RunWidget | None = None
        self._opened_at = self._pictured_at = 0.0
        self._heard = False  # of a page that shows the panel
        self._lock = threading.RLock()  # held while the browser is told
        self._noting = threading.Lock()  # held for moments: the run's threads wait for it
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def records(self) -> OpenStack:
        """Where more can be read about the run. Raises `RunError` where nothing is recorded."""
        if self.view.records is None:
            raise RunError(f"Nothing is recorded about {self.view.run}.", "Run the pipeline on a stack.")
        return self.view.records

    @property
    def shown(self) -> bool:
        """Whether it was seen: a quick run shows only its end."""
        return self._output.shown

    def on_event(self, event: Event) -> None:
        """Take note of one event of the view's run."""
        self.view.on_event(event)
        if event.run != self.view.run or self._over.is_set():
            return
        if isinstance(event, RunFinished):
            self.end(self._picture())
            return
        with self._noting:
            self._note(event)
        if self._thread is None:
            self.open()

    def _note(self, event: Event) -> None:
        match event:
            case StepStarted(step=name) | StepFinished(step=name) | StepRetried(step=name):
                self._changes.steps.add(name)
                self._changes.metrics = isinstance(event, StepFinished) or self._changes.metrics
            case Progressed(step=name):
                self._changes.progress.add(name)
            case Logged(step=name):
                self._tails.setdefault(name, LogTail()).add(event.text)
                self._spoke = self._last = name
            case Measured():
                self._changes.metrics = True
            case _:
                self._changes.run = True

    def open(self) -> None:
        """Show the panel in a moment, also if a step blocks the main thread by then."""
        if not self._small:
            self._output.reserve()
        # ipykernel finds the cell that an output belongs to in the context.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._live,), daemon=True, name="zenbook-panel")
        self._thread.start()

    def end(self, bundle: dict[str, Any] | None) -> None:
        """Put the static bundle in the panel's place; without one, only show no more."""
        self._over.set()
        with self._lock:
            if bundle is not None:
                self._output.show(bundle)
            if self._widget is not None:
                if bundle is not None and self._widget.pages > 1:
                    # A page that was loaded again takes no updates of outputs which it has from the file.
                    self._widget.send({"picture": bundle["text/html"]})
                self._widget.end()
                self._widget = None

    # --- while it goes on -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        if self._over.wait(DELAY):
            return
        import zenbook.notebook.panels.run_widget  # noqa: F401  # takes its time, and the run's end waits for the lock

        with self._lock:
            if self._over.is_set():
                return
            self.show()
        again = list(_AGAIN)
        while not self._over.wait(INTERVAL):
            if again and time.monotonic() - self._opened_at > again[0]:
                again.pop(0)
                self._tell_all()
            self.send()
            if time.monotonic() - self._pictured_at > (_KEPT if self._heard or not supports_subshells() else _UNHEARD):
                with self._lock:
                    if not self._over.is_set():
                        self._show_picture()

    def show(self) -> None:
        """Show the panel now."""
        with self._lock:
            self._widget = self._made()
            self._opened_at = time.monotonic()
            self._show_picture()

    def _show_picture(self) -> None:
        """Show the run as it is now in the element in whose place the page shows the panel."""
        self._pictured_at = time.monotonic()
        picture = self._picture()
        if self._widget is not None:
            picture = self._widget.placed(picture, f"See it as it is: %zen show {self.view.run}")
        self._output.show(picture)

    def _made(self) -> RunWidget | None:
        from zenbook.notebook.panels.run_widget import RunWidget

        try:
            return RunWidget(self._describe, self.answer)
        except Exception:  # noqa: BLE001  # whatever these packages quarrel about: the run is shown as pictures
            return None

    def _picture(self) -> dict[str, Any]:
        return {"text/html": run_html(self.view), "text/plain": run_text(self.view)}

    def send(self) -> None:
        """Tell the browser what has changed."""
        with self._lock:
            with self._noting:
                changes, self._changes = self._changes, Changes()
                spoke, self._spoke = self._spoke, ""
                if spoke and not self._small:
                    tail = self._tails[spoke]
                    changes.log = spoke, tail.lines, tail.last(_TAIL_LINES, _TAIL)
            if not changes:
                return
            if self._widget is None:
                if self.shown and not self._over.is_set():  # else the end is shown, and stays
                    self._show_picture()
                return
            for patch in patches(self.view, changes, self._base):
                self._widget.send(patch)

    def _tell_all(self) -> None:
        with self._noting:
            self._changes = everything(self.view)
            self._spoke = self._spoke or self._last

    def _describe(self) -> dict[str, Any]:
        here = is_driven_here(self.view.run)
        more = {"here": here, "hears": supports_subshells(), "kernel": kernel_id(), "small": self._small}
        return description(self.view, self._base) | more

    # --- what the browser asks --------------------------------------------------------------------------------------

    def answer(self, asked: dict[str, Any]) -> None:
        """Answer one message of the browser."""
        try:
            reply = self._reply(asked)
        except ZenbookError as error:
            reply = {"sorry": " ".join(one for one in (error.message, error.hint) if one)}
        except Exception as error:  # noqa: BLE001  # nobody sees what is raised here, so it is told in the browser
            reply = {"sorry": f"The kernel can't answer: {one_line(error)}"}
        if reply is not None:
            self._answered(asked, reply)

    def _answered(self, asked: dict[str, Any], reply: dict[str, Any]) -> None:
        with self._lock:
            if self._widget is not None:
                self._widget.send({"asked": asked, **reply})

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        name = str(asked.get("step", ""))
        match asked.get("ask"):
            case "state":
                self._heard = True
                self._tell_all()
                self.send()
                return None
            case "details":
                return {"details": self._details(name)}
            case "log":
                return {"log": self._log(name, asked.get("first"))}
            case "cancel":
                self._cancel(asked)
                return None
            case _:
                return None

    def _details(self, name: str) -> dict[str, Any]:
        from zenbook.history.run import Run
        from zenbook.notebook.panels.step_details import details

        return details(Run(self.view.run, self.records), name)

    def _log(self, name: str, first: int | None) -> dict[str, Any]:
        with self._noting:
            tail = self._tails.get(name, LogTail())
            total = tail.lines
            start = max(0, total - _LINES) if first is None else max(0, first)
            kept = tail.between(start, start + _LINES)
        if (kept is None or not total) and self.view.records is not None:
            from zenbook.history.run import Run
            from zenbook.notebook.panels.step_details import log_lines

            return log_lines(Run(self.view.run, self.records), name, first)
        return {"first": start, "total": total, "text": kept or ""}

    def _cancel(self, asked: dict[str, Any]) -> None:
        """Interrupt the run, as the stop button does. Raises `RunError` where that can't be done from here."""
        from zenbook.history.run import Run

        if is_driven_here(self.view.run):
            with self._lock:  # the run can't end its panel meanwhile
                if self._over.is_set():  # something else has stopped it: a signal would hit what runs next
                    return
                self._answered(asked, {"cancelling": True})
                os.kill(os.getpid(), signal.SIGINT)
        else:
            Run(self.view.run, self.records).cancel()
            self._answered(asked, {"cancelling": True})
