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
    """Shows what a cell displays in a notebook, and records it."""

    def showing(self, entries: list[Entry]) -> AbstractContextManager[None]:
        """Record what is displayed while the block runs.

        Args:
            entries: The list to which entries are added.

        Returns:
            The context manager.
        """

    def result(self, value: Any, entries: list[Entry]) -> None:
        """Record the value of the cell's last line.

        Args:
            value: The value.
            entries: The list to which an entry is added.
        """


def add_text(entries: list[Entry], stream: str, text: str) -> None:
    """Append printed text, to the last entry if that is of the same stream.

    Args:
        entries: The entries so far.
        stream: "stdout" or "stderr".
        text: What was printed.
    """
    if entries and entries[-1].get("stream") == stream:
        entries[-1]["text"] += text
    else:
        entries.append({"stream": stream, "text": text})
