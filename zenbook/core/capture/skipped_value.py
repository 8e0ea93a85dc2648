"""The value of a name of a notebook's file whose statement was not executed."""

from __future__ import annotations

from dataclasses import dataclass

from zenbook.errors import RunError


@dataclass(frozen=True, slots=True)
class SkippedValue:
    """Stands in for an object that was not created; a step that uses it, or gets it as an input, is refused."""

    why: str  # as the end of a sentence
    way_out: str

    def __reduce_ex__(self, _protocol: object) -> str:
        raise RunError(f"The pipeline passes an object to a step, but {self.why}.", self.way_out)
