"""Records what a cell displays, and shows it again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zenbook.engine.steps.cell_display import Entry


class NotebookDisplayRecorder:
    """Records displays and the last value of a step cell in an IPython shell.

    Args:
        shell: The IPython shell.
        quiet: Whether the last value is not shown.
    """

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self.shell = shell
        self.quiet = quiet

    @contextmanager
    def showing(self, entries: list[Entry]) -> Iterator[None]:
        """Record and still show what is displayed while the block runs.

        Args:
            entries: Where it is recorded.

        Yields:
            Nothing.
        """
        publisher = self.shell.display_pub
        actual = publisher.publish

        def publish(data: Any = None, metadata: Any = None, *args: Any, **kwargs: Any) -> Any:
            _record(entries, data or {}, metadata or {}, kwargs)
            return actual(data, metadata, *args, **kwargs)

        publisher.publish = publish
        try:
            yield
            _show_open_figures()
        finally:
            del publisher.publish

    def result(self, value: Any, entries: list[Entry]) -> None:
        """Record the value of the cell's last line as it will be shown.

        Args:
            value: The value.
            entries: Where it is recorded.
        """
        if value is None or self.quiet:
            return
        data, metadata = self.shell.display_formatter.format(value)
        entries.append({"result": _as_sent(data), "metadata": metadata})

    def replay(self, entries: list[Entry]) -> None:
        """Show again what was recorded.

        Args:
            entries: What a cell displayed, in order.
        """
        for entry in entries:
            if "stream" in entry:
                stream = sys.stderr if entry["stream"] == "stderr" else sys.stdout
                stream.write(entry["text"])
                stream.flush()
            else:
                self.shell.display_pub.publish(entry.get("data") or entry.get("result"), entry.get("metadata") or {})


def _record(entries: list[Entry], data: dict[str, Any], metadata: dict[str, Any], options: dict[str, Any]) -> None:
    display = (options.get("transient") or {}).get("display_id")
    entry: Entry = {"data": _as_sent(data), "metadata": dict(metadata)}
    if display is not None:
        entry["display"] = display
        for earlier in entries if options.get("update") else []:
            if earlier.get("display") == display:
                earlier.update(entry)
                return
    entries.append(entry)


def _as_sent(data: dict[str, Any]) -> dict[str, Any]:
    """A MIME bundle with pictures as base64 text, as it is sent to the browser."""
    import base64

    return {
        kind: base64.b64encode(body).decode("ascii") if isinstance(body, bytes) else body for kind, body in data.items()
    }


def _show_open_figures() -> None:
    """Show the figures that the cell made, as the inline backend does at the end of a cell."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and "inline" in str(pyplot.get_backend()).lower() and pyplot.get_fignums():
        from matplotlib_inline.backend_inline import flush_figures

        flush_figures()  # type: ignore[no-untyped-call]
