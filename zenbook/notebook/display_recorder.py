"""Takes note of what a cell displays, and shows it again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zenbook.engine.steps.cell_display import Entry


class NotebookDisplayRecorder:
    """Records displays and the last value of a step cell in an IPython shell."""

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self.shell = shell
        self.quiet = quiet

    @contextmanager
    def showing(self, entries: list[Entry]) -> Iterator[None]:
        """While the block runs, what is displayed is noted and still shown."""
        publisher = self.shell.display_pub
        actual = publisher.publish

        def publish(data: Any = None, metadata: Any = None, *args: Any, **kwargs: Any) -> Any:
            _note(entries, data or {}, metadata or {}, kwargs)
            return actual(data, metadata, *args, **kwargs)

        publisher.publish = publish
        try:
            yield
            _show_open_figures()
        finally:
            del publisher.publish

    def result(self, value: Any, entries: list[Entry]) -> None:
        """Note the value of the cell's last line as it will be shown."""
        if value is None or self.quiet:
            return
        data, metadata = self.shell.display_formatter.format(value)
        entries.append({"result": _plain(data), "metadata": metadata})

    def replay(self, entries: list[Entry]) -> None:
        """Show it all again."""
        for one in entries:
            if "stream" in one:
                stream = sys.stderr if one["stream"] == "stderr" else sys.stdout
                stream.write(one["text"])
                stream.flush()
            else:
                self.shell.display_pub.publish(one.get("data") or one.get("result"), one.get("metadata") or {})


def _note(entries: list[Entry], data: dict[str, Any], metadata: dict[str, Any], options: dict[str, Any]) -> None:
    display = (options.get("transient") or {}).get("display_id")
    entry: Entry = {"data": _plain(data), "metadata": dict(metadata)}
    if display is not None:
        entry["display"] = display
        for one in entries if options.get("update") else []:
            if one.get("display") == display:
                one.update(entry)
                return
    entries.append(entry)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
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
