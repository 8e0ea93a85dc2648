"""What a capsule's main module binds, and an order in which it can be executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.errors import CaptureError


@dataclass(slots=True)
class Item:
    """Something that the capsule's main module binds to a name; without pieces as long as it is being made."""

    name: str
    pieces: tuple[Piece, ...] = ()
    needed_before: set[str] = field(default_factory=set)  # items that must be bound before
    preferred_before: set[str] = field(default_factory=set)  # items that are bound before where that is possible
    needed_when_called: set[str] = field(default_factory=set)  # items that must be bound before it is called
    value: Any = None
    rank: int = 1  # -1 for imports that nobody reads, 0 for imports, 1 for all else


def in_order(items: Mapping[str, Item], step: str) -> tuple[Piece, ...]:
    """The pieces of all items, each after what must be bound before it.

    What must be bound before it may be called while it is defined (a decorator, a base class), so all that this reaches
    comes before it too where that is possible. Raises `CaptureError` for items that must each come before the other.
    """
    order: dict[str, None] = {}
    for item in sorted(items.values(), key=lambda one: one.rank):
        _place(item, items, order, (), step)
    return tuple(dict.fromkeys(piece for name in order for piece in items[name].pieces))


def _place(item: Item, items: Mapping[str, Item], order: dict[str, None], path: tuple[str, ...], step: str) -> None:
    if item.name in order:
        return
    if item.name in path:
        cycle = path[path.index(item.name) :]
        raise CaptureError(
            f"{step} reaches {' and '.join(repr(one) for one in cycle)}, which need each other while they are defined.",
            "Put them into a module of your project and import it.",
        )
    inner = (*path, item.name)
    needs = sorted(item.needed_before & items.keys())
    for name in needs:
        _place(items[name], items, order, inner, step)
    for name in (*sorted(item.preferred_before), *_called_by(needs, items)):
        if name in items and not _closure([name], items, lambda one: one.needed_before) & set(inner):
            _place(items[name], items, order, inner, step)
    order.setdefault(item.name)


def _called_by(names: Iterable[str], items: Mapping[str, Item]) -> list[str]:
    """All that may be read when the named items are called."""
    return list(_closure(names, items, lambda one: one.needed_when_called | one.needed_before))


def _closure(names: Iterable[str], items: Mapping[str, Item], edges: Callable[[Item], set[str]]) -> KeysView[str]:
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in items and name not in found:
            found[name] = None
            waiting += sorted(edges(items[name]))
    return found.keys()
