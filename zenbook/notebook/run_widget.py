"""The run panel as a widget: its script and its style are plain files, and there is no build step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_STATIC = Path(__file__).parent / "static"
_PARTS = ("run_panel.js", "run_graph.js", "step_details.js", "elements.js")  # of one module


class RunWidget(anywidget.AnyWidget):
    """Shows what it is told. What it is told comes as messages; its state is made when a browser asks for it."""

    _esm = "\n".join((_STATIC / part).read_text(encoding="utf-8") for part in _PARTS)
    _css = _STATIC / "run_panel.css"
    start: Any = traitlets.Any().tag(sync=True, to_json=lambda _value, widget: widget.describe())

    def __init__(self, describe: Callable[[], dict[str, Any]], answer: Callable[[dict[str, Any]], None]) -> None:
        self.describe = describe
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: answer(content))
        # ipykernel 7.4 moves a browser's message to where the widget last sent from: to the main thread, which a run
        # blocks. Let it go where the browser sends it.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _data, default: default

    def bundle(self) -> dict[str, Any]:
        """What a front end shows the widget by."""
        reference = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"application/vnd.jupyter.widget-view+json": reference}

    def end(self) -> None:
        """Take the widget out of the browser."""
        layout = self.layout
        self.close()
        layout.close()
