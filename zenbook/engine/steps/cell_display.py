"""What a cell showed while it ran, so that it can be shown again when the cell is served from the cache.

A list of entries in order: ``{"stream": "stdout", "text": …}``, ``{"data": mime bundle, "metadata": …}`` for a display
and ``{"result": mime bundle, "metadata": …}`` for the value of the last line.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

SHOWN = "__shown__"
Entry = dict[str, Any]


class CellDisplayRecorder(Protocol):
    """How a notebook shows what a cell displays, and takes note of it."""

    def showing(self, entries: list[Entry]) -> AbstractContextManager[None]:
        """While the block runs, what is displayed goes to ``entries`` too."""

    def result(self, value: Any, entries: list[Entry]) -> None:
        """Take note of the value of the cell's last line."""


def add_text(entries: list[Entry], stream: str, text: str) -> None:
    """Append printed text, to the last entry if that is of the same stream."""
    if entries and entries[-1].get("stream") == stream:
        entries[-1]["text"] += text
    else:
        entries.append({"stream": stream, "text": text})
