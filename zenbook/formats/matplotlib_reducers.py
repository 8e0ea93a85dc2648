"""How matplotlib's objects are pickled: to the same bytes each time, and without effect on pyplot when loaded."""

from __future__ import annotations

import copyreg
from typing import Any

from zenbook.pickle_support import restore_figure


def reduce_figure(figure: Any) -> Any:
    """Reduce a figure, wherever it is in the pickled object, so that pyplot does not open it when it is loaded.

    Args:
        figure: A matplotlib Figure.

    Returns:
        What ``__reduce_ex__`` returns.
    """
    _, (kind, *arguments), state, *_ = figure.__reduce_ex__(2)
    state = {key: value for key, value in state.items() if key != "_restore_to_pylab"}
    return copyreg.__newobj__, (kind, *arguments), state, None, None, restore_figure  # type: ignore[attr-defined]


def reduce_callbacks(callbacks: Any) -> Any:
    """Reduce matplotlib's registry of callbacks without the number of times that it was pickled before.

    Args:
        callbacks: A ``matplotlib.cbook.CallbackRegistry``.

    Returns:
        What ``__reduce_ex__`` returns.
    """
    make, arguments, state, *_ = callbacks.__reduce_ex__(2)
    numbers = [number for group in state["callbacks"].values() for number in group]
    return make, arguments, {**state, "_cid_gen": max(numbers, default=-1) + 1}


def reduce_transform(transform: Any) -> Any:
    """Reduce a transform with its parents by number, where matplotlib has their addresses in memory.

    Args:
        transform: A ``matplotlib.transforms.TransformNode``.

    Returns:
        What ``__reduce_ex__`` returns.
    """
    make, arguments, state, *_ = transform.__reduce_ex__(2)
    return make, arguments, {**state, "_parents": dict(enumerate(state["_parents"].values()))}
