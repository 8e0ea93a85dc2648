"""The history panel: the runs of the active stack, live while somebody looks at them.

A thread looks at the newest page while the browser says that it is seen, and tells what has changed. Older pages are
read when the browser asks for them.
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
from zenbook.notebook.panels.history_rows import Newest, Wanted, page, rows_of
from zenbook.notebook.panels.opened_run import OpenedRun
from zenbook.notebook.panels.panel_state import LOOK
from zenbook.notebook.progress import Output, bundle_of
from zenbook.stack.stack import OpenStack, open_stack

INTERVAL = 1.0  # seconds between two looks
_SHARE = 5  # looking takes at most one part of so many of the time
_PICTURE = 20.0  # seconds from one picture for the notebook's file to the next
_PATIENCE = 30.0  # seconds without a word of the browser after which nobody looks


def show_history(shell: Any) -> None:
    """Show the runs of the active stack in the cell that runs now, as a panel or, where there are none, as a table."""
    from zenbook.notebook.panels.front_end import panels_work

    if panels_work():
        HistoryPanel().show()
    else:
        shell.display_pub.publish(_picture())


def _picture() -> dict[str, Any]:
    from zenbook.history.runs import runs

    return bundle_of(runs())


class HistoryPanel:
    """Tells one widget of the runs, and does what is clicked there."""

    def __init__(self) -> None:
        from zenbook.notebook.panels.history_widget import HistoryWidget

        self._output = Output()
        self._pictured_at = 0.0
        self._telling = threading.RLock()  # held while the browser is told
        self._newest = Newest(Wanted())
        self._wished = threading.Lock()  # held for moments: the browser waits for it
        self._wish: Wanted | None = None  # what the browser wants to see from now on
        self._wake = threading.Event()
        self._stack: OpenStack | None = None  # the one whose runs were told
        self._away = ""
        self._wrong: dict[str, Any] | None = None
        self._watched_until = 0.0
        self._thread: threading.Thread | None = None
        self._rested = threading.Event()
        self._opened: OpenedRun | None = None
        self._widget = HistoryWidget(self._describe, self.answer)

    def show(self) -> None:
        """Show it now, or renew the table that is seen where the panel can't be."""
        self._pictured_at = time.monotonic()
        self._output.show(self._widget.placed(_picture(), "Run the cell again for the panel."))

    def _describe(self) -> dict[str, Any]:
        """All that a page needs that shows the panel for the first time."""
        with self._telling:
            self._newest = Newest(self._newest.wanted)
            self._stack, self._away, self._wrong = None, "", None
            look = {"look": LOOK, "exporters": exporter_names()}
            return {**look, "now": time.time(), "first": self._news() or {}}

    # --- what happens ------------------------------------------------------------------------------------------------

    def _news(self) -> dict[str, Any] | None:
        """What has changed since it was last told: the runs, the stack, whether the store can be reached."""
        try:
            stack = open_stack()
            switch = {}
            if self._stack is None or self._stack is not stack:
                self._newest = Newest(self._newest.wanted)
                switch = {"stack": stack.stack.label, "production": stack.stack.production, "anew": True}
            self._stack = stack
            found = self._newest.look(stack)
            if self._wrong is not None:  # the names that it has are known by now
                found = found or {"wanted": self._newest.wanted.told(), "rows": [], "gone": []}
                self._wrong = None
        except QueryError as error:
            told = {"wanted": self._newest.wanted.told(), "wrong": _said(error, pointing=False)}
            news = None if told == self._wrong else told
            self._wrong = told
            return news
        except ZenbookError as error:
            away = _said(error)
            news = None if away == self._away else {"away": away}
            self._away = away
            return news
        back = {"away": ""} if self._away else {}
        self._away = ""
        return {**switch, **back, **(found or {})} or None

    def _watch(self, wanted: Wanted, *, fresh: bool) -> None:
        with self._wished:
            self._watched_until = time.monotonic() + _PATIENCE
            if fresh or wanted != self._newest.wanted:
                self._wish = wanted  # the thread looks: a question in SQL may take long, and the browser asks on
                self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._rested = threading.Event()
                self._thread = threading.Thread(
                    target=self._live, args=(self._rested,), daemon=True, name="zenbook-history"
                )
                self._thread.start()

    def _live(self, rested: threading.Event) -> None:
        took, changed = 0.0, False
        while time.monotonic() < self._watched_until:
            self._wake.wait(max(INTERVAL, _SHARE * took))
            self._wake.clear()
            if rested.is_set():
                return
            began = time.monotonic()
            with self._telling:
                with self._wished:
                    wish, self._wish = self._wish, None
                if wish is not None:
                    self._newest, self._wrong = Newest(wish), None
                news = self._news()
                self._tell(news)
                changed = changed or news is not None
            if changed and time.monotonic() - self._pictured_at > _PICTURE:
                changed = False
                self.show()
            # The first look at something new is no measure: it may import, and read the whole history.
            took = 0.0 if wish is not None else time.monotonic() - began

    def _tell(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            with self._telling:
                self._widget.send(message)

    # --- what the browser asks ---------------------------------------------------------------------------------------

    def answer(self, asked: dict[str, Any]) -> None:
        """Answer one message of the browser."""
        try:
            reply = self._reply(asked)
        except ZenbookError as error:
            reply = {"error": _said(error)}
        except Exception as error:  # noqa: BLE001  # nobody sees what is raised here, so it is told in the browser
            reply = {"error": f"The kernel could not answer: {one_line(error)}"}
        if reply is not None:
            self._tell({"asked": asked, **reply})

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        runs = [str(one) for one in asked.get("runs", ())]
        match asked.get("ask"):
            case "watch":
                self._watch(Wanted.of(asked.get("wanted", {})), fresh=bool(asked.get("fresh")))
                return None
            case "rest":
                self._rested.set()
                self._wake.set()
                self._thread = None
                return None
            case "page":
                return self._page(Wanted.of(asked.get("wanted", {})), asked)
            case "open":
                return self._open(Run(runs[0], self._shown(asked)))
            case "close":
                self._close()
                return None
            case "compare":
                return self._compare(runs, asked)
            case "resume":
                return self._resume(Run(runs[0], self._shown(asked)))
            case "export":
                return self._export(Run(runs[0], self._shown(asked)), asked)
            case "delete":
                return self._delete(runs, asked)
            case _:
                return None

    def _shown(self, asked: dict[str, Any]) -> OpenStack:
        """The stack whose runs the browser shows. Raises `RunError` when another has been switched on since."""
        stack = self._stack
        if stack is None or stack.stack.label != asked.get("stack"):
            raise RunError("The active stack has changed.", "Reload the list and try again.")
        return stack

    def _page(self, wanted: Wanted, asked: dict[str, Any]) -> dict[str, Any]:
        stack = self._stack or open_stack()
        records, more = page(stack, wanted, asked.get("before"), offset=int(asked.get("offset", 0)))
        rows = rows_of(stack.metadata, records)
        with self._telling:
            self._newest.follow(rows)
        return {"wanted": wanted.told(), "rows": rows, "more": more}

    def _open(self, run: Run) -> dict[str, Any]:
        self._close()
        self._opened = OpenedRun(run)
        return {"opened": run.id, **self._opened.described()}

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _compare(self, runs: list[str], asked: dict[str, Any]) -> dict[str, Any]:
        from zenbook.history.comparison.compare import compare
        from zenbook.history.comparison.run_data import read_run_data

        stack = self._shown(asked)
        found = compare(read_run_data([(Run(one, stack).record, stack) for one in sorted(runs)]))  # with the oldest
        return {"html": found._repr_html_()}

    def _resume(self, run: Run) -> dict[str, Any]:
        """Run the plan again in a process of its own: the kernel may be busy, and is left free."""
        from zenbook.engine.background import launch_in_background

        if not run.state.ended:
            raise RunError(f"Run {run.id} goes on: it is {run.state}.", "Wait for its end, or cancel it.")
        made = launch_in_background(run.plan, run._stack)
        return {"done": f"Run {run.id} goes on as {made.id}, in the background."}

    def _export(self, run: Run, asked: dict[str, Any]) -> dict[str, Any]:
        from zenbook.exporters.base import find_exporter, make_files, write_export

        target, folder = str(asked["target"]), str(asked["folder"]).strip()
        if not folder:
            raise RunError("Where is it to be written?", "Name a folder.")
        where = Path(folder).expanduser().absolute()
        written = write_export(make_files(find_exporter(target), run.plan, {}), where)
        line = f"%zen export {target} {run.id} --to {shlex.quote(folder)}"
        return {"exported": repr(written), "line": line}

    def _delete(self, runs: list[str], asked: dict[str, Any]) -> dict[str, Any]:
        from zenbook.history.garbage_collection import delete_runs

        deleted = delete_runs(runs, stack=self._shown(asked).stack.name)
        many = "1 run was" if len(deleted) == 1 else f"{len(deleted)} runs were"
        return {"deleted": runs, "done": f"{many} deleted. What only they had made goes with: %zen gc --delete"}


def _said(error: ZenbookError, *, pointing: bool = True) -> str:
    """The error in one line; without ``pointing`` what points at a place in the query is left out."""
    lines = error.hint.splitlines()
    if not pointing:
        lines = [one for one in lines if one.strip(" ^") and not one.startswith("LINE ")]
    return " ".join([error.message, *lines])
