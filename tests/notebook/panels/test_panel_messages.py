"""What a page hears of a run panel, in a real kernel that is asked as a page asks it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.kernels import LIMIT, Kernel, kernel

STEPS = """
import time
from pathlib import Path
from zenbook import pipeline, step

@step(cache=False)
def waits(file: str):
    print("from the step")
    while not Path(file).exists():
        time.sleep(0.02)

@pipeline
def waiting(file: str = "go"):
    waits(file)
"""


class FakePage:
    """A page as the kernel sees it: it collects what is published, and sends messages to the first panel."""

    def __init__(self, one: Kernel) -> None:
        self.kernel, self.client = one, one.client
        self.messages: list[dict[str, Any]] = []
        self.panel = self.subshell = ""

    def wait_for(self, kind: str, **content: Any) -> dict[str, Any]:
        """The next message of a kind whose content has these entries."""
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT)
            self.messages.append(message)
            if message["msg_type"] == kind and all(message["content"].get(key) == content[key] for key in content):
                return message

    def wait_for_panel(self) -> None:
        """Wait until the kernel has created a panel's widget, and open a subshell for it as JupyterLab does."""
        while not self.panel:
            content = self.wait_for("comm_open")["content"]
            if "start" in content["data"]["state"]:
                self.panel = content["comm_id"]
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        self.subshell = self.client.get_control_msg(timeout=LIMIT)["content"]["subshell_id"]

    def ask(self, **request: Any) -> None:
        """Send a message to the panel."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": self.panel, "data": {"method": "custom", "content": request}}
        )
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def answer(self, ask: str) -> dict[str, Any]:
        """The answer to a request."""
        while True:
            content = self.wait_for("comm_msg", comm_id=self.panel)["content"]["data"].get("content", {})
            if content.get("asked", {}).get("ask") == ask:
                return dict(content)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[FakePage]:
    with kernel(tmp_path, JPY_SESSION_NAME=str(tmp_path / "book.ipynb")) as one:
        one.run("%load_ext zenbook")
        one.run(STEPS)
        yield FakePage(one)


def test_a_widget_that_the_page_has_made_is_closed_before_the_cell_ends(page: FakePage, tmp_path: Path) -> None:
    """A page that restarts the kernel has forgotten its widgets, and reports an unknown comm that is closed later."""
    cell = page.kernel.start("waiting();")
    page.wait_for_panel()
    page.ask(ask="state")
    page.wait_for("comm_msg", comm_id=page.panel)
    (tmp_path / "go").touch()
    page.wait_for("status", execution_state="idle")
    while page.messages[-1]["parent_header"]["msg_id"] != cell:
        page.wait_for("status", execution_state="idle")
    kinds = [one["msg_type"] for one in page.messages if one["content"].get("comm_id") == page.panel]
    assert kinds[-1] == "comm_close"
    with pytest.raises(queue.Empty):
        while page.client.get_iopub_msg(timeout=3.5)["msg_type"] != "comm_close":
            pass


def test_a_page_is_answered_while_the_cell_is_running(page: FakePage, tmp_path: Path) -> None:
    page.kernel.start("waiting();")
    page.wait_for_panel()
    log = {"total": 0}
    while not log["total"]:  # the panel is there before the step prints
        page.ask(ask="log", step="waits", first=None)
        log = page.answer("log")["log"]
    assert log == {"first": 0, "total": 1, "text": "from the step\n"}
    page.ask(ask="details", step="waits")
    assert page.answer("details")["details"]["state"] == "running"
    page.ask(ask="details", step="stranger")
    assert "stranger" in page.answer("details")["error"]
    (tmp_path / "go").touch()
    page.wait_for("comm_close", comm_id=page.panel)


def test_a_cancel_is_acknowledged_before_the_run_ends(page: FakePage) -> None:
    cell = page.kernel.start("waiting(file='never');")
    page.wait_for_panel()
    page.ask(ask="state")
    page.ask(ask="cancel")
    assert page.answer("cancel")["cancelling"] is True
    page.wait_for("comm_close", comm_id=page.panel)
    assert page.kernel.finish(cell).error == "KeyboardInterrupt"
    assert page.kernel.run("1 + 1").result == "2", "nothing else was interrupted"
