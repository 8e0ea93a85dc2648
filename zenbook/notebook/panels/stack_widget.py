"""The stack panel as a widget."""

from __future__ import annotations

from zenbook.notebook.panels.panel_widget import PanelWidget, joined


class StackWidget(PanelWidget):
    """Its script and its style are plain files."""

    _esm = joined("stack_panel.js", "place.js", "stack_picker.js", "stack_form.js", "elements.js")
    _css = joined("run_panel.css", "stack_panel.css")
