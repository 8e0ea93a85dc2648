"""What the widgets of all panels share: their content comes as messages, and their saved state holds none of it.

No output holds a widget. It holds a still picture, in an element into which the page puts the live panel
(`mount_panels.js`). So a notebook that is opened without its kernel, or by a reader without widgets, shows the
picture.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from zenbook.display.markup import Html

SETTLED = 2.5  # seconds from which on a browser has made a widget; anywidget's own limit is 2


class PanelWidget(anywidget.AnyWidget):
    """Shows what is sent to it. Its state is computed when a page asks for it.

    Args:
        describe: Gives all that a page needs which shows the panel for the first time.
        answer: Gets each message of a page, in the thread of the widget's messages.
    """

    start: Any = traitlets.Any().tag(sync=True, to_json=lambda _value, widget: widget.described())

    def __init__(self, describe: Callable[[], dict[str, Any]], answer: Callable[[dict[str, Any]], None]) -> None:
        self.panel = uuid.uuid4().hex
        self.pages = 0  # that have asked for its state, roughly: one that is loaded again counts again
        self._describe = describe
        self.settled_at = time.monotonic() + SETTLED
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: answer(content))
        # ipykernel 7.4 moves a browser's message to where the widget last sent from: to the main thread, which a run
        # blocks. Let it go where the browser sends it.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _data, default: default

    def described(self) -> dict[str, Any]:
        """What a page needs that shows the panel from now on."""
        self.pages += 1
        return {**self._describe(), "panel": self.panel}

    def placed(self, picture: dict[str, Any], hint: str) -> dict[str, Any]:
        """Make the output in whose place the page shows the panel.

        Args:
            picture: A MIME bundle, for readers without widgets.
            hint: What such a reader can do to see more.

        Returns:
            The picture in an element that names the panel, with its time and the hint below.
        """
        words = f"State at {time.strftime('%Y-%m-%d %H:%M:%S')}. {hint}"
        note = Html('<div style="opacity:.7;font-size:.9em">{}</div>').format(words)
        body = f'<div class="zb-at-{self.panel}">{picture["text/html"]}{note}</div>'
        return {**picture, "text/html": body, "text/plain": f"{picture['text/plain']}\n{words}"}

    def end(self) -> None:
        """Take the widget out of all pages that show it.

        A page that is still creating it would report a failure in its console, so wait until the page has sent a
        message, or until ``settled_at``. A page that has cleared its widgets, for a restart of the kernel, reports an
        unknown comm: so do not wait when the page has sent a message.
        """
        layout = self.layout
        self.close()
        layout.close()
