"""Check a stack's components, all at once, each within a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zenbook.errors import ZenbookError
from zenbook.stack.component_factory import make
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.stack import Stack
from zenbook.stack.workspace import Workspace

TIME_LIMIT = 15.0  # seconds for each component


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of one component found."""

    kind: ComponentKind
    name: str
    ok: bool
    told: str
    hint: str = ""


def check(
    stack: Stack, time_limit: float = TIME_LIMIT, kinds: Iterable[ComponentKind] = ComponentKind
) -> tuple[Checked, ...]:
    """Check the components of a stack: whether each can be reached, read and written."""
    workspace = Workspace.find().ensure()
    going = [_Going(stack, kind, workspace) for kind in kinds]
    return tuple(one.result(time_limit) for one in going)


class _Going:
    """One check in a thread of its own: one that hangs is left behind."""

    def __init__(self, stack: Stack, kind: ComponentKind, workspace: Workspace) -> None:
        self.kind, self.choice, self.workspace = kind, stack.choice(kind), workspace
        self.found: Checked | None = None
        self.thread = threading.Thread(target=self._run, name=f"zenbook-check-{kind}", daemon=True)
        self.thread.start()

    def result(self, time_limit: float) -> Checked:
        """What was found, once it is known or the time is over."""
        self.thread.join(time_limit)
        if self.found is not None:
            return self.found
        late = f"it did not answer within {time_limit:g} s."
        return Checked(self.kind, str(self.choice), False, late, "Is it up, and can this machine reach it?")

    def _run(self) -> None:
        try:
            component = make(self.kind, self.choice, self.workspace)
            try:
                self.found = self._checked(True, component.check())
            finally:
                close: Callable[[], None] | None = getattr(component, "close", None)
                if close is not None:
                    close()
        except ZenbookError as error:
            self.found = self._checked(False, error.message, error.hint)
        except Exception as error:  # noqa: BLE001  # of somebody's own component: told, not hidden
            self.found = self._checked(False, f"{type(error).__name__}: {error}")

    def _checked(self, ok: bool, told: str, hint: str = "") -> Checked:
        return Checked(self.kind, str(self.choice), ok, told, hint)


__all__ = ["TIME_LIMIT", "Checked", "check"]
