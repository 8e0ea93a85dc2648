"""The run panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget
from zenbook.notebook.panels.script_bundle import bundle, read_static


class RunWidget(PanelWidget):
    """Shows one run."""

    _esm = bundle("run_panel.js")
    _css = read_static("run_panel.css")
