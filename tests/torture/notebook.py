"""A notebook without a front end: cells run in a real IPython shell in this process, in `__main__`."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from zenbook.core.capsule import Capsule
from zenbook.core.capture.capture import Captured, captured_function


class Notebook:
    """Cells, and what they leave in the namespace."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    @property
    def space(self) -> dict[str, Any]:
        """The notebook's namespace."""
        return self.shell.user_ns  # type: ignore[no-any-return]

    def cell(self, text: str) -> Any:
        """Run a cell, raise what it raises, and give its last value."""
        result = self.shell.run_cell(text, store_history=True, silent=False)
        result.raise_error()
        return result.result

    def __getitem__(self, name: str) -> Any:
        return self.space[name]

    def captured(self, name: str) -> Captured:
        """The capture of a function or step of the notebook."""
        value = self.space[name]
        return captured_function(getattr(value, "function", value), name=name)

    def capsule(self, name: str) -> Capsule:
        """The capsule of a function or step of the notebook."""
        return self.captured(name).capsule


@contextmanager
def opened() -> Iterator[Notebook]:
    """A fresh notebook; what it loads is forgotten at the end."""
    modules, path, sources = dict(sys.modules), list(sys.path), dict(linecache.cache)
    here = str(Path.cwd())
    hooks = sys.displayhook, sys.excepthook
    config = Config()
    config.HistoryManager.enabled = False
    config.TerminalInteractiveShell.colors = "nocolor"
    shell = InteractiveShell(config=config)
    shell.displayhook.write_output_prompt = lambda: None
    shell.displayhook.write_format_data = lambda *_: None
    sys.path.insert(0, here)
    try:
        yield Notebook(shell)
    finally:
        sys.displayhook, sys.excepthook = hooks
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            homes = [getattr(sys.modules[name], "__file__", None), *getattr(sys.modules[name], "__path__", ())]
            if any(str(one).startswith(here) for one in homes):
                del sys.modules[name]
        sys.modules["__main__"] = modules["__main__"]
        linecache.cache.clear()
        linecache.cache.update(sources)
