"""The stack panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget
from zenbook.notebook.panels.script_bundle import bundle, read_static


class StackWidget(PanelWidget):
    """Shows the stacks, and forms to register them."""

    _esm = bundle("stack_panel.js")
    _css = read_static("run_panel.css", "stack_panel.css")
