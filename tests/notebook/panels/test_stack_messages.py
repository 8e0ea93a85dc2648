"""What the stack panel answers, asked in a real kernel as a browser asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.notebook.kernels import Kernel

SETUP = """
import json, threading, time, zenbook
from zenbook.notebook.panels import stack_panel
told = []
panel = stack_panel.StackPanel()
panel._widget.send = told.append
def ask(**message):
    told.clear()
    panel._answer({"id": "1", **message})
    print(json.dumps(told))
"""


def asked(k: Kernel, **message: Any) -> dict[str, Any]:
    """The answer; what was told besides is left out."""
    told = json.loads(k.run(f"ask(**{message!r})").text.strip())
    return next(one for one in told if one.get("to") == "1")


def test_a_component_is_tested_saved_and_put_into_a_stack(k: Kernel) -> None:
    k.run(SETUP)
    here = {"kind": "metadata_store", "flavour": "sqlite", "name": "mine", "values": {"path": "other.sqlite"}}
    assert "sqlite at" in asked(k, ask="test", **here)["found"]
    assert "other.sqlite" not in k.run("%zen metadata-store list").text
    saved = asked(k, ask="save", **here)
    assert saved["line"] == "%zen metadata-store register mine sqlite --path other.sqlite"
    assert "already" in asked(k, ask="save", **here)["error"]
    stack = {"name": "ours", "production": True, "components": {"metadata_store": "mine", "orchestrator": ""}}
    assert asked(k, ask="stack", **stack)["line"] == "%zen stack register ours --metadata-store mine --production"
    used = asked(k, ask="use", stack="ours")
    assert used["line"] == "%zen stack use ours"
    assert used["state"]["active"] == "ours"


def test_what_goes_wrong_is_answered_with_its_hint(k: Kernel) -> None:
    k.run(SETUP)
    assert "Did you mean 'default'?" in asked(k, ask="use", stack="defalt", check=False)["hint"]
    nameless = {"kind": "orchestrator", "flavour": "process", "name": "", "values": {}}
    assert "is not a valid name" in asked(k, ask="save", **nameless)["error"]
    k.run("import os; os.environ['ZENBOOK_STACK'] = 'default'; zenbook.stacks.register('other');")
    try:
        assert "ZENBOOK_STACK" in asked(k, ask="use", stack="other")["error"]
    finally:
        k.run("del os.environ['ZENBOOK_STACK']")


def test_a_secret_is_in_no_answer_even_if_a_check_tells_it(k: Kernel, tmp_path: Path) -> None:
    k.run(SETUP)
    values = {"host": "hunter22.invalid", "password": "hunter22", "patience": "0", "connect_timeout": "1"}
    told = asked(
        k, ask="test", kind="metadata_store", flavour="mysql", name="x", values={**values, "tls": "off"}
    )  # the server's name tells the secret
    assert "•••" in told["error"]
    assert "hunter22" not in json.dumps(told)
    wrong = {"kind": "metadata_store", "flavour": "mysql", "values": {**values, "port": "hunter22"}}
    assert "hunter22" not in json.dumps(asked(k, ask="read", **wrong))


def test_the_widgets_state_has_no_secret(k: Kernel) -> None:
    k.run(SETUP)
    k.run("zenbook.components.register('metadata_store', 'db', 'mysql', password='hunter22');")
    assert "hunter22" not in k.run("print(json.dumps(panel._widget.get_state('start')))").text
    assert "'db'" in k.run("print(panel._widget.get_state('start'))").text


def test_watching_ends_with_the_widget(k: Kernel) -> None:
    k.run(SETUP)
    asked(k, ask="watch")
    k.run("watcher = panel._watcher; assert watcher.is_alive()")
    k.run("panel._widget.end(); watcher.join(5); assert not watcher.is_alive()")
