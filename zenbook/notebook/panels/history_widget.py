"""The history panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget
from zenbook.notebook.panels.script_bundle import bundle, read_static


class HistoryWidget(PanelWidget):
    """Shows the runs of the active stack; its first style sheet is what all panels share."""

    _esm = bundle("history_panel.js")
    _css = read_static("run_panel.css", "history_panel.css")
