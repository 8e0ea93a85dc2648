"""The history panel as a widget; its parts are plain files."""

from __future__ import annotations

from typing import Any

from zenbook.notebook.run_widget import _STATIC, RunWidget

_PARTS = ("history_panel.js", "history_table.js", "history_tools.js", "elements.js")  # of one module
_STYLES = ("run_panel.css", "history_panel.css")  # the first has what panels share


class HistoryWidget(RunWidget):
    """Shows the runs it is told of."""

    _esm = "\n".join((_STATIC / part).read_text(encoding="utf-8") for part in _PARTS)
    _css: Any = "\n".join((_STATIC / part).read_text(encoding="utf-8") for part in _STYLES)
