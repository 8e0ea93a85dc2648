"""What stands for a name of a notebook's file that would need a statement which was not executed."""

from __future__ import annotations

from dataclasses import dataclass

from zenbook.errors import RunError


@dataclass(frozen=True, slots=True)
class SkippedValue:
    """In the place of an object that is not there; a step that reaches it, or is given it, is refused."""

    why: str  # as the end of a sentence
    way_out: str

    def __reduce_ex__(self, _protocol: object) -> str:
        raise RunError(f"The pipeline passes an object to a step, and {self.why}.", self.way_out)
