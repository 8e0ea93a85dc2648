"""What differs between two capsules: which function, class, constant, import or statement, and how.

Parts are compared by their canonical form, so an edited comment is no difference; what is shown is the source as it
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
_SHORT = 60  # characters of a constant that is told in the sentence


class Edit(StrEnum):
    """What happened to a part of the code."""

    EDITED = "edited"
    NEW = "new"
    GONE = "gone"
    MOVED = "moved"  # to another module, unchanged
    VERSION = "version"  # of a package that the code imports


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One part of a step's code that is another one.

    ``name`` is the function, class or constant, with its module in front if that is not the notebook's; or the
    package.
    """

    name: str
    edit: Edit
    old: str  # source, version, or name with its module
    new: str

    @property
    def told(self) -> str:
        """The change as a clause, with names in backticks."""
        if self.edit is Edit.VERSION:
            return f"{self.name} changed from {self.old or 'none'} to {self.new or 'none'}"
        if self.edit is Edit.NEW:
            return f"`{self.name}` is new in its code"
        if self.edit is Edit.GONE:
            return f"`{self.name}` is no longer in its code"
        if self.edit is Edit.MOVED:
            return f"`{self.old}` is `{self.new}` now"
        values = _assigned(self.old), _assigned(self.new)
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
    """What is another in ``new`` than in ``old``: versions first, then the parts, by name."""
    versions, before = dict(new.requirements), dict(old.requirements)
    for name in sorted(versions.keys() | before.keys()):
        if versions.get(name) != before.get(name):
            yield CodeChange(name, Edit.VERSION, before.get(name, ""), versions.get(name, ""))
    parts, were = _parts(new), _parts(old)
    for name, old_name in _moved(parts, were).items():
        were[name] = were.pop(old_name)
        if parts[name].canonical == were[name].canonical and name.rpartition(".")[2].isidentifier():
            yield CodeChange(name, Edit.MOVED, old_name, name)
    for name in sorted(parts.keys() | were.keys()):
        if name not in were:
            yield CodeChange(name, Edit.NEW, "", parts[name].source)
        elif name not in parts:
            yield CodeChange(name, Edit.GONE, were[name].source, "")
        elif parts[name].canonical != were[name].canonical:
            yield CodeChange(name, Edit.EDITED, were[name].source, parts[name].source)


def capsule_of(metadata: MetadataStore, digest: str) -> Capsule | None:
    """A capsule of the store, if it knows it."""
    record = metadata.code(digest)
    return Capsule.from_json(json.loads(record.capsule)) if record is not None else None


def unified(old: str, new: str) -> str:
    """The differing lines of two texts with a little around them; empty where they are equal."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=_CONTEXT))[2:]
    if lines and lines[0].startswith("@@"):  # the first place needs no number: the part itself says where it is
        lines = lines[1:]
    return "\n".join("…" if one.startswith("@@") else one for one in lines)


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
            name = prefix + (_bound(node) or source.partition("\n")[0].strip()[:40])
            before = parts.get(name)
            part = _Part(canonical(node), source)
            parts[name] = (
                part if before is None else _Part(before.canonical + part.canonical, f"{before.source}\n{part.source}")
            )
    if capsule.cell:
        parts["the cell"] = _Part(canonical(parse(capsule.cell)), capsule.cell)
    return parts


def _moved(parts: Iterable[str], were: Iterable[str]) -> dict[str, str]:
    """Parts that are in another module now, by name, with the name that they had."""
    new, gone = (
        {name.rpartition(".")[2]: name for name in sorted(set(some) - set(others))}
        for some, others in ((parts, were), (were, parts))
    )
    return {name: gone[bare] for bare, name in new.items() if bare in gone}


def _first_line(node: ast.stmt) -> int:
    decorators: Iterable[ast.expr] = getattr(node, "decorator_list", ())
    return min((node.lineno, *(one.lineno for one in decorators)))


def _bound(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ", ".join(one.asname or one.name for one in node.names)
    return ""


def _assigned(source: str) -> str:
    """The value of a short constant: ``0.5`` of ``LIMIT = 0.5``."""
    if not source or "\n" in source:
        return ""
    node = parse(source).body[0]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return ""
    text = ast.unparse(node.value)
    return text if len(text) <= _SHORT else ""
