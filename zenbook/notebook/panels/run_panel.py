"""The run panel: a widget while the run is running, and a static picture in its place when the run has ended.

One thread of the panel does all that the page sees: it shows the panel, sends what has changed, answers and puts the
picture in its place. Everybody else only leaves messages in its queue, so that a run is not slowed by those who watch,
and what is shown has one order: nothing comes after the last picture.
"""

from __future__ import annotations

import contextvars
import os
import signal
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from zenbook.core.events import Event, Logged, RunFinished
from zenbook.display.run_html import run_html
from zenbook.display.run_text import run_text
from zenbook.display.run_view import RunView
from zenbook.engine.follower import Follower
from zenbook.engine.liveness import is_driven_here
from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import ZenbookError
from zenbook.notebook.panels.front_end import kernel_id, supports_subshells
from zenbook.notebook.panels.log_tail import LogTails
from zenbook.notebook.panels.panel_messages import (
    End,
    Flush,
    Interrupt,
    Message,
    PageOpened,
    PanelPhase,
    Reply,
    Request,
)
from zenbook.notebook.panels.panel_state import Changes, description, everything, patches
from zenbook.notebook.panels.run_answers import cancel_elsewhere, records_of, step_details, step_log
from zenbook.notebook.progress import DELAY, Output

if TYPE_CHECKING:
    from zenbook.history.run import Run
    from zenbook.notebook.panels.run_widget import RunWidget

INTERVAL = 0.1  # seconds between two messages about changes
_PICTURE_INTERVAL = 30.0  # seconds between two pictures for the notebook's file
_UNSEEN_PICTURE_INTERVAL = 2.0  # the same where no page has said that it shows the panel: it may know no widgets
_RESEND_AFTER = (0.4, 1.5, 4.0, 10.0)  # seconds after which all is sent again: a page that still loads hears nothing
_TAIL_LINES, _TAIL_CHARACTERS = 3, 500  # of the log, in a message about changes


def open_panel(run: Run) -> None:
    """Show a run as a panel whose steps can be opened, in the cell that is running.

    Args:
        run: The run, ended or not.
    """
    panel = RunPanel(run.view())
    if run.state.ended:
        panel.show()
    else:
        Follower(run.id, records_of(panel.view), panel).start()


