"""The stack panel: pick a stack, see whether its components work, register others.

Threads answer what the browser asks, since a check may take a while. Secrets that it sends are used and forgotten: no
message, and no state of the widget, contains one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from zenbook.engine.steps.failure_text import one_line
from zenbook.errors import ZenbookError
from zenbook.notebook.panels.front_end import panels_work
from zenbook.notebook.panels.stack_form import form, quoted, read, register_line, secrets_in
from zenbook.notebook.panels.stack_state import description, error_message, signature, state
from zenbook.notebook.progress import Output, bundle_of
from zenbook.stack import component_registry, stacks
from zenbook.stack.checks import CheckResult, check_components
from zenbook.stack.component_options import checked_options
from zenbook.stack.flavour import ComponentKind, Flavour, flavour
from zenbook.stack.stack import Stack, active_name
from zenbook.stack.workspace import Workspace

LOOK_EVERY = 0.5  # seconds between two looks at config.yaml
LEASE = 150.0  # seconds for which it is watched after a page said that it shows the panel; it says so each minute
_SHORT = 4  # characters; what is shorter is in many words, and hides nothing when it is taken out of them


def panel() -> None:
    """Show the stacks in the cell that is running, as a panel or else as a table."""
    from IPython.display import display

    if panels_work():
        StackPanel().show()
    else:
        display(_table())  # type: ignore[no-untyped-call]


def _table() -> Any:
    from zenbook.cli import invoke

    return invoke(["stack", "list"])


class StackPanel:
    """One panel; all pages that show it get the same messages."""

    def __init__(self) -> None:
        from zenbook.notebook.panels.stack_widget import StackWidget

        self._output = Output()
        self._widget = StackWidget(description, self.answer)
        self._widget.observe(self._closed, "comm")
        self._pictured = active_name()  # the stack that the table calls active
        self._sending = threading.Lock()
        self._starting = threading.Lock()
        self._until = 0.0
        self._watcher: threading.Thread | None = None

    def show(self) -> None:
        """Show it now, or renew the table that is seen where the panel cannot be shown."""
        self._output.show(self._widget.placed(bundle_of(_table()), "Run the cell again for the panel."))

    def answer(self, request: Mapping[str, Any]) -> None:
        """Answer one message of the browser, as soon as the answer is known.

        Args:
            request: What it asks under the key ``ask``, and an ``id`` that the answer repeats under ``to``.
        """
        threading.Thread(target=self._answer, args=(request,), daemon=True, name="zenbook-stack-panel").start()

    def _answer(self, request: Mapping[str, Any]) -> None:
        hidden: list[str] = []
        try:
            reply = self._reply(request, hidden)
        except ZenbookError as error:
            reply = error_message(error)
        except Exception as error:  # noqa: BLE001  # nobody sees what is raised here, so the browser shows it
            reply = {"error": f"The kernel could not answer: {one_line(error)}", "hint": ""}
        for key in ("error", "hint", "found"):
            for secret in hidden:
                if isinstance(reply.get(key), str) and len(secret) >= _SHORT:
                    reply[key] = reply[key].replace(secret, "•••")
        self._send({"to": request.get("id"), **reply})

    def _reply(self, request: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
        match request.get("ask"):
            case "watch":
                self._watch()
                return {"state": state()}
            case "check":
                return self._check(str(request["stack"]))
            case "use":
                return self._use(str(request["stack"]), checked=bool(request.get("check", True)))
            case "form":
                return form(ComponentKind(request["kind"]), str(request["flavour"]))
            case "stack":
                return _register_stack(request)
            case "read" | "test" | "save" as what:
                return _component(what, request, hidden)
            case _:
                return {}

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            if self._widget.comm is not None:
                self._widget.send(message)
                self._renew(message.get("state", {}).get("active", self._pictured))

    def _renew(self, active: str) -> None:
        """Let the table in the notebook's file show the right stack as active."""
        if self._output.shown and active != self._pictured:
            self._pictured = active
            self.show()

    # --- stacks -----------------------------------------------------------------------------------------------------

    def _check(self, name: str) -> dict[str, Any]:
        """Check a stack's components at the same time; each result is sent as soon as it is known."""
        chosen = Stack.named(name)
        results: list[CheckResult] = []

        def check_one(kind: ComponentKind) -> None:
            checked = check_components(chosen, kinds=(kind,))
            results.extend(checked)
            self._send({"health": [{"stack": name, **_health(result)} for result in checked]})

        threads = [threading.Thread(target=check_one, args=(kind,), daemon=True) for kind in ComponentKind]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "failed": [result.kind.value for result in results if not result.ok],
            "line": f"%zen stack check {quoted(name)}",
        }

    def _use(self, name: str, *, checked: bool) -> dict[str, Any]:
        if checked and (failed := self._check(name)["failed"]):
            which = " and ".join(ComponentKind(kind).label for kind in failed)
            return {
                "failed": failed,
                "error": f"The stack was not switched: the check of its {which} failed.",
                "hint": "",
            }
        stacks.use(name, check=False)
        line = f"%zen stack use {quoted(name)}" + ("" if checked else " --no-check")
        return {"line": line, "state": state()}

    # --- what others do ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Send the state when config.yaml changes, until the page is gone."""
        with self._starting:
            self._until = time.monotonic() + LEASE
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._look, daemon=True, name="zenbook-stack-watch")
                self._watcher.start()

    def _look(self) -> None:
        seen = signature()
        while True:
            time.sleep(LOOK_EVERY)
            with self._starting:
                if time.monotonic() > self._until:
                    self._watcher = None
                    return
            now = signature()
            if now != seen:
                seen = now
                self._send({"state": state()})

    def _closed(self, change: Mapping[str, Any]) -> None:
        if change["new"] is None:
            self._until = 0.0


