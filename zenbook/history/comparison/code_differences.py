"""What differs between two capsules: which function, class, constant, import or statement, and how.

Parts are compared by their canonical form, so an edited comment makes no difference; what is shown is the source as it
was written.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from zenbook.core.canonical import canonical
from zenbook.core.capsule import Capsule
from zenbook.core.parsing import parse
from zenbook.stack.metadata_store import MetadataStore

_CONTEXT = 2  # unchanged lines around a change
_MAX_CONSTANT = 60  # characters of a constant that the sentence shows


class Edit(StrEnum):
    """What happened to a part of the code."""

    EDITED = "edited"
    NEW = "new"
    GONE = "gone"
    MOVED = "moved"  # to another module, unchanged
    VERSION = "version"  # of a package that the code imports


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One part of a step's code that changed.

    ``name`` is the function, class or constant, with its module in front if that is not the notebook's; or the
    package.
    """

    name: str
    edit: Edit
    old: str  # source, version, or name with its module
    new: str

    @property
    def description(self) -> str:
        """The change as a clause, with names in backticks."""
        if self.edit is Edit.VERSION:
            return f"{self.name} changed from {self.old or 'none'} to {self.new or 'none'}"
        if self.edit is Edit.NEW:
            return f"`{self.name}` is new in its code"
        if self.edit is Edit.GONE:
            return f"`{self.name}` was removed from its code"
        if self.edit is Edit.MOVED:
            return f"`{self.old}` is `{self.new}` now"
        values = _assigned_value(self.old), _assigned_value(self.new)
        if values[0] and values[1]:
            return f"`{self.name}` changed from {values[0]} to {values[1]}"
        return f"`{self.name}` was edited"

    @property
    def diff(self) -> str:
        """The lines that differ as in a unified diff, without its head; empty where no source differs."""
        if self.edit in (Edit.VERSION, Edit.MOVED):
            return ""
        return unified(self.old, self.new)


def code_changes(new: Capsule, old: Capsule) -> Iterator[CodeChange]:
    """What differs between two capsules.

    Args:
        new: The later capsule.
        old: The earlier one.

    Yields:
        Changed versions of packages first, then the changed parts, by name.
    """
    new_versions, old_versions = dict(new.requirements), dict(old.requirements)
    for name in sorted(new_versions.keys() | old_versions.keys()):
        if new_versions.get(name) != old_versions.get(name):
            yield CodeChange(name, Edit.VERSION, old_versions.get(name, ""), new_versions.get(name, ""))
    new_parts, old_parts = _parts(new), _parts(old)
    for name, old_name in _moved(new_parts, old_parts).items():
        old_parts[name] = old_parts.pop(old_name)
        if new_parts[name].canonical == old_parts[name].canonical and name.rpartition(".")[2].isidentifier():
            yield CodeChange(name, Edit.MOVED, old_name, name)
    for name in sorted(new_parts.keys() | old_parts.keys()):
        if name not in old_parts:
            yield CodeChange(name, Edit.NEW, "", new_parts[name].source)
        elif name not in new_parts:
            yield CodeChange(name, Edit.GONE, old_parts[name].source, "")
        elif new_parts[name].canonical != old_parts[name].canonical:
            yield CodeChange(name, Edit.EDITED, old_parts[name].source, new_parts[name].source)


def capsule_of(metadata: MetadataStore, digest: str) -> Capsule | None:
    """Read a capsule.

    Args:
        metadata: The store.
        digest: The capsule's digest.

    Returns:
        The capsule; None where the store does not hold it.
    """
    record = metadata.code(digest)
    return Capsule.from_json(json.loads(record.capsule)) if record is not None else None


def unified(old: str, new: str) -> str:
    """The differing lines of two texts with a little around them.

    Args:
        old: The earlier text.
        new: The later text.

    Returns:
        A unified diff without its head, with … for what is left out; empty where the texts are equal.
    """
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=_CONTEXT))[2:]
    if lines and lines[0].startswith("@@"):  # the first hunk needs no line number: the part itself says where it is
        lines = lines[1:]
    return "\n".join("…" if line.startswith("@@") else line for line in lines)


@dataclass(frozen=True, slots=True)
class _Part:
    canonical: str
    source: str


def _parts(capsule: Capsule) -> dict[str, _Part]:
    """The top-level statements by what they bind; a name that is bound twice is one part."""
    parts: dict[str, _Part] = {}
    for module in capsule.modules:
        prefix = "" if module.name == "__main__" else f"{module.name}."
        lines = module.source.splitlines()
        for node in parse(module.source).body:
            source = "\n".join(lines[_first_line(node) - 1 : node.end_lineno])
            name = prefix + (_bound_name(node) or source.partition("\n")[0].strip()[:40])
            before = parts.get(name)
            part = _Part(canonical(node), source)
            parts[name] = (
                part if before is None else _Part(before.canonical + part.canonical, f"{before.source}\n{part.source}")
            )
    if capsule.cell:
        parts["the cell"] = _Part(canonical(parse(capsule.cell)), capsule.cell)
    return parts


def _moved(new_parts: Iterable[str], old_parts: Iterable[str]) -> dict[str, str]:
    """Parts that are in another module now, by name, with the name that they had."""
    new, gone = (
        {name.rpartition(".")[2]: name for name in sorted(set(some) - set(others))}
        for some, others in ((new_parts, old_parts), (old_parts, new_parts))
    )
    return {name: gone[bare] for bare, name in new.items() if bare in gone}


def _first_line(node: ast.stmt) -> int:
    decorators: Iterable[ast.expr] = getattr(node, "decorator_list", ())
    return min((node.lineno, *(decorator.lineno for decorator in decorators)))


def _bound_name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ", ".join(alias.asname or alias.name for alias in node.names)
    return ""


def _assigned_value(source: str) -> str:
    """The value of a short constant: ``0.5`` of ``LIMIT = 0.5``."""
    if not source or "\n" in source:
        return ""
    node = parse(source).body[0]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return ""
    text = ast.unparse(node.value)
    return text if len(text) <= _MAX_CONSTANT else ""
