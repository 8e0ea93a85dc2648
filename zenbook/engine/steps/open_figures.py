"""pyplot's open figures: a cell starts with none and leaves none, as with the inline backend of a notebook.

The current figure is hidden state of the process. If a cell drew on the figure that another cell has left open, it
would draw on another one, or on none, where the other was served from the cache or ran elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_figures() -> Iterator[None]:
    """While the block runs, pyplot knows only the figures opened in it; afterwards only those from before.

    Windows of an interactive backend stay open, since they are how the user sees them.
    """
    known = _open_figures()
    before = dict(known)
    known.clear()
    try:
        yield
    finally:
        known = _open_figures()
        windows = list(known.values()) if _has_windows() else []
        if known and not windows:
            sys.modules["matplotlib._pylab_helpers"].Gcf.destroy_all()
        known.clear()
        known.update(before)
        for window in windows:
            if window.num in known:
                window.num = max((number for number in known if isinstance(number, int)), default=0) + 1
            known[window.num] = window


def _open_figures() -> dict[Any, Any]:
    """The register of pyplot, by number; empty while matplotlib is not loaded."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return helpers.Gcf.figs if helpers is not None else {}


def _has_windows() -> bool:
    """Whether pyplot's backend needs an event loop, and so opens windows."""
    backend = getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None)
    return getattr(getattr(backend, "FigureCanvas", None), "required_interactive_framework", None) is not None
