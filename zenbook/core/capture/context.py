"""The state of one capture: what was reached so far, and how a name that code reads becomes an item of the capsule.

A step's code reads names. Each becomes a `Reference`, the name with the object that it stands for, and the resolvers
are asked in their order; the first that knows this kind of object makes the item (`resolvers`).
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.core.capsule import Piece
from zenbook.core.capture.cell import NameRoles
from zenbook.core.capture.constants import equal_constants
from zenbook.core.capture.items import Item
from zenbook.core.capture.live_values import MISSING, MUTABLE, is_main, refuse_pipeline, unwrap_step
from zenbook.core.capture.names import Chain, Names
from zenbook.core.capture.project import NO_FILE, ProjectCode
from zenbook.core.capture.skipped_value import SkippedValue
from zenbook.core.capture.watch_list import WatchList
from zenbook.errors import CaptureError

HINT = "Pass it to the step as an input, make it a parameter, or create it inside the step."


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that code reads, and what it stands for."""

    name: str
    value: Any
    chain: Chain  # the name and the attributes that are read from it
    namespace: dict[str, Any]  # the globals that it is read from
    where: str = ""  # in messages: " (cell 3)", or empty


class CaptureContext:
    """What one capture has reached so far: the items of the main module and the parts of project modules.

    Attributes:
        step: The step in messages: "Step 'fit'".
        project: The reached parts of project modules.
        provided: The names that the step gets as inputs or parameters.
        hidden: The names of the notebook that count as not bound yet.
        own_imports: The (module, name) that a cell imports itself.
        items: What the capsule's main module binds, in the order in which it was reached.
        used_inputs: The names of the step's inputs that its code reads.
        watched: What must stay as it is for the capture to hold.
        closures: What the captured variables of functions are, for functions that share one.
        future_annotations: Whether some captured code has ``from __future__ import annotations``.
    """

    def __init__(
        self,
        owner: str,
        project: ProjectCode,
        resolvers: Sequence[Resolver],
        roles: NameRoles,
        own_imports: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.step = f"Step {owner!r}"
        self.project = project
        self.provided = roles.provided
        self.hidden = roles.hidden
        self.own_imports = own_imports
        self.items: dict[str, Item] = {}
        self.used_inputs: set[str] = set()
        self.watched = WatchList()
        self.closures: dict[int, tuple[types.CellType, str, bool]] = {}  # the cell, its owner, whether it is rebound
        self.future_annotations = False
        self._resolvers = resolvers
        self._homes: dict[int, tuple[str, Any]] = {}  # mutable constants, and the item that holds each

    def resolve(self, reference: Reference) -> None:
        """Make the item for a name, unless there is one.

        Raises `CaptureError` if the object cannot travel, or if the name stands for another object already.

        Args:
            reference: The name and what it stands for.
        """
        refuse_pipeline(reference.value)
        name, value = reference.name, unwrap_step(reference.value)
        reference = Reference(name, value, reference.chain, reference.namespace, reference.where)
        item = self.items.get(name)
        if item is None or (item.value is value and isinstance(value, types.ModuleType)):
            for resolver in self._resolvers:
                if resolver(reference, self):
                    return
        elif item.value is not value and (not item.pieces or not equal_constants(item.value, value)):
            raise self.two_objects(name, reference.where)

    def read_names(
        self, names: Names, namespace: dict[str, Any], item: Item, *, skip: set[str], where: str = ""
    ) -> None:
        """Resolve all names that a piece of code reads from its module.

        Args:
            names: The names of the code.
            namespace: The module's globals.
            item: The item that the code belongs to; it comes to know what it needs.
            skip: Names that the code has from elsewhere.
            where: The code's place in messages.
        """
        for node in names.imports:
            self.project.follow_import(node, namespace.get("__package__") or "")
        kinds = (
            (names.reads_on_definition, item.needed_before, False),
            (names.reads_in_bodies, item.needed_when_called, False),
            (names.reads_in_annotations, item.preferred_before, True),
        )
        for chains, needs, optional in kinds:
            for chain in sorted(chains):
                if chain[0] not in skip and self._read(chain, namespace, where, optional=optional):
                    needs.add(chain[0])
        for needs in (item.needed_before, item.preferred_before):  # code cannot need what it is about to bind
            needs.discard(item.name)

    def add_import(self, name: str, text: str, module: str, value: Any) -> None:
        """Bind a name by an import statement.

        Args:
            name: The name.
            text: The statement.
            module: The module that it imports or imports from; required if it does not travel.
            value: What the name stands for.
        """
        self.items[name] = Item(name, (Piece(text),), value=value, rank=0)
        if not self.project.is_project(module):
            self.project.require(module)

    def home_of(self, name: str, value: Any) -> str | None:
        """Find the item that holds a mutable object already, so that all who use it share one.

        Args:
            name: The name of the item that is to hold it if none does.
            value: The object.

        Returns:
            The other item's name; None if there is none, or if the object is not mutable.
        """
        if not isinstance(value, MUTABLE):
            return None
        home, _ = self._homes.setdefault(id(value), (name, value))
        return home if home != name and home in self.items else None

    def two_objects(self, name: str, where: str) -> CaptureError:
        """Make the error for a name that would have to stand for two things in one capsule.

        Args:
            name: The name.
            where: The place of the code that reads it.

        Returns:
            The error.
        """
        return CaptureError(
            f"{self.step} uses two different objects with the name `{name}`{where}.", "Give one of them another name."
        )

    # --- names --------------------------------------------------------------------------------------------------

    def _read(self, chain: Chain, namespace: dict[str, Any], where: str, *, optional: bool) -> bool:
        """Resolve a name that code reads; gives whether there is an item for it then."""
        name = chain[0]
        main = is_main(namespace)
        if main and name in self.provided:
            self.used_inputs.add(name)
            return False
        if name == "get_ipython":
            raise CaptureError(
                f"{self.step} uses IPython itself (`get_ipython`, a `%magic` or a `!shell` line){where}.",
                "Move that line to a cell that is not a step.",
            )
        if name == "__name__" and main:
            return False  # the same in a capsule
        value = MISSING if main and name in self.hidden else namespace.get(name, MISSING)
        self.watched.add_binding(namespace, name, value)
        if value is MISSING or _guards_builtin(name, value):
            return self._read_builtin(name)
        if isinstance(value, SkippedValue):
            raise CaptureError(f"{self.step} uses `{name}`{where}, but {value.why}.", value.way_out)
        if name in NO_FILE:
            raise CaptureError(
                f"{self.step} uses `{name}`{where}, which is not available inside a step: its code has no file there.",
                "Pass the path as a parameter.",
            )
        reference = Reference(name, value, chain, namespace, where)
        if not optional:
            self.resolve(reference)
            return True
        items = dict(self.items)
        try:
            self.resolve(reference)
        except CaptureError:  # an annotation that is not evaluated may name what cannot travel
            self.items = items
            return False
        return True

    def _read_builtin(self, name: str) -> bool:
        value: Any = getattr(builtins, name, MISSING)
        module = getattr(value, "__module__", None) or ""
        if value is not MISSING and module.startswith("IPython"):
            self.add_import(name, f"from {module} import {value.__name__}", module, value)
            return True
        return False  # a name that is not bound yet: Python raises NameError if the code reads it


Resolver = Callable[[Reference, CaptureContext], bool]  # makes the item, and gives whether this was its kind of object


def _guards_builtin(name: str, value: Any) -> bool:
    """Whether a function only guards the builtin of its name, as IPython's `open` does in a notebook."""
    return name in vars(builtins) and getattr(value, "__wrapped__", None) is vars(builtins)[name]
