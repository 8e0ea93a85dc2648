"""The history panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget, joined


class HistoryWidget(PanelWidget):
    """Shows the runs it is told of; its parts are plain files, and its first style has what panels share."""

    _esm = joined("history_panel.js", "place.js", "history_table.js", "history_tools.js", "elements.js")
    _css = joined("run_panel.css", "history_panel.css")
