"""The history panel: the runs of the active stack, live while somebody looks at them.

A thread reads the newest page as long as the browser says that the panel is visible, and sends what has changed. Older
pages are read when the browser asks for them.
"""

from __future__ import annotations

import shlex
import threading
import time
from pathlib import Path
from typing import Any

from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import QueryError, RunError, ZenbookError
from zenbook.exporters.base import exporter_names
from zenbook.history.run import Run
from zenbook.notebook.panels.history_rows import Newest, RunFilter, page, rows_of
from zenbook.notebook.panels.opened_run import OpenedRun
from zenbook.notebook.panels.panel_state import LOOK
from zenbook.notebook.progress import Output, bundle_of
from zenbook.stack.stack import OpenStack, open_stack

INTERVAL = 1.0  # seconds between two looks
_MAX_SHARE = 5  # reading takes at most a fifth of the time
_PICTURE_INTERVAL = 20.0  # seconds from one picture for the notebook's file to the next
_LEASE = 30.0  # seconds after the last message of the browser after which nobody looks any more


def show_history(shell: Any) -> None:
    """Show the runs of the active stack in the cell that is running, as a panel or else as a table.

    Args:
        shell: The IPython shell.
    """
    from zenbook.notebook.panels.front_end import panels_work

    if panels_work():
        HistoryPanel().show()
    else:
        shell.display_pub.publish(_picture())


def _picture() -> dict[str, Any]:
    from zenbook.history.runs import runs

    return bundle_of(runs())


