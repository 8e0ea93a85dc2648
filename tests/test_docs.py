"""The commands in the documentation are those that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import nbformat
import pytest

from tests.scripts import run_zen
from zenbook import cli, log_metrics, pipeline, step
from zenbook.stack.stack import Stack

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@step
def fit(lr: float) -> Annotated[dict, "model"]:
    log_metrics(accuracy=0.9, loss=lr)
    return {"weights": [lr] * 20}


@pipeline
def training(lr: float = 0.05):
    fit(lr)


def commands(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return [line for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("zen ")]


def test_the_commands_of_the_page_on_stacks(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, and without the checks: the servers of the examples are nobody's."""
    monkeypatch.setenv("DB_PASSWORD", "x")
    lines = commands("stacks.md")
    assert len(lines) > 15
    for number, line in enumerate(lines):
        words = shlex.split(line)[1:]
        if words[:2] == ["stack", "use"] or words[0] == "config":
            words.append("--no-check")
        if words[0] == "gc" or line == "zen doctor":  # on stores that are really there
            cli.invoke(["stack", "register", f"here-{number}"])
            cli.invoke(["stack", "use", f"here-{number}"])
        cli.invoke(words)
    assert Stack.named("prod").production
    assert str(Stack.named("prod-copy").artifact_store) == "bucket"


def test_the_commands_of_the_page_on_servers(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: "asked")
    lines = commands("metadata-stores.md")
    assert len(lines) == 2
    for line in lines:
        cli.invoke([*shlex.split(line)[1:], "--no-check"])
    assert str(Stack.named().metadata_store) == "mysql"


def test_the_commands_of_the_readme_on_stacks(workspace: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("zen ")]
    assert len(lines) == 5
    for line in lines:
        cli.invoke([*shlex.split(line)[1:], *(["--no-check"] if " use " in line else [])])
    assert str(Stack.named("prod").artifact_store) == "bucket"


def test_the_options_that_the_page_names_in_passing() -> None:
    text = (ROOT / "docs/stacks.md").read_text("utf-8")
    known = {row["option"] for kind in ("metadata-store", "artifact-store") for name in
             ("mysql", "postgresql", "s3", "azure", "gcs") if (name in ("mysql", "postgresql")) == (kind == "metadata-store")
             for row in cli.invoke([kind, "flavours", name])}  # fmt: skip
    named = set(re.findall(r"`(--[a-z-]+)`", text)) - {"--no-check", "--production", "--delete"}
    assert named
    assert named <= known


def test_the_commands_of_the_page_on_airflow(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "x")
    monkeypatch.setenv("AIRFLOW_PASSWORD", "x")
    cells = [
        "from zenbook import pipeline, step",
        "@step\ndef one() -> int:\n    return 1",
        "@pipeline\ndef training():\n    one()",
    ]
    (workspace / "train.py").write_text("\n\n".join(cells))
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells]), workspace / "notebook.ipynb"
    )
    for line in commands("airflow.md"):
        words = shlex.split(line)[1:]
        if words[0] == "export":
            done = run_zen(workspace, *words)
            assert done.returncode == 0, done.stderr
        else:
            cli.invoke([*words, "--no-check"] if words[:2] == ["stack", "use"] else words)
    assert str(Stack.named("prod").orchestrator) == "airflow"


def test_the_commands_and_snippets_of_the_page_on_comparison(workspace: Path) -> None:
    """On a pipeline with the names of the page."""
    training()
    for line in commands("comparison.md"):
        assert cli.invoke(shlex.split(line)[1:]) is not None
    text = (ROOT / "docs/comparison.md").read_text("utf-8")
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["best"].marks.tags == ("baseline",)
