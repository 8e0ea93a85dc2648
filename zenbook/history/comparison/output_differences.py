"""What steps of two runs made: which outputs differ, and how, each compared as what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from zenbook.engine.artifact_io import Reader, verify
from zenbook.engine.run_context import as_stored
from zenbook.errors import ZenbookError
from zenbook.history.comparison.array_differences import ArrayChanges, array_changes
from zenbook.history.comparison.code_differences import unified
from zenbook.history.comparison.frame_differences import ARROW_FILES, FrameChanges, as_table, frame_changes
from zenbook.history.comparison.run_data import RunData
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import OpenStack

_LINE = 80  # characters of a text that is told in the line
_LINES = 2_000  # of two texts that are compared, from the first that differs


class ArtifactStatus(StrEnum):
    """What became of an output."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ArtifactChange:
    """One output in the first run and in another one (``run``).

    What differs is in the field for its kind: ``frame``, ``array``, ``values`` (of scalars, nested plain data and
    models' parameters, by name: old and new, as text), ``diff`` (of texts), ``pictures`` (PNG in base64). ``note`` says
    what else there is to say, e.g. that an artifact is gone from its store.
    """

    run: str
    step: str
    output: str
    fate: ArtifactStatus
    types: tuple[str, str] = ("", "")
    sizes: tuple[int, int] = (0, 0)  # bytes
    digests: tuple[str, str] = ("", "")
    frame: FrameChanges | None = None
    array: ArrayChanges | None = None
    values: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    diff: str = ""
    pictures: tuple[str, str] | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """``step.output``."""
        return f"{self.step}.{self.output}"


def artifact_changes(first: RunData, other: RunData, *, key: str | None = None) -> list[ArtifactChange]:
    """All outputs of two runs, in the order of their steps; those of equal content are not read.

    ``key`` names the column that tells the rows of frames apart.
    """
    made = []
    for step, output in dict.fromkeys((*first.outputs, *other.outputs)):
        old, new = first.outputs.get((step, output)), other.outputs.get((step, output))
        if old is None or new is None:
            fate = ArtifactStatus.NEW if old is None else ArtifactStatus.GONE
            made.append(ArtifactChange(other.id, step, output, fate, **_facts(old, new)))
        elif (old.digest, old.format, old.member) == (new.digest, new.format, new.member):
            made.append(ArtifactChange(other.id, step, output, ArtifactStatus.SAME, **_facts(old, new)))
        else:
            found = _compared(_Side(first.stack, old), _Side(other.stack, new), key)
            made.append(ArtifactChange(other.id, step, output, ArtifactStatus.CHANGED, **_facts(old, new), **found))
    return made


def _facts(old: OutputRecord | None, new: OutputRecord | None) -> dict[str, Any]:
    both = old, new
    return {
        "types": tuple("" if one is None else one.type for one in both),
        "sizes": tuple(0 if one is None else one.size for one in both),
        "digests": tuple("" if one is None else one.digest for one in both),
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """One run's output, read from its own stack."""

    stack: OpenStack
    record: OutputRecord

    @property
    def preview(self) -> dict[str, Any]:
        return json.loads(self.record.preview) if self.record.preview else {}

    @property
    def kind(self) -> str:
        return "" if self.record.member else self.record.format

    def load(self) -> Any:
        return Reader(self.stack.artifacts, self.stack.metadata).read(as_stored(self.record))

    def table(self) -> Any | None:
        """As an Arrow table over the mapped file where it is one, else through the value."""
        if self.kind not in ARROW_FILES:
            return as_table(self.load())
        import pyarrow as pa

        path = self.stack.artifacts.local_path(self.record.address)
        verify(path, as_stored(self.record))
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            return reader.read_all()


def _compared(old: _Side, new: _Side, key: str | None) -> dict[str, Any]:
    try:
        found = _by_preview(old, new) or _by_content(old, new, key)
        return found if any(map(_tells, found.values())) else {**found, "note": _why_nothing(old)}
    except ZenbookError as error:  # gone, damaged, or of a package that is not here: the rest is still worth seeing
        return {"note": error.message}
    except Exception as error:  # noqa: BLE001  # a user's class may do anything when it is loaded or compared
        return {"note": f"it can't be compared: {type(error).__name__}: {error}"}


def _tells(found: Any) -> bool:
    """Whether a part of the answer holds a difference."""
    if isinstance(found, FrameChanges):
        return found.differs
    if isinstance(found, ArrayChanges):
        return found.differs
    return bool(found)


def _why_nothing(old: _Side) -> str:
    if old.record.member:
        return "the same; what is stored together with it is not"
    return "its values are the same; what differs is how they are kept (order, index, attributes, layout)"


def _by_preview(old: _Side, new: _Side) -> dict[str, Any]:
    """What the previews tell already, without reading the artifacts; empty where they don't suffice."""
    one, other = old.preview, new.preview
    if old.kind == new.kind == "figure" and "png" in one and "png" in other:
        note = "drawn alike at the size of a preview" if one["png"] == other["png"] else ""
        return {"pictures": (one["png"], other["png"]), "note": note}
    if old.kind == new.kind == "sklearn" and _tells_all(one) and _tells_all(other):
        return _model({"class": one["class"], **one["params"]}, {"class": other["class"], **other["params"]})
    if "value" in one and "value" in other and {old.record.type, new.record.type} <= _SCALARS:
        return {"values": {"": (_text(one["value"]), _text(other["value"]))}}
    return {}


_SCALARS = frozenset({"int", "float", "bool", "complex", "NoneType"})


def _tells_all(preview: Mapping[str, Any]) -> bool:
    """Whether a model's preview holds all its parameters, none cut, none another model."""
    values = preview.get("params", {}).values()
    return bool(values) and len(values) < 40 and not any("…" in one or "(" in one for one in values)


def _by_content(old: _Side, new: _Side, key: str | None) -> dict[str, Any]:
    if old.kind in ARROW_FILES and new.kind in ARROW_FILES:
        return {"frame": frame_changes(old.table(), new.table(), key=key)}
    one, other = old.load(), new.load()
    tables = as_table(one), as_table(other)
    if tables[0] is not None and tables[1] is not None:
        return {"frame": frame_changes(*tables, key=key)}
    for fits, compare in _KINDS:
        if fits(one) and fits(other):
            return compare(one, other)
    return {"note": "its content differs" if type(one) is type(other) else "it is of another type"}


def _is_array(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "shape") and bool(value.shape)


def _is_model(value: Any) -> bool:
    return callable(getattr(value, "get_params", None)) and not isinstance(value, type)


def _is_figure(value: Any) -> bool:
    return type(value).__module__.startswith("matplotlib.") and hasattr(value, "savefig")


def _is_scalar(value: Any) -> bool:
    numpy = type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "shape", None) == ()
    return numpy or (isinstance(value, str) and len(value) <= _LINE and "\n" not in value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | complex | list | tuple | dict | set | frozenset)


