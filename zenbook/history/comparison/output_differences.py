"""What steps of two runs made: which outputs differ, and how, each compared as what it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from zenbook.engine.artifact_io import Reader, verify
from zenbook.engine.run_context import as_stored
from zenbook.errors import ZenbookError
from zenbook.history.comparison.array_differences import ArrayChanges
from zenbook.history.comparison.frame_differences import ARROW_FILES, FrameChanges, as_table, frame_changes
from zenbook.history.comparison.run_data import RunData
from zenbook.history.comparison.value_differences import Difference, model_differences, short_text, value_differences
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import OpenStack

_SCALARS = frozenset({"int", "float", "bool", "complex", "NoneType"})
_MAX_PREVIEWED = 40  # parameters of a model that its preview holds


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
    status: ArtifactStatus
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

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, in which the status is called ``fate``."""
        return {"fate" if name == "status" else name: value for name, value in dataclasses.asdict(self).items()}


def artifact_changes(first: RunData, other: RunData, *, key: str | None = None) -> list[ArtifactChange]:
    """All outputs of two runs, in the order of their steps; those of equal content are not read.

    Args:
        first: The run that the other is compared with.
        other: The other run.
        key: The column that identifies the rows of data frames.

    Returns:
        A change for each output of either run, also for those that are the same.
    """
    changes = []
    for step, output in dict.fromkeys((*first.outputs, *other.outputs)):
        old, new = first.outputs.get((step, output)), other.outputs.get((step, output))
        difference: Difference = {}
        if old is None or new is None:
            status = ArtifactStatus.NEW if old is None else ArtifactStatus.GONE
        elif (old.digest, old.format, old.member) == (new.digest, new.format, new.member):
            status = ArtifactStatus.SAME
        else:
            status = ArtifactStatus.CHANGED
            difference = _compare(_Side(first.stack, old), _Side(other.stack, new), key)
        changes.append(ArtifactChange(other.id, step, output, status, **_facts(old, new), **difference))
    return changes


def _facts(old: OutputRecord | None, new: OutputRecord | None) -> dict[str, Any]:
    records = old, new
    return {
        "types": tuple("" if record is None else record.type for record in records),
        "sizes": tuple(0 if record is None else record.size for record in records),
        "digests": tuple("" if record is None else record.digest for record in records),
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


def _compare(old: _Side, new: _Side, key: str | None) -> Difference:
    try:
        difference = _by_preview(old, new) or _by_content(old, new, key)
        if not any(map(_holds_difference, difference.values())):
            return {**difference, "note": _why_nothing_differs(old)}
    except ZenbookError as error:  # gone, damaged, or of a package that is not here: the rest is still worth seeing
        return {"note": error.message}
    except Exception as error:  # noqa: BLE001  # a user's class may do anything when it is loaded or compared
        return {"note": f"it cannot be compared: {type(error).__name__}: {error}"}
    return difference


def _holds_difference(value: Any) -> bool:
    return value.differs if isinstance(value, FrameChanges | ArrayChanges) else bool(value)


def _why_nothing_differs(old: _Side) -> str:
    if old.record.member:
        return "the same; what is stored together with it is not"
    return "its values are the same; what differs is how they are stored (order, index, attributes, layout)"


def _by_preview(old: _Side, new: _Side) -> Difference:
    """What the previews show already, without reading the artifacts; empty where they do not suffice."""
    before, after = old.preview, new.preview
    if old.kind == new.kind == "figure" and "png" in before and "png" in after:
        note = "drawn alike at the size of a preview" if before["png"] == after["png"] else ""
        return {"pictures": (before["png"], after["png"]), "note": note}
    if old.kind == new.kind == "sklearn" and _is_complete(before) and _is_complete(after):
        return model_differences(*({"class": preview["class"], **preview["params"]} for preview in (before, after)))
    if "value" in before and "value" in after and {old.record.type, new.record.type} <= _SCALARS:
        return {"values": {"": (short_text(before["value"]), short_text(after["value"]))}}
    return {}


def _is_complete(preview: Mapping[str, Any]) -> bool:
    """Whether a model's preview holds all its parameters, none cut, none another model."""
    texts = preview.get("params", {}).values()
    return bool(texts) and len(texts) < _MAX_PREVIEWED and not any("…" in text or "(" in text for text in texts)


def _by_content(old: _Side, new: _Side, key: str | None) -> Difference:
    if old.kind in ARROW_FILES and new.kind in ARROW_FILES:
        return {"frame": frame_changes(old.table(), new.table(), key=key)}
    before, after = old.load(), new.load()
    tables = as_table(before), as_table(after)
    if tables[0] is not None and tables[1] is not None:
        return {"frame": frame_changes(*tables, key=key)}
    return value_differences(before, after)


__all__ = ["ArtifactChange", "ArtifactStatus", "artifact_changes"]
