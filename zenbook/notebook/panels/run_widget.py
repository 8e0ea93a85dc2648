"""The run panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget, joined


class RunWidget(PanelWidget):
    """Its script and its style are plain files."""

    _esm = joined("run_panel.js", "place.js", "run_graph.js", "step_details.js", "elements.js")
    _css = joined("run_panel.css")
