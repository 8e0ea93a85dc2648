"""Check a stack's components, all at once, each within a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zenbook.errors import ZenbookError
from zenbook.stack.component_factory import make_component
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.stack import Stack
from zenbook.stack.workspace import Workspace

TIME_LIMIT = 15.0  # seconds for each component


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of the check of one component."""

    kind: ComponentKind
    name: str
    ok: bool
    message: str
    hint: str = ""


def check_components(
    stack: Stack, time_limit: float = TIME_LIMIT, kinds: Iterable[ComponentKind] = ComponentKind
) -> tuple[CheckResult, ...]:
    """Check the components of a stack: whether each can be reached, read and written.

    Args:
        stack: The stack.
        time_limit: Seconds for each component; all are checked at the same time.
        kinds: Which of its components to check.

    Returns:
        A result for each kind, in their order.
    """
    workspace = Workspace.find().ensure()
    checks = [_Check(stack, kind, workspace) for kind in kinds]
    return tuple(check.wait(time_limit) for check in checks)


class _Check:
    """One check in a thread of its own; a check that hangs is left behind."""

    def __init__(self, stack: Stack, kind: ComponentKind, workspace: Workspace) -> None:
        self.kind, self.choice, self.workspace = kind, stack.choice(kind), workspace
        self.result: CheckResult | None = None
        self.thread = threading.Thread(target=self._run, name=f"zenbook-check-{kind}", daemon=True)
        self.thread.start()

    def wait(self, time_limit: float) -> CheckResult:
        """The result, at the latest when the time is over."""
        self.thread.join(time_limit)
        return self.result or self._result(
            False,
            f"it did not answer within {time_limit:g} s.",
            "Check that it is running and that this machine reaches it.",
        )

    def _run(self) -> None:
        try:
            component = make_component(self.kind, self.choice, self.workspace)
            try:
                self.result = self._result(True, component.check())
            finally:
                close: Callable[[], None] | None = getattr(component, "close", None)
                if close is not None:
                    close()
        except ZenbookError as error:
            self.result = self._result(False, error.message, error.hint)
        except Exception as error:  # noqa: BLE001  # of a component from outside: reported, not hidden
            self.result = self._result(False, f"{type(error).__name__}: {error}")

    def _result(self, ok: bool, message: str, hint: str = "") -> CheckResult:
        return CheckResult(self.kind, str(self.choice), ok, message, hint)


__all__ = ["TIME_LIMIT", "CheckResult", "check_components"]