def _health(result: CheckResult) -> dict[str, Any]:
    return {"kind": result.kind.value, "ok": result.ok, "message": result.message, "hint": result.hint}


def _register_stack(request: Mapping[str, Any]) -> dict[str, Any]:
    name, names = str(request["name"]).strip(), request["components"]
    components = {kind.value: names.get(kind.value) or None for kind in ComponentKind}
    production = bool(request.get("production"))
    stacks.register(name, **components, production=production)
    words = [f"--{kind.cli_name} {quoted(chosen)}" for kind in ComponentKind if (chosen := components[kind.value])]
    line = " ".join(["%zen stack register", quoted(name), *words, *(["--production"] if production else [])])
    return {"line": line, "state": state()}


def _component(what: str, request: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
    """Read the form's values, and test or register the component if they can be."""
    kind = ComponentKind(request["kind"])
    chosen = flavour(kind, str(request["flavour"]))
    options, mistakes = read(chosen, request["values"])
    hidden.extend(secrets_in(chosen, options))
    if what == "read" or mistakes:
        return {"mistakes": mistakes}
    name = str(request["name"]).strip()
    label = f"{kind.label} {name!r}" if name else kind.label
    ready = checked_options(chosen, options, label, Workspace.find())
    hidden.extend(secrets_in(chosen, ready))
    return _test(chosen, ready) if what == "test" else _save(chosen, name, ready)


def _test(chosen: Flavour, ready: dict[str, Any]) -> dict[str, Any]:
    trial = Stack(**{chosen.kind.value: {"flavour": chosen.name, **ready}})
    (result,) = check_components(trial, kinds=(chosen.kind,))
    return {"found": result.message} if result.ok else {"error": result.message, "hint": result.hint}


def _save(chosen: Flavour, name: str, ready: dict[str, Any]) -> dict[str, Any]:
    line = register_line(chosen, name, ready)
    component_registry.register(chosen.kind, name, chosen.name, ready)
    return {"line": line, "state": state(), "saved": name}
