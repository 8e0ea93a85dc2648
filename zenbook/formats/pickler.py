"""The pickler behind every pickle that zenbook writes; imported on first use, because it needs cloudpickle.

It adds three things to cloudpickle: classes and functions of a notebook are pickled by name and source
(see `zenbook.pickle_support`), what is pickled by value has the same bytes in every process, and figures do not open
themselves in pyplot when they are loaded.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections import ChainMap
from collections.abc import Callable
from typing import Any, ClassVar

import cloudpickle
from cloudpickle import cloudpickle as internals

from zenbook.core.live_definitions import find_live, is_importable, source_digest
from zenbook.formats.matplotlib_reducers import reduce_callbacks, reduce_figure, reduce_transform
from zenbook.pickle_support import resolve


def _reduce_code(code: types.CodeType) -> Any:
    # The file of a cell holds the kernel's process id, and its line changes with an edit above it.
    return internals._code_reduce(code.replace(co_filename=f"<{code.co_name}>", co_firstlineno=1))


class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles classes and functions by value, to the same bytes in each process."""

    dispatch_table: ClassVar[ChainMap[Any, Any]] = ChainMap(
        {types.CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table
    )

    def __init__(self, file: Any, buffer_callback: Callable[[pickle.PickleBuffer], bool] | None = None) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._ordinary: set[type] = set()  # classes whose instances pickle as they do anyway: most objects, quickly

    def reducer_override(self, obj: Any) -> Any:
        """Say how a class, function or figure is pickled; called for every object that is not of a builtin type.

        Args:
            obj: The object.

        Returns:
            What `__reduce__` of an object returns, or NotImplemented for those that are pickled as usual.
        """
        kind = type(obj)
        if kind in self._ordinary:
            return NotImplemented
        if issubclass(kind, type) or kind is types.FunctionType:
            return self.reduce_definition(obj)
        for base, reduce in _special_classes():
            if issubclass(kind, base):
                return reduce(obj)
        self._ordinary.add(kind)
        return NotImplemented

    def reduce_definition(self, obj: Any) -> Any:
        """How a class or function is pickled: by reference where it can be imported, else by value."""
        reduced = super().reducer_override(obj)
        # A capsule's module is in sys.modules while its step runs, but cannot be imported later.
        if reduced is NotImplemented and obj.__module__ and not is_importable(obj.__module__):
            by_value = internals._dynamic_class_reduce if isinstance(obj, type) else self._dynamic_function_reduce
            reduced = by_value(obj)
        return _without_tracker(reduced)


class Pickler(ByValuePickler):
    """Pickles classes and functions of notebooks and capsules by name and source, others as cloudpickle does."""

    def reduce_definition(self, obj: Any) -> Any:
        """As by value, but what a notebook or capsule has under a name is a call of `resolve`."""
        reduced = super().reduce_definition(obj)
        if _is_by_value(reduced) and obj.__module__ and "<" not in obj.__qualname__:
            return resolve, _reference(obj)
        return reduced


def _special_classes() -> list[tuple[type, Callable[[Any], Any]]]:
    special: list[tuple[type, Callable[[Any], Any]]] = [(types.ModuleType, _reduce_module)]
    if "matplotlib.figure" in sys.modules:
        special += [
            (sys.modules["matplotlib.figure"].Figure, reduce_figure),
            (sys.modules["matplotlib.cbook"].CallbackRegistry, reduce_callbacks),
            (sys.modules["matplotlib.transforms"].TransformNode, reduce_transform),
        ]
    return special


def _reduce_module(module: types.ModuleType) -> Any:
    if module.__name__ == "__main__" or is_importable(module.__name__):
        return NotImplemented
    held = {name: value for name, value in vars(module).items() if name != "__builtins__"}
    return internals.dynamic_subimport, (module.__name__, held)


def _reference(obj: Any) -> tuple[str, str, str | None, bytes]:
    live = find_live(obj.__module__, obj.__qualname__)
    # A function below a decorator has the name and the source of the decorated one, and is another.
    known = live is None or hasattr(live, "__wrapped__") == hasattr(obj, "__wrapped__")
    digest = source_digest(obj) if known else None
    try:
        by_value = _by_value(obj)
    except Exception:
        # Its globals cannot be pickled. By its source it can still be found, or reported as missing.
        if digest is None:
            raise
        by_value = b""
    return obj.__module__, obj.__qualname__, digest, by_value


def _by_value(obj: Any) -> bytes:
    with io.BytesIO() as file:
        ByValuePickler(file).dump(obj)
        return file.getvalue()


def _is_by_value(reduced: Any) -> bool:
    makers = {internals._make_skeleton_class, internals._make_skeleton_enum, internals._make_function}
    return isinstance(reduced, tuple) and reduced[0] in makers


def _without_tracker(reduced: Any) -> Any:
    """Take cloudpickle's random id of a class, and the line that Python 3.13 keeps of it, out of the bytes."""
    if not _is_by_value(reduced) or reduced[0] is internals._make_function:
        return reduced
    make, arguments, (state, slots), *rest = reduced
    *arguments, _tracker, extra = arguments
    state = {key: value for key, value in state.items() if key != "__firstlineno__"}
    return make, (*arguments, None, extra), (state, slots), *rest


def to_pickle(value: Any) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Pickle a value.

    Args:
        value: The value.

    Returns:
        The pickle stream, and the large buffers beside it, which are not copied.
    """
    buffers: list[pickle.PickleBuffer] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            buffer.raw().release()
        except BufferError:  # not contiguous: goes into the stream
            return True
        buffers.append(buffer)
        return False

    with io.BytesIO() as file:
        Pickler(file, keep).dump(value)
        return file.getvalue(), buffers


def find_unpicklable_part(value: Any, name: str) -> tuple[str, Any]:
    """Find the innermost part of a value that cannot be pickled.

    Args:
        value: The value.
        name: What the path to the part begins with.

    Returns:
        The path, as ``output['model'].lock``, and the part.
    """
    path, part = name, value
    for _ in range(20):
        inner = next((inner for inner in _parts(part) if not _can_pickle(inner[1])), None)
        if inner is None:
            break
        path, part = path + inner[0], inner[1]
    return path, part


def _can_pickle(value: Any) -> bool:
    try:
        Pickler(DiscardingFile(), lambda _: False).dump(value)
    except Exception:  # noqa: BLE001 - whatever a __reduce__ raises means no
        return False
    return True


class DiscardingFile(io.RawIOBase):
    """A binary file that keeps nothing."""

    def write(self, data: Any) -> int:
        """Accept the data and drop it.

        Args:
            data: Bytes.

        Returns:
            Their number.
        """
        return len(data)


def _parts(value: Any) -> list[tuple[str, Any]]:
    """What a value holds, with the way to write it in Python."""
    if isinstance(value, dict):
        return [(f"[{key!r:.40}]", item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"[{place}]", item) for place, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return [(f" (in the {type(value).__name__})", item) for item in value]
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        inner = [(f" → variable {name!r}", cell.cell_contents) for name, cell in cells if _filled(cell)]
        names = [name for name in value.__code__.co_names if name in value.__globals__]
        return inner + [(f" → global {name!r}", value.__globals__[name]) for name in names]
    if isinstance(value, types.MethodType):
        return [(".__self__", value.__self__)]
    if isinstance(value, (type, types.ModuleType)):
        return []
    slots: list[str] = [name for base in type(value).__mro__ for name in _slots(base)]
    held = {**{name: getattr(value, name) for name in slots if hasattr(value, name)}, **getattr(value, "__dict__", {})}
    return [(f".{name}", item) for name, item in held.items()]


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    return [slot for slot in ([slots] if isinstance(slots, str) else slots) if not slot.startswith("__")]


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
