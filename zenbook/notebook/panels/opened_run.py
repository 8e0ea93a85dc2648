"""A run that is opened within another panel: a run panel of its own, which that panel holds instead of an output."""

from __future__ import annotations

from typing import Any

from zenbook.core.events import RunFinished
from zenbook.display.run_html import run_html
from zenbook.display.run_view import RunView
from zenbook.engine.follower import Follower
from zenbook.history.run import Run
from zenbook.notebook.panels.run_answers import records_of
from zenbook.notebook.panels.run_panel import RunPanel
from zenbook.notebook.progress import Output


class OpenedRun:
    """One opened run, followed while it is running."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._panel = _HeldPanel(run.view())
        self._panel.show()
        self._follower: Follower | None = None
        if not run.state.ended:
            self._follower = Follower(run.id, records_of(self._panel.view), self._panel).start()

    def described(self) -> dict[str, Any]:
        """What the page shows it by: a widget's id, and a picture where widgets are missing."""
        return {"model": self._panel.model, "html": run_html(self._panel.view)}

    def close(self) -> None:
        """Stop following, and take the widget away."""
        if self._follower is not None:
            self._follower.stop()
        self._panel.close()


class _Nowhere(Output):
    """The output of a panel that another panel holds."""

    def _put(self, bundle: dict[str, Any]) -> None:
        pass


class _HeldPanel(RunPanel):
    """A run panel that stays a widget when its run has ended: no notebook's file holds it."""

    def __init__(self, view: RunView) -> None:
        super().__init__(view, output=_Nowhere())

    @property
    def model(self) -> str:
        """The widget's id; empty if there is none."""
        return "" if self._widget is None else str(self._widget.model_id)

    def close(self) -> None:
        """Take the widget out of the page."""
        self.end(None)

    def _finish(self, event: RunFinished) -> None:
        """Send the last of it; no output needs a picture."""
        self._post(event)