class RunPanel:
    """A listener that shows a run in one output of the cell that started it.

    Args:
        view: The run's model, to which the panel passes every event.
        small: Whether it is the form for one step cell, without a graph and details.
        output: Where the panel is shown; by default in the cell that is running.
    """

    def __init__(self, view: RunView, *, small: bool = False, output: Output | None = None) -> None:
        self.view = view
        self._small = small
        self._output = Output() if output is None else output
        self._base = view.started_at or time.time()
        self._log_tails = LogTails()
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._urgent = threading.Event()  # wakes the thread; events of the run can wait for the next interval
        self._phase = PanelPhase.WAITING
        self._phase_lock = threading.Lock()  # held for one assignment
        self._thread: threading.Thread | None = None
        # All that follows belongs to whoever shows the panel: the thread from its start on.
        self._widget: RunWidget | None = None
        self._changes = Changes()
        self._page_seen = False
        self._shown_at = self._pictured_at = 0.0

    @property
    def shown(self) -> bool:
        """Whether anything was shown: of a quick run only the end is."""
        return self._output.shown

    # --- what the run does: called by the threads of the run --------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take note of one event.

        Args:
            event: An event of the view's run; events of other runs are ignored.
        """
        self.view.on_event(event)
        if event.run != self.view.run or self._phase is PanelPhase.ENDED:
            return
        if isinstance(event, RunFinished):
            self._finish(event)
            return
        if isinstance(event, Logged):
            self._log_tails.add(event.step, event.text)
        self._messages.put(event)
        if self._thread is None:
            self._open()

    def _finish(self, _event: RunFinished) -> None:
        self.end(self._picture())

    def _open(self) -> None:
        """Show the panel in a moment, also if a step blocks the main thread by then."""
        if not self._small:
            self._output.reserve()
        self._start()

    def show(self) -> None:
        """Show the panel now."""
        if self._enter(PanelPhase.LIVE) is PanelPhase.WAITING:
            self._display()
            self._start()

    def flush(self) -> None:
        """Wait until all that has happened so far was sent to the page."""
        self._request(Flush())

    def end(self, bundle: dict[str, Any] | None) -> None:
        """Put a static bundle in the panel's place, and wait until it is there.

        Args:
            bundle: The MIME bundle; None leaves what is shown and only takes the live panel away.
        """
        if self._enter(PanelPhase.ENDED) is PanelPhase.LIVE:
            end = End(bundle)
            if not self._request(end):
                self._replace(end)
        elif bundle is not None:
            self._output.show(bundle)
        self._urgent.set()

    def _enter(self, phase: PanelPhase) -> PanelPhase:
        """Go on to a phase, and give the phase before; phases are never gone back to."""
        with self._phase_lock:
            before = self._phase
            if phase.value > before.value:
                self._phase = phase
        return before

    def _post(self, message: Message) -> None:
        self._messages.put(message)
        self._urgent.set()

    def _request(self, message: Flush | End) -> bool:
        """Wait until the thread has done something; False if the thread has ended."""
        self._post(message)
        while not message.done.wait(1.0):
            if self._thread is None or not self._thread.is_alive():
                return message.done.is_set()
        return True

    # --- the thread -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        # ipykernel finds the cell that an output belongs to in the context.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._live,), daemon=True, name="zenbook-panel")
        self._thread.start()

    def _live(self) -> None:
        if self._phase is PanelPhase.WAITING:
            self._urgent.wait(DELAY)
            import zenbook.notebook.panels.run_widget  # noqa: F401  # takes its time, and the run may end meanwhile

            if self._enter(PanelPhase.LIVE) is not PanelPhase.WAITING:
                return
            self._display()
        resend_at = [self._shown_at + delay for delay in _RESEND_AFTER]
        while True:
            self._urgent.wait(None if self.view.state.ended else INTERVAL)
            self._urgent.clear()
            for message in self._received():
                if isinstance(message, End):
                    self._leave(message)
                    return
                self._handle(message)
            if not self.view.state.ended and resend_at and time.monotonic() > resend_at[0]:
                resend_at.pop(0)
                self._note_everything()
            self._send_changes()
            if not self.view.state.ended and time.monotonic() - self._pictured_at > self._picture_interval():
                self._show_picture()

    def _received(self) -> Iterator[Message]:
        while True:
            try:
                yield self._messages.get_nowait()
            except Empty:
                return

    def _handle(self, message: Event | Request) -> None:
        match message:
            case Reply(request, content):
                self._reply_to(request, content)
            case PageOpened():
                self._page_seen = True
                self._note_everything()
            case Interrupt(request):
                self._interrupt(request)
            case Flush(done):
                self._send_changes()
                done.set()
            case RunFinished():
                self._note_everything()
            case _:
                self._changes.note(message)

    def _note_everything(self) -> None:
        self._changes = everything(self.view)
        self._changes.log_step = self._log_tails.last_step

    def _send_changes(self) -> None:
        changes, self._changes = self._changes, Changes()
        if changes.log_step and not self._small:
            changes.log = self._log_tails.end_of(changes.log_step, _TAIL_LINES, _TAIL_CHARACTERS)
        if not changes:
            return
        if self._widget is None:
            self._show_picture()
            return
        for patch in patches(self.view, changes, self._base):
            self._widget.send(patch)

    def _reply_to(self, request: dict[str, Any], content: dict[str, Any]) -> None:
        if self._widget is not None:
            self._widget.send({"asked": request, **content})

    def _interrupt(self, request: dict[str, Any]) -> None:
        """Interrupt the run. It cannot end meanwhile: its end waits for this thread."""
        if self._phase is PanelPhase.ENDED:  # something else has stopped it: a signal would hit what runs next
            return
        self._reply_to(request, {"cancelling": True})
        os.kill(os.getpid(), signal.SIGINT)

    # --- what is shown: in the thread, or before it starts ----------------------------------------------------------

    def _display(self) -> None:
        self._widget = self._create_widget()
        self._shown_at = time.monotonic()
        self._show_picture()

    def _create_widget(self) -> RunWidget | None:
        from zenbook.notebook.panels.run_widget import RunWidget

        try:
            return RunWidget(self._describe, self.answer)
        except Exception:  # noqa: BLE001  # whatever these packages disagree about: the run is shown as pictures
            return None

    def _describe(self) -> dict[str, Any]:
        front_end = {"here": is_driven_here(self.view.run), "hears": supports_subshells(), "kernel": kernel_id()}
        return description(self.view, self._base) | front_end | {"small": self._small}

    def _picture_interval(self) -> float:
        may_answer_later = not supports_subshells()
        return _PICTURE_INTERVAL if self._page_seen or may_answer_later else _UNSEEN_PICTURE_INTERVAL

    def _show_picture(self) -> None:
        """Show the run as it is now, in the element in whose place the page shows the panel."""
        self._pictured_at = time.monotonic()
        picture = self._picture()
        if self._widget is not None:
            picture = self._widget.placed(picture, f"See its current state: %zen show {self.view.run}")
        self._output.show(picture)

    def _picture(self) -> dict[str, Any]:
        return {"text/html": run_html(self.view), "text/plain": run_text(self.view)}

    def _leave(self, end: End) -> None:
        """Replace the panel, and take the widget out of the page once the page has made it."""
        if not self._page_seen and self._widget is not None:
            self._replace(end)
            self._wait_for_page(self._widget)
            self._widget.end()
        else:
            self._replace(end)

    def _replace(self, end: End) -> None:
        """Put the bundle in the panel's place. A widget that the page has made is closed before the cell ends."""
        if end.bundle is not None:
            self._output.show(end.bundle)
            if self._widget is not None and self._widget.pages > 1:
                # A page that was loaded again takes no updates of outputs which it has from the file.
                self._widget.send({"picture": end.bundle["text/html"]})
        if self._page_seen and self._widget is not None:
            self._widget.end()
        end.done.set()

    def _wait_for_page(self, widget: RunWidget) -> None:
        """Wait until a page says that it has made the widget, or has had the time to make it."""
        while (seconds := widget.settled_at - time.monotonic()) > 0:
            self._urgent.wait(seconds)
            self._urgent.clear()
            if any(isinstance(message, PageOpened) for message in self._received()):
                return

    # --- what the page asks: called by the thread of the widget's messages ------------------------------------------

    def answer(self, request: dict[str, Any]) -> None:
        """Answer one message of the page.

        Args:
            request: What it asks under the key ``ask``, with the name of a step where it asks about one.
        """
        try:
            content = self._content_for(request)
        except ZenbookError as error:
            content = {"error": " ".join(sentence for sentence in (error.message, error.hint) if sentence)}
        except Exception as error:  # noqa: BLE001  # nobody sees what is raised here, so the page shows it
            content = {"error": f"The kernel could not answer: {one_line(error)}"}
        if content is not None:
            self._post(Reply(request, content))

    def _content_for(self, request: dict[str, Any]) -> dict[str, Any] | None:
        match request.get("ask"):
            case "state":
                self._post(PageOpened())
            case "details":
                return {"details": step_details(self.view, str(request["step"]))}
            case "log":
                return {"log": step_log(self.view, self._log_tails, str(request["step"]), request.get("first"))}
            case "cancel" if is_driven_here(self.view.run):
                self._post(Interrupt(request))
            case "cancel":
                cancel_elsewhere(self.view)
                return {"cancelling": True}
        return None
