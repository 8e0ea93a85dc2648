"""Stored outputs as users see them: their type, size and preview, and how to load them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.display.table import file_size
from zenbook.engine.artifact_io import Reader
from zenbook.engine.run_context import as_stored
from zenbook.errors import RunError, did_you_mean
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import OpenStack


class Outputs(Mapping[str, "StoredOutput"]):
    """The outputs of a step run, by name."""

    def __init__(self, step: str, outputs: dict[str, StoredOutput]) -> None:
        self._step = step
        self._outputs = outputs

    def __getitem__(self, name: str) -> StoredOutput:
        if name not in self._outputs:
            raise RunError(
                f"Step {self._step!r} has no output {name!r}.", did_you_mean(str(name), self._outputs, noun="output")
            )
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __contains__(self, name: object) -> bool:
        return name in self._outputs

    def __repr__(self) -> str:
        return "\n".join(output.line for output in self.values()) or "(no outputs)"


class StoredOutput:
    """One stored output."""

    def __init__(self, stack: OpenStack, record: OutputRecord) -> None:
        self._stack = stack
        self.record = record

    @property
    def name(self) -> str:
        """The output's name."""
        return self.record.name

    @property
    def type(self) -> str:
        """The class of the value: ``pandas.DataFrame``."""
        return self.record.type

    @property
    def format(self) -> str:
        """The format it is stored in."""
        return self.record.format

    @property
    def size(self) -> int:
        """The size of the stored object, in bytes."""
        return self.record.size

    @property
    def digest(self) -> str:
        """The blake3 digest of the stored bytes, 64 hex digits."""
        return self.record.digest

    @property
    def uri(self) -> str:
        """Where it is stored."""
        return self._stack.artifacts.uri(self.record.address)

    @property
    def preview(self) -> dict[str, Any]:
        """Facts about the value: its shape, its columns, the value of a scalar."""
        return json.loads(self.record.preview) if self.record.preview else {}

    @property
    def line(self) -> str:
        """One line for people."""
        note = f" ({self.record.note})" if self.record.note else ""
        value = self.preview.get("value", self.preview.get("shape"))
        shown = f" {value}" if value is not None else ""
        return f"{self.name}: {self.type}{shown:.60}, {file_size(self.size)}{note}"

    def load(self) -> Any:
        """Load the value from the store.

        An object that is missing or has changed raises `ArtifactError`, one that cannot be read `FormatError`.

        Returns:
            The value, a new object each time.
        """
        return Reader(self._stack.artifacts, self._stack.metadata).read(as_stored(self.record))

    def __repr__(self) -> str:
        return f"<output {self.line}>"
