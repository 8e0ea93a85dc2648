"""Two loaded values that are not tables: how they differ, by the first kind that both are of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zenbook.history.comparison.array_differences import array_changes
from zenbook.history.comparison.code_differences import unified

Difference = dict[str, Any]  # fields of an `ArtifactChange`

_MAX_SCALAR_TEXT = 80  # characters of a text that is shown in the line
_MAX_LINES = 2_000  # of two texts that are compared, from the first that differs: a diff takes time by the square
_CONTEXT_LINES = 2  # unchanged lines before the first that differs
_MAX_TEXT = 300  # characters of one value


def value_differences(old: Any, new: Any) -> Difference:
    """Compare two values as what they are: arrays, figures, models, scalars, texts, plain data, objects.

    Args:
        old: The value of the first run.
        new: The value of the other run.

    Returns:
        What differs, in the field for its kind; a note where the values are of no common kind.
    """
    for fits, compare in _KINDS:
        if fits(old) and fits(new):
            return compare(old, new)
    return {"note": "its content differs" if type(old) is type(new) else "it is of another type"}


def model_differences(old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """Compare two models by their class and parameters.

    Args:
        old: The first model's, as text.
        new: The other model's.

    Returns:
        The parameters that differ; a note where they are the same.
    """
    values = _differing(old, new)
    return {"values": values, "note": "" if values else "its parameters are the same, what it learnt is not"}


def short_text(value: Any) -> str:
    """A value as text of limited length.

    Args:
        value: Any object.

    Returns:
        The text itself, or the `repr`, at most 300 characters.
    """
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _is_array(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "shape") and bool(value.shape)


def _is_model(value: Any) -> bool:
    return callable(getattr(value, "get_params", None)) and not isinstance(value, type)


def _is_figure(value: Any) -> bool:
    return type(value).__module__.startswith("matplotlib.") and hasattr(value, "savefig")


def _is_scalar(value: Any) -> bool:
    is_numpy = type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "shape", None) == ()
    return is_numpy or (isinstance(value, str) and len(value) <= _MAX_SCALAR_TEXT and "\n" not in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | complex | list | tuple | dict | set | frozenset)


def _has_attributes(value: Any) -> bool:
    return hasattr(value, "__dict__")


def _compare_arrays(old: Any, new: Any) -> Difference:
    return {"array": array_changes(old, new)}


def _compare_scalars(old: Any, new: Any) -> Difference:
    return {"values": {"": (str(old), str(new))}}


def _compare_texts(old: str, new: str) -> Difference:
    """The lines that differ; of very long texts only the first part that does."""
    before, after = old.splitlines(), new.splitlines()
    shorter, longer = sorted((len(before), len(after)))
    pairs = enumerate(zip(before, after, strict=False))
    first = next((place for place, (line, other) in pairs if line != other), shorter)
    start = max(0, first - _CONTEXT_LINES)
    diff = unified(*("\n".join(lines[start : start + _MAX_LINES]) for lines in (before, after)))
    rest = longer - start
    return {"diff": diff, "note": f"compared in {_MAX_LINES:,} of {rest:,} lines" if rest > _MAX_LINES else ""}


def _compare_models(old: Any, new: Any) -> Difference:
    return model_differences(*({"class": type(model).__name__, **_params_of(model)} for model in (old, new)))


def _params_of(model: Any) -> dict[str, str]:
    """A model's parameters as text; those that are models themselves are there by their own parameters."""
    params: Mapping[str, Any] = model.get_params()
    return {name: short_text(_by_class(value)) for name, value in params.items()}


def _by_class(value: Any) -> Any:
    """A model by the name of its class, also within the steps of a pipeline."""
    if isinstance(value, list | tuple):
        return type(value)(map(_by_class, value))
    return type(value).__name__ if _is_model(value) else value


def _compare_figures(old: Any, new: Any) -> Difference:
    from zenbook.formats.figures import FigureFormat

    previews = tuple(FigureFormat().preview(figure).get("png", "") for figure in (old, new))
    return {"pictures": previews} if all(previews) else {"note": "the figures are too rich for a preview"}


def _compare_plain(old: Any, new: Any) -> Difference:
    return {"values": _differing(_flat(old), _flat(new))}


def _compare_attributes(old: Any, new: Any) -> Difference:
    """Attributes, without those whose text is an address in memory."""
    texts = [{name: short_text(attribute) for name, attribute in vars(value).items()} for value in (old, new)]
    return {"values": _differing(*({name: text for name, text in of.items() if " at 0x" not in text} for of in texts))}


def _flat(value: Any, place: str = "") -> dict[str, str]:
    """Nested plain data by place: ``rows[0].name``."""
    if isinstance(value, dict) and value:
        pairs = ((f"{place}.{key}" if place else str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple) and value:
        pairs = ((f"{place}[{number}]", item) for number, item in enumerate(value))
    else:
        return {place: short_text(sorted(map(repr, value)) if isinstance(value, set | frozenset) else value)}
    return {name: text for key, item in pairs for name, text in _flat(item, key).items()}


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys((*old, *new))
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any], Difference]], ...] = (
    (_is_array, _compare_arrays),
    (_is_figure, _compare_figures),
    (_is_model, _compare_models),
    (_is_scalar, _compare_scalars),
    (_is_text, _compare_texts),
    (_is_plain, _compare_plain),
    (_has_attributes, _compare_attributes),
)
