"""Objects that are stored as pickles: models by design, anything else as the last resort."""

from __future__ import annotations

import dataclasses
from typing import Any, BinaryIO

from zenbook.formats.format import Format, Source
from zenbook.formats.json_text import short_repr, shorten
from zenbook.formats.pickle_container import read_container, write_container


class PickleFormat(Format):
    """Anything that pickle or cloudpickle can hold."""

    name = "pickle"
    suffix = ".zpickle"
    note = "pickled: readable only by Python with the same packages"

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write protocol 5 with large buffers beside the stream. A `FormatError` names what cannot be pickled."""
        write_container(value, file)

    def read(self, source: Source) -> Any:
        """Read a new object; large arrays in it use the memory of the mapped file."""
        return read_container(source)

    def preview(self, value: Any) -> dict[str, Any]:
        """The class, and the fields of a dataclass."""
        facts = {"class": class_name(value)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)[:20]]
            return {**facts, "fields": {name: _safe_repr(item) for name, item in fields}}
        return facts


class SklearnFormat(PickleFormat):
    """A scikit-learn estimator."""

    name = "sklearn"
    types = ("sklearn.base.BaseEstimator",)
    note = ""

    def preview(self, value: Any) -> dict[str, Any]:
        """The class and its parameters."""
        try:
            params = value.get_params(deep=False)
        except (AttributeError, RuntimeError, TypeError):  # a class that breaks scikit-learn's rules for __init__
            params = {}
        return {
            "class": class_name(value),
            "params": {name: _safe_repr(param) for name, param in sorted(params.items())[:40]},
        }


class PydanticFormat(PickleFormat):
    """A pydantic model. Its JSON would lose private attributes, unset fields and the types in unions."""

    name = "pydantic"
    types = ("pydantic.BaseModel",)
    note = ""

    def preview(self, value: Any) -> dict[str, Any]:
        """The class and its fields."""
        fields = list(type(value).model_fields)[:20]
        return {"class": class_name(value), "fields": {name: _safe_repr(getattr(value, name, None)) for name in fields}}


class DataPickleFormat(PickleFormat):
    """What NumPy, pandas, Arrow and polars have and their own files cannot hold exactly: objects, periods, levels."""

    name = "pickle-data"
    types = (
        "numpy.ndarray", "numpy.generic", "numpy.random.Generator", "numpy.random.RandomState",
        "pandas.DataFrame", "pandas.Series", "pandas.Index", "pandas.api.extensions.ExtensionArray",
        "pyarrow.Table", "pyarrow.Array", "pyarrow.ChunkedArray", "polars.DataFrame", "polars.Series",
    )  # fmt: skip
    note = ""


class BundleFormat(PickleFormat):
    """Several named values in one pickle, so that the objects they share stay shared."""

    name = "bundle"
    note = ""

    def write(self, value: dict[str, Any], file: BinaryIO) -> None:
        """Write the values by name."""
        write_container(value, file, name="outputs")

    def preview(self, value: dict[str, Any]) -> dict[str, Any]:
        """The class of each."""
        return {"members": {name: class_name(member) for name, member in value.items()}}


def class_name(value: Any) -> str:
    """Get the dotted name of an object's class.

    Args:
        value: The object.

    Returns:
        The name, as ``pandas.core.frame.DataFrame``; a builtin class has no module in it.
    """
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _safe_repr(value: Any) -> str:
    try:
        return shorten(short_repr(value))
    except Exception as error:  # noqa: BLE001 - a preview must not fail for a user's __repr__
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
