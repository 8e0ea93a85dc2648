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
from zenbook.formats.figures import FigureFormat
from zenbook.formats.format import Format
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
_BY_NAME = {form.name: form for form in _BUILT_IN}

_registered: dict[str, Format] = {}  # the user's, by name, the newest last
_candidates: weakref.WeakKeyDictionary[type, tuple[Format, ...]] = weakref.WeakKeyDictionary()
_changing = threading.RLock()


def format_for(value: Any, annotation: Any = None) -> Format:
    """Find the format in which a value is stored: the first that is for its class and accepts the value.

    The annotation's own format comes first, then registered ones, the built-in ones (or, where none of them is for
    the class, those of installed packages), and pickle for everything else.

    Args:
        value: The value.
        annotation: The type hint of the output, perhaps ``Annotated[T, MyFormat]``.

    Returns:
        The format.

    Raises:
        FormatError: The annotation demands a format that does not accept the value.
    """
    if annotation is not None:
        demanded = _annotated(annotation)
        if demanded is not None:
            if not demanded.accepts(value):
                raise FormatError(
                    f"The format {demanded.name!r} does not accept this {type(value).__name__}.",
                    "Return a value that the format accepts, or remove the format from the annotation.",
                )
            return demanded
    kind = type(value)
    candidates = _candidates.get(kind)
    if candidates is None:
        with _changing:
            candidates = _candidates[kind] = tuple(_formats_of(kind))
    return next((form for form in candidates if form.accepts(value)), _PICKLE)


def format_named(name: str) -> Format:
    """Find a format by its name.

    Args:
        name: The name, as it was recorded with an artifact.

    Returns:
        The format.

    Raises:
        FormatError: No format has that name.
    """
    form = _registered.get(name) or _BY_NAME.get(name) or _installed().get(name)
    if form is None:
        known = {**_registered, **_BY_NAME, **_installed()}
        raise FormatError(
            f"Unknown format {name!r}.",
            f"{did_you_mean(name, known, noun='format')} A format of your own must be registered before it can read: "
            "run the cell or import the module with its @register_format.",
        )
    return form


def register_format(kind: FormatClass) -> FormatClass:
    """Register a format: ``@register_format`` above its class. To register a class again replaces it.

    Args:
        kind: A subclass of `Format`.

    Returns:
        The class.

    Raises:
        FormatError: The format is incomplete, or its name belongs to another format.
    """
    form = _checked(kind)
    with _changing:
        other = _registered.get(form.name) or _BY_NAME.get(form.name)
        if other is not None and (_place(type(other)) != _place(kind) or form.name in _BY_NAME):
            raise FormatError(
                f"The format name {form.name!r} belongs to {'.'.join(_place(type(other)))} already.",
                f"Give {kind.__qualname__} another `name`.",
            )
        _registered.pop(form.name, None)
        _registered[form.name] = form
        _candidates.clear()
    return kind


def registered_formats() -> list[Format]:
    """The formats that were registered here, the newest first."""
    return list(reversed(_registered.values()))


def _annotated(annotation: Any) -> Format | None:
    """The format in an ``Annotated[T, MyFormat]``; it is registered, so that its name can be read back."""
    for extra in getattr(annotation, "__metadata__", ()):
        kind = extra if isinstance(extra, type) else type(extra)
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
        raise FormatError(f"{kind!r} is not a format.", "Put @register_format above a subclass of zenbook.Format.")
    missing = sorted(kind.__abstractmethods__) + [
        member for member in ("name", "suffix") if not getattr(kind, member, "")
    ]
    if missing:
        raise FormatError(
            f"The format {kind.__qualname__} lacks {', '.join(missing)}.",
            "A format has name, suffix, types, write and read.",
        )
    types: Any = kind.types
    if isinstance(types, str):
        raise FormatError(f"The `types` of {kind.__qualname__} is a str.", f"Write a tuple: types = ({types!r},)")
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
            yield from (form for form in formats if any(_is_named(base, name) for name in form.types))


def _is_named(kind: type, name: str) -> bool:
    """Whether a class has this dotted name, or a loaded module has the class under this name."""
    # A bare name means a class of the notebook. The own name of ``pandas.DataFrame`` is another one.
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
