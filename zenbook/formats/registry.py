"""Which format a value is stored in, and which format a name means."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from zenbook.core.entry_points import entry_points_by_name
from zenbook.errors import FormatError, did_you_mean
from zenbook.formats.arrays import NumpyFormat, NumpyScalarFormat
from zenbook.formats.arrow import ArrowBatchFormat, ArrowTableFormat, PolarsFormat, PolarsSeriesFormat
from zenbook.formats.base import Format
from zenbook.formats.figures import FigureFormat
from zenbook.formats.json_text import BytesFormat, JsonFormat, TextFormat
from zenbook.formats.pandas_frames import PandasFormat, SeriesFormat
from zenbook.formats.pickled import BundleFormat, DataPickleFormat, PickleFormat, PydanticFormat, SklearnFormat

FormatClass = TypeVar("FormatClass", bound=type[Format])

_GROUP = "zenbook.formats"
_PICKLE = PickleFormat()
_BUILT_IN: tuple[Format, ...] = (
    JsonFormat(), TextFormat(), BytesFormat(), NumpyFormat(), NumpyScalarFormat(), PandasFormat(), SeriesFormat(),
    ArrowTableFormat(), ArrowBatchFormat(), PolarsFormat(), PolarsSeriesFormat(), FigureFormat(), SklearnFormat(),
    PydanticFormat(), DataPickleFormat(), BundleFormat(), _PICKLE,
)  # fmt: skip
_BY_NAME = {one.name: one for one in _BUILT_IN}

_registered: dict[str, Format] = {}  # the user's, by name, the newest last
_candidates: weakref.WeakKeyDictionary[type, tuple[Format, ...]] = weakref.WeakKeyDictionary()
_changing = threading.RLock()


def format_for(value: Any, annotation: Any = None) -> Format:
    """The format in which a value is stored: the first that is for its class and takes this very value.

    The annotation's own format comes first, then registered ones, the built-in ones (or, where none of them is for
    the class, those of installed packages), and pickle for all else. Raises `FormatError` when the format that an
    annotation demands refuses the value.
    """
    if annotation is not None:
        demanded = _annotated(annotation)
        if demanded is not None:
            if not demanded.accepts(value):
                raise FormatError(
                    f"The format {demanded.name!r} doesn't take this {type(value).__name__}.",
                    "Return what the format is for, or leave the format out of the annotation.",
                )
            return demanded
    kind = type(value)
    found = _candidates.get(kind)
    if found is None:
        with _changing:
            found = _candidates[kind] = tuple(_formats_of(kind))
    return next((one for one in found if one.accepts(value)), _PICKLE)


def format_named(name: str) -> Format:
    """The format of that name. Raises `FormatError` with close matches when there is none."""
    found = _registered.get(name) or _BY_NAME.get(name) or _installed().get(name)
    if found is None:
        known = {**_registered, **_BY_NAME, **_installed()}
        raise FormatError(
            f"There is no format {name!r}.",
            f"{did_you_mean(name, known, noun='format')} A format of your own must be registered before it can read: "
            "run the cell or import the module with its @register_format.",
        )
    return found


def register_format(kind: FormatClass) -> FormatClass:
    """Make a format known: ``@register_format`` above its class.

    Registering a class of the same name again replaces it. Raises `FormatError` for an incomplete format, and for a
    name that another format has.
    """
    made = _checked(kind)
    with _changing:
        other = _registered.get(made.name) or _BY_NAME.get(made.name)
        if other is not None and (_place(type(other)) != _place(kind) or made.name in _BY_NAME):
            raise FormatError(
                f"The format name {made.name!r} belongs to {'.'.join(_place(type(other)))} already.",
                f"Give {kind.__qualname__} another `name`.",
            )
        _registered.pop(made.name, None)
        _registered[made.name] = made
        _candidates.clear()
    return kind


def registered_formats() -> list[Format]:
    """The formats that were registered here, the newest first."""
    return list(reversed(_registered.values()))


def _annotated(annotation: Any) -> Format | None:
    """The format in an ``Annotated[T, MyFormat]``; it is registered, so that its name can be read back."""
    for one in getattr(annotation, "__metadata__", ()):
        kind = one if isinstance(one, type) else type(one)
        if not issubclass(kind, Format):
            continue
        known = _registered.get(getattr(kind, "name", "")) or _BY_NAME.get(getattr(kind, "name", ""))
        if known is None or type(known) is not kind:
            register_format(kind)
            known = _registered[kind.name]
        return known
    inner = get_args(annotation)[:1] if hasattr(annotation, "__metadata__") else ()
    return _annotated(inner[0]) if inner and hasattr(inner[0], "__metadata__") else None


def _checked(kind: Any) -> Format:
    if not (isinstance(kind, type) and issubclass(kind, Format)):
        raise FormatError(f"{kind!r} is no format.", "Put @register_format above a subclass of zenbook.Format.")
    missing = sorted(kind.__abstractmethods__) + [one for one in ("name", "suffix") if not getattr(kind, one, "")]
    if missing:
        raise FormatError(
            f"The format {kind.__qualname__} lacks {', '.join(missing)}.",
            "A format has name, suffix, types, write and read.",
        )
    types: Any = kind.types
    if isinstance(types, str):
        raise FormatError(f"The `types` of {kind.__qualname__} is one str.", f"Write a tuple: types = ({types!r},)")
    if not kind.suffix.startswith("."):
        raise FormatError(f"The `suffix` of {kind.__qualname__} is {kind.suffix!r}.", "A suffix begins with a dot.")
    return kind()


def _formats_of(kind: type) -> Iterator[Format]:
    """The formats for a class: nearer bases first."""
    yield from _matching(kind, registered_formats())
    built_in = list(_matching(kind, _BUILT_IN))
    yield from built_in or _matching(kind, list(_installed().values()))


def _matching(kind: type, formats: list[Format] | tuple[Format, ...]) -> Iterator[Format]:
    for base in kind.__mro__:
        if base is not object:
            yield from (one for one in formats if any(_is_named(base, name) for name in one.types))


def _is_named(kind: type, name: str) -> bool:
    """Whether a class has this dotted name, or is what this name means in a module that is loaded.

    A bare name means a class of the notebook. ``pandas.DataFrame`` is ``pandas.core.frame.DataFrame`` to itself.
    """
    module, _, attribute = name.rpartition(".")
    module = module or "__main__"
    if attribute == kind.__name__ and module == kind.__module__:
        return True
    return getattr(sys.modules.get(module), attribute, None) is kind


def _place(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


@functools.cache
def _installed() -> dict[str, Format]:
    """Formats that installed packages offer."""
    formats = [_checked(point.load()) for point in entry_points_by_name(_GROUP).values()]
    return {form.name: form for form in formats}
