"""The capsule: the readable Python source that a step needs to travel.

A capsule is a main module (``__main__``) that holds the step and what it uses of the notebook, and beside it the
used parts of the project's own modules under their own names. Its digest names the exact text; its fingerprint
(see `fingerprint`) is blind to comments and formatting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from zenbook.core.digest import digest_of_text

MAIN = "__main__"  # the module that the notebook is, and each capsule's first


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of source, and the file and line that they were taken from ("" and 0 if they were generated)."""

    text: str
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Module:
    """One module of a capsule, in pieces. A capsule read from a plan has one piece a module."""

    name: str  # "__main__", "helpers", "project.cleaning"
    pieces: tuple[Piece, ...]
    package: bool = False  # whether it is a package's __init__

    @cached_property
    def source(self) -> str:
        """The module's text."""
        return "\n\n".join(piece.text for piece in self.pieces) + "\n" if self.pieces else ""


@dataclass(frozen=True)
class Capsule:
    """The source of a step and of all that it uses, the imports of what it does not carry, and their versions.

    ``entry`` is ``module:name`` of the function to call; for a cell it is the main module itself, whose last part (the
    cell's own text) is ``cell``.
    """

    entry: str
    modules: tuple[Module, ...]
    requirements: tuple[tuple[str, str], ...] = ()  # (distribution, version), sorted; version "" where not installed
    cell: str = ""
    cell_origin: Piece | None = field(default=None, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """blake3 of the JSON, 64 hex digits."""
        return digest_of_text(json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False))

    @property
    def source(self) -> str:
        """The whole capsule as one text for people to read."""
        if len(self.modules) == 1 and not self.cell:
            return self.modules[0].source
        parts = [f"# --- {module.name} ---\n{module.source}" for module in self.modules if module.source.strip()]
        if self.cell:
            parts.append(f"# --- cell ---\n{self.cell}")
        return "\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain data for a plan."""
        return {
            "entry": self.entry,
            "modules": [[module.name, module.source, module.package] for module in self.modules],
            "requirements": [list(requirement) for requirement in self.requirements],
            "cell": self.cell,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned.

        Args:
            body: The plain data.

        Returns:
            The capsule.
        """
        return cls(
            entry=body["entry"],
            modules=tuple(
                Module(name, (Piece(source.removesuffix("\n")),) if source else (), package)
                for name, source, package in body["modules"]
            ),
            requirements=tuple((name, version) for name, version in body["requirements"]),
            cell=body["cell"],
        )
