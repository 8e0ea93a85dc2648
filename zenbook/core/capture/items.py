"""What a capsule's main module binds, and an order in which it can be executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.errors import CaptureError


@dataclass(slots=True)
class Item:
    """Something that the capsule's main module binds to a name; without pieces until it is complete."""

    name: str
    pieces: tuple[Piece, ...] = ()
    needed_before: set[str] = field(default_factory=set)  # items that must be bound before it
    preferred_before: set[str] = field(default_factory=set)  # items that are bound before it where that is possible
    needed_when_called: set[str] = field(default_factory=set)  # items that must be bound before it is called
    value: Any = None
    rank: int = 1  # -1 for imports that nobody reads, 0 for imports, 1 for all else


def in_order(items: Mapping[str, Item], step: str) -> tuple[Piece, ...]:
    """Put the pieces of items into an order in which they can be executed.

    What must be bound before an item may be called while the item is defined (a decorator, a base class), so all that
    such a call reads comes before the item too, where that is possible.

    Args:
        items: The items by name, in the order in which they were reached.
        step: The step in messages: "Step 'fit'".

    Returns:
        All pieces, each after what must be bound before it.
    """
    order: dict[str, None] = {}
    for item in sorted(items.values(), key=lambda item: item.rank):
        _place(item, items, order, (), step)
    return tuple(dict.fromkeys(piece for name in order for piece in items[name].pieces))


def _place(item: Item, items: Mapping[str, Item], order: dict[str, None], path: tuple[str, ...], step: str) -> None:
    if item.name in order:
        return
    if item.name in path:
        cycle = path[path.index(item.name) :]
        raise CaptureError(
            f"{step} uses {' and '.join(map(repr, cycle))}, which need each other while they are defined.",
            "Put them into a module of your project and import it.",
        )
    inner = (*path, item.name)
    needs = sorted(item.needed_before & items.keys())
    for name in needs:
        _place(items[name], items, order, inner, step)
    called = _closure(needs, items, lambda item: item.needed_when_called | item.needed_before)
    for name in (*sorted(item.preferred_before), *called):
        if name in items and not _closure([name], items, lambda item: item.needed_before) & set(inner):
            _place(items[name], items, order, inner, step)
    order.setdefault(item.name)


def _closure(names: Iterable[str], items: Mapping[str, Item], edges: Callable[[Item], set[str]]) -> KeysView[str]:
    """All items that are reached from some names, breadth first."""
    reached: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in items and name not in reached:
            reached[name] = None
            waiting += sorted(edges(items[name]))
    return reached.keys()