class HistoryPanel:
    """Sends the runs to one widget, and does what is clicked there."""

    def __init__(self) -> None:
        from zenbook.notebook.panels.history_widget import HistoryWidget

        self._output = Output()
        self._pictured_at = 0.0
        self._sending = threading.RLock()  # held while a message is sent
        self._newest = Newest(RunFilter())
        self._filter_lock = threading.Lock()  # held for moments: the browser waits for it
        self._next_filter: RunFilter | None = None  # what the browser wants to see from now on
        self._wake = threading.Event()
        self._stack: OpenStack | None = None  # the one whose runs were sent
        self._away = ""
        self._wrong: dict[str, Any] | None = None
        self._watched_until = 0.0
        self._thread: threading.Thread | None = None
        self._rested = threading.Event()
        self._opened: OpenedRun | None = None
        self._widget = HistoryWidget(self._describe, self.answer)

    def show(self) -> None:
        """Show it now, or renew the table that is seen where the panel cannot be shown."""
        self._pictured_at = time.monotonic()
        self._output.show(self._widget.placed(_picture(), "Run the cell again for the panel."))

    def _describe(self) -> dict[str, Any]:
        """All that a page needs that shows the panel for the first time."""
        with self._sending:
            self._newest = Newest(self._newest.wanted)
            self._stack, self._away, self._wrong = None, "", None
            look = {"look": LOOK, "exporters": exporter_names()}
            return {**look, "now": time.time(), "first": self._news() or {}}

    # --- what happens ------------------------------------------------------------------------------------------------

    def _news(self) -> dict[str, Any] | None:
        """What has changed since the last message: the runs, the stack, whether the store can be reached."""
        try:
            stack = open_stack()
            switch = {}
            if self._stack is None or self._stack is not stack:
                self._newest = Newest(self._newest.wanted)
                switch = {"stack": stack.stack.label, "production": stack.stack.production, "switched": True}
            self._stack = stack
            changes = self._newest.look(stack)
            if self._wrong is not None:  # the names that it has are known by now
                changes = changes or {"wanted": self._newest.wanted.to_message(), "rows": [], "gone": []}
                self._wrong = None
        except QueryError as error:
            message = {"wanted": self._newest.wanted.to_message(), "wrong": _error_text(error, pointing=False)}
            news = None if message == self._wrong else message
            self._wrong = message
            return news
        except ZenbookError as error:
            away = _error_text(error)
            news = None if away == self._away else {"away": away}
            self._away = away
            return news
        back = {"away": ""} if self._away else {}
        self._away = ""
        return {**switch, **back, **(changes or {})} or None

    def _watch(self, wanted: RunFilter, *, fresh: bool) -> None:
        with self._filter_lock:
            self._watched_until = time.monotonic() + _LEASE
            if fresh or wanted != self._newest.wanted:
                self._next_filter = (
                    wanted  # the thread reads it: a query may take long, and the browser asks more meanwhile
                )
                self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._rested = threading.Event()
                self._thread = threading.Thread(
                    target=self._live, args=(self._rested,), daemon=True, name="zenbook-history"
                )
                self._thread.start()

    def _live(self, rested: threading.Event) -> None:
        seconds, changed = 0.0, False
        while time.monotonic() < self._watched_until:
            self._wake.wait(max(INTERVAL, _MAX_SHARE * seconds))
            self._wake.clear()
            if rested.is_set():
                return
            began = time.monotonic()
            with self._sending:
                with self._filter_lock:
                    next_filter, self._next_filter = self._next_filter, None
                if next_filter is not None:
                    self._newest, self._wrong = Newest(next_filter), None
                news = self._news()
                self._send(news)
                changed = changed or news is not None
            if changed and time.monotonic() - self._pictured_at > _PICTURE_INTERVAL:
                changed = False
                self.show()
            # The first look does not count: it may import, and read the whole history.
            seconds = 0.0 if next_filter is not None else time.monotonic() - began

    def _send(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            with self._sending:
                self._widget.send(message)

    # --- what the browser asks ---------------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> None:
        """Answer one message of the browser.

        Args:
            request: What it asks under the key ``ask``, with ``runs``, ``stack`` and more where they are needed.
        """
        try:
            reply = self._reply(request)
        except ZenbookError as error:
            reply = {"error": _error_text(error)}
        except Exception as error:  # noqa: BLE001  # nobody sees what is raised here, so the browser shows it
            reply = {"error": f"The kernel could not answer: {one_line(error)}"}
        if reply is not None:
            self._send({"asked": request, **reply})

    def _reply(self, request: dict[str, Any]) -> dict[str, Any] | None:
        runs = [str(run) for run in request.get("runs", ())]
        match request.get("ask"):
            case "watch":
                self._watch(RunFilter.from_message(request.get("wanted", {})), fresh=bool(request.get("fresh")))
                return None
            case "rest":
                self._rested.set()
                self._wake.set()
                self._thread = None
                return None
            case "page":
                return self._page(RunFilter.from_message(request.get("wanted", {})), request)
            case "open":
                return self._open(Run(runs[0], self._shown(request)))
            case "close":
                self._close()
                return None
            case "compare":
                return self._compare(runs, request)
            case "resume":
                return self._resume(Run(runs[0], self._shown(request)))
            case "export":
                return self._export(Run(runs[0], self._shown(request)), request)
            case "delete":
                return self._delete(runs, request)
            case _:
                return None

    def _shown(self, request: dict[str, Any]) -> OpenStack:
        """The stack whose runs the browser shows. Raises `RunError` when another is active by now."""
        stack = self._stack
        if stack is None or stack.stack.label != request.get("stack"):
            raise RunError("The active stack has changed.", "Reload the list and try again.")
        return stack

    def _page(self, wanted: RunFilter, request: dict[str, Any]) -> dict[str, Any]:
        stack = self._stack or open_stack()
        records, more = page(stack, wanted, request.get("before"), offset=int(request.get("offset", 0)))
        rows = rows_of(stack.metadata, records)
        with self._sending:
            self._newest.follow(rows)
        return {"wanted": wanted.to_message(), "rows": rows, "more": more}

    def _open(self, run: Run) -> dict[str, Any]:
        self._close()
        self._opened = OpenedRun(run)
        return {"opened": run.id, **self._opened.described()}

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _compare(self, runs: list[str], request: dict[str, Any]) -> dict[str, Any]:
        from zenbook.history.comparison.compare import compare
        from zenbook.history.comparison.run_data import read_run_data

        stack = self._shown(request)
        comparison = compare(
            read_run_data([(Run(run, stack).record, stack) for run in sorted(runs)])
        )  # with the oldest
        return {"html": comparison._repr_html_()}

    def _resume(self, run: Run) -> dict[str, Any]:
        """Run the plan again in a process of its own: the kernel may be busy, and is left free."""
        from zenbook.engine.background import launch_in_background

        if not run.state.ended:
            raise RunError(f"Run {run.id} has not ended: it is {run.state}.", "Wait until it ends, or cancel it.")
        resumed = launch_in_background(run.plan, run._stack)
        return {"done": f"Run {run.id} was resumed as run {resumed.id}, in the background."}

    def _export(self, run: Run, request: dict[str, Any]) -> dict[str, Any]:
        from zenbook.exporters.base import find_exporter, make_files, write_export

        target, folder = str(request["target"]), str(request["folder"]).strip()
        if not folder:
            raise RunError("No folder given.", "Enter the folder to which the export is written.")
        where = Path(folder).expanduser().absolute()
        written = write_export(make_files(find_exporter(target), run.plan, {}), where)
        line = f"%zen export {target} {run.id} --to {shlex.quote(folder)}"
        return {"exported": repr(written), "line": line}

    def _delete(self, runs: list[str], request: dict[str, Any]) -> dict[str, Any]:
        from zenbook.history.garbage_collection import delete_runs

        deleted = delete_runs(runs, stack=self._shown(request).stack.name)
        many = "1 run was" if len(deleted) == 1 else f"{len(deleted)} runs were"
        return {
            "deleted": runs,
            "done": f"{many} deleted. To delete artifacts that no other run uses: %zen gc --delete",
        }


def _error_text(error: ZenbookError, *, pointing: bool = True) -> str:
    """The error in one line; without ``pointing``, without the lines that mark a place in the query."""
    lines = error.hint.splitlines()
    if not pointing:
        lines = [line for line in lines if line.strip(" ^") and not line.startswith("LINE ")]
    return " ".join([error.message, *lines])
