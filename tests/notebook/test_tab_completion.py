"""Tab in a real kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.kernels import LIMIT, Kernel

CELLS = """
from zenbook import pipeline, step, stacks

@step
def fit(n: int = 1) -> int:
    return n

@pipeline
def training(rows: int = 2, lr: float = 0.5):
    fit(rows)

stacks.register("prod")
"""


def tab(k: Kernel, text: str) -> list[str]:
    """What Tab offers at the end of a cell's text."""
    k.client.complete(text, len(text))
    while True:
        reply: dict[str, Any] = k.client.get_shell_msg(timeout=LIMIT)
        if reply["msg_type"] == "complete_reply":
            start = reply["content"]["cursor_start"]
            assert text[start:] == text[start : reply["content"]["cursor_end"]]
            return [text[:start] + one for one in reply["content"]["matches"]]


@pytest.fixture
def k(k: Kernel) -> Kernel:
    k.run(CELLS)
    return k


def test_verbs_names_and_parameters_are_completed(k: Kernel) -> None:
    assert tab(k, "%zen sta") == ["%zen stack", "%zen star", "%zen status"]
    assert tab(k, "x = 1\n%zen stack use p") == ["x = 1\n%zen stack use prod"]
    assert tab(k, "table = %zen stack use p") == ["table = %zen stack use prod"]
    assert tab(k, "!zen stack use p") == ["!zen stack use prod"]
    assert tab(k, "%%zen sq") == ["%%zen sql"]
    assert tab(k, "%zen run tr") == ["%zen run training"]
    assert tab(k, "%zen run training --param ") == [
        "%zen run training --param rows=",
        "%zen run training --param lr=",
    ]


def test_options_of_a_step_cell_are_completed(k: Kernel) -> None:
    k.run("%%step load\nvalues = [1, 2]")
    assert tab(k, "%%step lo") == ["%%step load"]
    assert tab(k, "%%step load --re") == ["%%step load --retries", "%%step load --retry-delay"]
    assert tab(k, "%zen step drop ") == ["%zen step drop load"]


def test_a_terminals_ipython_completes_the_same(tmp_path: Path) -> None:
    program = """
from IPython.core.completer import provisionalcompleter
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell.instance()
shell.run_line_magic("load_ext", "zenbook")
for line in ("%zen stack us", "!zen stack us", "%%step a --retry", "%%zen sql\\nselect pipe", '%zen sql "from runs where sta'):
    with provisionalcompleter():
        print([one.text for one in shell.Completer.completions(line, len(line))])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "['use']", "['use']", "['--retry-delay']", "['pipeline']", "['stack', 'starred', 'started_at', 'state']",
    ], done.stderr  # fmt: skip


def test_other_lines_are_completed_as_ever(k: Kernel) -> None:
    k.run("zenith = 1")
    assert "zenith" in tab(k, "zeni")
    assert "values.append" in [*tab(k, "values = []\nvalues.app"), "values.append"]
    before = k.run("len(get_ipython().Completer.custom_matchers)").result
    k.run("%load_ext zenbook\n%reload_ext zenbook")
    assert k.run("len(get_ipython().Completer.custom_matchers)").result == before
    k.run("%unload_ext zenbook")
    assert tab(k, "%zen stack use p") != ["%zen stack use prod"]
    k.run("%load_ext zenbook")


def test_names_in_a_cell_of_sql_are_completed(k: Kernel) -> None:
    k.run("training(lr=0.1)\n%zen sql 'select 1'")  # which brings the mirror up to date
    assert tab(k, "%%zen sql\nselect params.l") == ["%%zen sql\nselect params.lr"]
    assert tab(k, "%%zen sql found\nselect id,\n  pipe") == ["%%zen sql found\nselect id,\n  pipeline"]
    assert tab(k, "%%zen sql\nfrom artifact('training', 'f") == ["%%zen sql\nfrom artifact('training', 'fit"]
    assert tab(k, '%zen sql "select * from ste') == ['%zen sql "select * from steps']
    assert tab(k, "found = %zen sql 'select params.ro") == ["found = %zen sql 'select params.rows"]
    assert tab(k, "%zen sql --sch") == ["%zen sql --schema"]
    k.run("least = 1")
    assert "%%zen sql\nselect id from runs where params.rows > {{least" in tab(
        k, "%%zen sql\nselect id from runs where params.rows > {{lea"
    )
