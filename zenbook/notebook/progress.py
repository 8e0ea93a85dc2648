"""Progress in a notebook: one output per run, updated in place, and a static picture when the run has ended.

The bundle is the same at all times: an image with a data URI, which a saved notebook shows with no kernel, no widget
manager and no trust. A quick run shows its last state and nothing before.
"""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from typing import Any

from IPython.core.getipython import get_ipython

from zenbook.core.events import Event, Logged, RunFinished, RunStarted
from zenbook.display.run_html import run_html
from zenbook.display.run_text import run_text
from zenbook.display.run_view import RunView

DELAY = 0.15  # seconds: a run that ends within shows only its end
INTERVAL = 0.125  # seconds between updates


class Output:
    """One output of the cell that is running, replaced in place.

    It goes to the display publisher that is in place now: what a step captures later (or what is captured of a step, to
    show it again) does not hold it.
    """

    def __init__(self) -> None:
        shell = get_ipython()
        if shell is None:
            msg = "progress in a notebook needs an IPython shell"
            raise RuntimeError(msg)
        self._publish = shell.display_pub.publish
        self._display = uuid.uuid4().hex
        self._there = self.shown = False

    def reserve(self) -> None:
        """Take the place now, empty: what is printed from now on comes below."""
        self._put({"text/html": "", "text/plain": ""})

    def show(self, bundle: dict[str, Any]) -> None:
        """Show a MIME bundle in the place of what was shown before.

        Args:
            bundle: Texts by MIME type.
        """
        self.shown = True
        self._put(bundle)

    def _put(self, bundle: dict[str, Any]) -> None:
        update, self._there = self._there, True
        self._publish(bundle, transient={"display_id": self._display}, update=update)


def bundle_of(shown: Any) -> dict[str, Any]:
    """Draw an object as a MIME bundle.

    Args:
        shown: An object that draws itself as HTML.

    Returns:
        Its HTML and its text.
    """
    return {"text/html": shown._repr_html_(), "text/plain": repr(shown)}


class NotebookProgress:
    """A listener that shows a run in one output of the cell that started it.

    Args:
        view: The run's model, to which it passes every event.
    """

    def __init__(self, view: RunView) -> None:
        self.view = view
        self._output = Output()
        self._lock = threading.Lock()  # the timer's thread shows, too
        self._timer: threading.Timer | None = None
        self._began = time.monotonic()
        self._shown_at: float | None = None
        self._ended = False

    def on_event(self, event: Event) -> None:
        """Take note of one event.

        Args:
            event: An event of the view's run; events of other runs are ignored.
        """
        self.view.on_event(event)
        if event.run != self.view.run or isinstance(event, Logged):
            return
        with self._lock:
            if isinstance(event, RunStarted):
                self._began = time.monotonic()
                self._output.reserve()
            elif isinstance(event, RunFinished):
                self._ended = True
                self._show()
            elif not self._ended:
                self._show_in_time()

    def _show_in_time(self) -> None:
        """Show now if it is time, else when it will be, also if a step blocks the main thread until then."""
        due = self._began + DELAY if self._shown_at is None else self._shown_at + INTERVAL
        wait = due - time.monotonic()
        if wait <= 0:
            self._show()
        elif self._timer is None:
            # ipykernel finds the cell that an output belongs to in the context.
            context = contextvars.copy_context()
            self._timer = threading.Timer(wait, context.run, args=(self._on_time,))
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        with self._lock:
            if self._timer is threading.current_thread():  # else it was cancelled while it waited for the lock
                self._show()

    def _show(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        bundle = {"text/html": run_html(self.view), "text/plain": run_text(self.view)}
        self._shown_at = time.monotonic()
        self._output.show(bundle)
