"""The functions that stored pickles call when they are loaded, and the unpickler for stored pickles.

A stored pickle names these functions by the path of this module, so the module and its two functions `resolve` and
`restore_figure` keep their names for ever. Nothing is imported before it is needed: a pickle may be loaded anywhere.
"""

from __future__ import annotations

import io
import pickle
import threading
import types
import weakref
from collections.abc import Iterable
from typing import Any

_FORMER_PACKAGE = "zenbook.runs."  # where the modules of these functions and of most public names were at first
_OWN_NAMES = ("resolve", "restore_figure")


class Unpickler(pickle.Unpickler):
    """Loads what zenbook has pickled, also what names a module of zenbook by its former path."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Find a class or function that a pickle names.

        Args:
            module_name: The module, perhaps one that has moved since the pickle was written.
            global_name: The qualified name in it.

        Returns:
            The class or function.
        """
        if module_name.startswith(_FORMER_PACKAGE):
            module_name = __name__ if global_name in _OWN_NAMES else "zenbook"
        return super().find_class(module_name, global_name)


def load(stream: bytes | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Load a pickle that zenbook has written.

    Args:
        stream: The pickle.
        buffers: The large buffers beside it, in their order; the loaded objects use their memory.

    Returns:
        The new object.
    """
    return Unpickler(io.BytesIO(stream), buffers=buffers).load()


def resolve(module: str, qualname: str, digest: str | None, by_value: bytes) -> Any:
    """Find a class or function of a notebook when a pickle of it is loaded.

    Args:
        module: The module in which it was defined, as ``__main__``.
        qualname: Its qualified name there.
        digest: The digest of its source; None if the source was not known.
        by_value: The pickled class or function itself; empty if it could not be pickled.

    Returns:
        The live class or function of that name if it has the same source, else the one in ``by_value``.

    Raises:
        FormatError: There is neither.
    """
    from zenbook.core.live_definitions import find_live, source_digest
    from zenbook.errors import FormatError

    if digest is not None:
        live = find_live(module, qualname)
        if isinstance(live, (type, types.FunctionType)) and source_digest(live) == digest:
            return live
    if not by_value:
        raise FormatError(
            f"The stored object needs {qualname!r} of {module}, as it was when the object was stored.",
            f"Define {qualname!r} as it was then, and load the object again.",
        )
    return _load_by_value(by_value)


def restore_figure(figure: Any, state: dict[str, Any]) -> None:
    """Give a new matplotlib figure its state and a canvas that can draw, when a pickle of it is loaded.

    Args:
        figure: The new figure, still empty.
        state: The figure's pickled state.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.__setstate__(state)
    FigureCanvasAgg(figure)


_loaded: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_loading = threading.RLock()


def _load_by_value(data: bytes) -> Any:
    """One object for the same bytes, so that two loaded instances are of one class."""
    from zenbook.core.digest import digest_of_bytes

    key = digest_of_bytes(data)
    with _loading:
        value = _loaded.get(key)
        if value is None:
            value = _loaded[key] = load(data)
        return value