def _arrays(old: Any, new: Any) -> dict[str, Any]:
    return {"array": array_changes(old, new)}


def _scalars(old: Any, new: Any) -> dict[str, Any]:
    return {"values": {"": (str(old), str(new))}}


def _texts(old: str, new: str) -> dict[str, Any]:
    """The lines that differ. Of very long texts only the first part that does: a diff takes time by the square."""
    one, other = old.splitlines(), new.splitlines()
    same = next((at for at, both in enumerate(zip(one, other, strict=False)) if both[0] != both[1]), None)
    start = max(0, (min(len(one), len(other)) if same is None else same) - 2)
    rest = max(len(one), len(other)) - start
    diff = unified(*("\n".join(each[start : start + _LINES]) for each in (one, other)))
    return {"diff": diff, "note": f"compared in {_LINES:,} of {rest:,} lines" if rest > _LINES else ""}


def _models(old: Any, new: Any) -> dict[str, Any]:
    return _model(*({"class": type(one).__name__, **_params_of(one)} for one in (old, new)))


def _params_of(model: Any) -> dict[str, str]:
    """A model's parameters as text; those that are models themselves are told by their own parameters."""
    found: Mapping[str, Any] = model.get_params()
    return {name: _text(_by_class(one)) for name, one in found.items()}


def _by_class(value: Any) -> Any:
    """A model by the name of its class, also within the steps of a pipeline."""
    if isinstance(value, list | tuple):
        return type(value)(map(_by_class, value))
    return type(value).__name__ if _is_model(value) else value


def _model(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, Any]:
    values = _differing(old, new)
    return {"values": values, "note": "" if values else "its parameters are the same, what it learnt is not"}


def _figures(old: Any, new: Any) -> dict[str, Any]:
    from zenbook.formats.figures import FigureFormat

    drawn = tuple(FigureFormat().preview(one).get("png", "") for one in (old, new))
    return {"pictures": drawn} if all(drawn) else {"note": "the figures are too rich for a preview"}


def _plain(old: Any, new: Any) -> dict[str, Any]:
    return {"values": _differing(_flat(old), _flat(new))}


def _objects(old: Any, new: Any) -> dict[str, Any]:
    """Attributes, without those whose text is an address in memory."""
    texts = [{name: _text(one) for name, one in vars(value).items()} for value in (old, new)]
    values = _differing(*({name: text for name, text in each.items() if " at 0x" not in text} for each in texts))
    return {"values": values}


def _flat(value: Any, place: str = "") -> dict[str, str]:
    """Nested plain data by place: ``rows[0].name``."""
    if isinstance(value, dict) and value:
        pairs = ((f"{place}.{key}" if place else str(key), one) for key, one in value.items())
    elif isinstance(value, list | tuple) and value:
        pairs = ((f"{place}[{at}]", one) for at, one in enumerate(value))
    else:
        return {place: _text(sorted(map(repr, value)) if isinstance(value, set | frozenset) else value)}
    return {name: text for key, one in pairs for name, text in _flat(one, key).items()}


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys((*old, *new))
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 300 else text[:299] + "…"


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any], dict[str, Any]]], ...] = (
    (_is_array, _arrays),
    (_is_figure, _figures),
    (_is_model, _models),
    (_is_scalar, _scalars),
    (lambda value: isinstance(value, str), _texts),
    (_is_plain, _plain),
    (lambda value: hasattr(value, "__dict__"), _objects),
)

__all__ = ["ArtifactChange", "ArtifactStatus", "artifact_changes"]
