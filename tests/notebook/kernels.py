"""Real kernels for tests: run cells, see their outputs, interrupt and kill."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

LIMIT = 60  # seconds for one cell


@dataclass
class CellResult:
    """What a cell gave: its outputs as nbformat has them, displays by their id updated in place."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """All plain text: streams, displays, the result, and a traceback."""
        parts = []
        for one in self.outputs:
            if one["type"] == "stream":
                parts.append(one["text"])
            elif one["type"] == "error":
                parts.append("\n".join(one["traceback"]))
            else:
                parts.append(str(one["data"].get("text/plain", "")))
        return "\n".join(parts)

    @property
    def error(self) -> str:
        """The name of the exception, empty if there was none."""
        return next((one["ename"] for one in self.outputs if one["type"] == "error"), "")

    @property
    def result(self) -> str:
        """The text of the last value."""
        return next((one["data"].get("text/plain", "") for one in self.outputs if one["type"] == "result"), "")

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The outputs of a kind: stream, display, result, error."""
        return [one for one in self.outputs if one["type"] == kind]


class Kernel:
    """A kernel and its client."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, code: str) -> str:
        """Send a cell and do not wait."""
        return self.client.execute(code, store_history=True)

    def run(self, code: str, *, ok: bool = True) -> CellResult:
        """Run a cell to its end; an exception fails the test unless ``ok`` is False."""
        result = self.finish(self.start(code))
        if ok:
            assert not result.error, result.text
        return result

    def run_and_answer(self, code: str, answer: str) -> CellResult:
        """Run a cell that asks for something, and type the answer."""
        message = self.start(code)
        asked = self.client.get_stdin_msg(timeout=LIMIT)
        assert asked["msg_type"] == "input_request"
        self.client.input(answer)
        return self.finish(message)

    def finish(self, message: str) -> CellResult:
        """Collect what a cell gives until the kernel is idle again."""
        result, displays, began = CellResult(), {}, time.monotonic()
        while True:
            one = self.client.get_iopub_msg(timeout=LIMIT)
            if one["parent_header"].get("msg_id") != message:
                continue
            kind, body = one["msg_type"], one["content"]
            if kind == "status" and body["execution_state"] == "idle":
                result.seconds = time.monotonic() - began
                return result
            if kind == "stream":
                last = result.outputs[-1] if result.outputs else {}
                if last.get("name") == body["name"]:
                    last["text"] += body["text"]
                else:
                    result.outputs.append({"type": "stream", **body})
            elif kind == "error":
                result.outputs.append({"type": "error", **body})
            elif kind == "execute_result":
                result.outputs.append({"type": "result", **body})
            elif kind == "display_data":
                shown = {"type": "display", **body}
                displays[body.get("transient", {}).get("display_id")] = shown
                result.outputs.append(shown)
            elif kind == "update_display_data":
                known = displays.get(body["transient"]["display_id"])
                if known is None:  # it was shown while `until` listened
                    result.outputs.append({"type": "display", **body, "updated": True})
                else:
                    known.update(data=body["data"], updated=True)

    def until(self, message: str, text: str) -> None:
        """Wait until a cell has printed a text."""
        seen = ""
        while text not in seen:
            one = self.client.get_iopub_msg(timeout=LIMIT)
            if one["parent_header"].get("msg_id") == message and one["msg_type"] == "stream":
                seen += one["content"]["text"]

    def interrupt(self) -> None:
        """Press the stop button."""
        self.manager.interrupt_kernel()

    def kill(self) -> None:
        """kill -9."""
        self.manager.provisioner.process.kill()  # type: ignore[union-attr]


def without_settings() -> dict[str, str]:
    """The environment without zenbook's variables: a module's kernel may start after a test that has set some."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("ZENBOOK_")}


@contextmanager
def kernel(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel in a folder, with zenbook not loaded yet."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env={**without_settings(), **environment})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
