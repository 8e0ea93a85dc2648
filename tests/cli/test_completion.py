"""Tab completes what the command tree knows, in shells as in the notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import run_zen
from zenbook import cli, components, find_run, pipeline, stacks, step
from zenbook.cli.completion import completions

TRAINING = """
from zenbook import pipeline, step

@pipeline
def training(rows: int = 2, lr: float = 0.5):
    pass

@pipeline(cache=False)
def scoring(model: str):
    pass

def other():
    raise SystemExit("imported")
"""


@step
def fit(n: int = 1) -> int:
    return n


@pipeline
def counting(n: int = 1) -> None:
    fit(n)


@pytest.fixture(autouse=True)
def _here(workspace: Path) -> None:
    (workspace / "train.py").write_text(TRAINING)


def tab(line: str) -> list[str]:
    """What Tab offers at the end of a line."""
    *words, part = line.split(" ")
    return [one.value for one in completions(cli.zen, words, part)]


def test_verbs_and_options() -> None:
    assert tab("sta") == ["stack", "star", "status"]
    assert {"use", "register", "check"} <= set(tab("stack "))
    assert "set" not in tab("stack ")
    assert tab("stack use --no") == ["--no-check"]


def test_names_of_stacks_and_components() -> None:
    components.register("artifact-store", "far", "local")
    stacks.register("prod")
    assert tab("stack use p") == ["prod"]
    assert tab("run train.py --stack ") == ["default", "prod"]
    assert tab("stack register x -a ") == ["local", "far"]
    assert tab("artifact-store describe f") == ["far"]


def test_flavours_and_their_options() -> None:
    assert tab("orchestrator register x pro") == ["process"]
    assert tab("orchestrator register x process --py") == ["--python"]
    assert tab("config artifacts set g") == ["gcs", "gs://", "gcs://"]
    assert tab("config metadata set mysql --host h --po") == ["--port"]
    assert tab("metadata-store register x nothing --") == ["--help"]


def test_runs_steps_and_pipelines() -> None:
    run = counting()
    assert tab("show ") == ["latest", run.id, "counting"]
    assert tab(f"logs {run.id} ") == ["fit"]
    assert tab("runs --pipeline c") == ["counting"]
    assert tab("runs --state c") == ["cancelled", "crashed"]
    assert find_run().id == run.id


def test_pipelines_and_parameters_of_a_file_that_is_not_run() -> None:
    assert tab("run train.py:") == ["train.py:training", "train.py:scoring"]
    assert tab("run train.py:training --param ") == ["rows=", "lr="]
    assert tab("run train.py:training -p l") == ["lr="]
    assert tab("run gone.py:") == []


def test_what_cannot_be_looked_up_completes_to_nothing(workspace: Path) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen/config.yaml").write_text("][")
    assert tab("stack use ") == []
    assert tab("show ") == []
    assert tab("stack ") != []


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "zen stack u", "COMP_CWORD": "2"}),
        ("zsh", {"COMP_WORDS": "zen stack u", "COMP_CWORD": "2"}),
        ("fish", {"COMP_WORDS": "zen stack u", "COMP_CWORD": "u"}),
    ],
)
def test_the_shells_get_the_same_words(workspace: Path, shell: str, variables: dict[str, str]) -> None:
    said = run_zen(workspace, _ZEN_COMPLETE=f"{shell}_complete", **variables)
    assert (said.returncode, said.stderr) == (0, "")
    assert "use" in said.stdout
    assert "update" in said.stdout
    script = run_zen(workspace, _ZEN_COMPLETE=f"{shell}_source")
    assert "_ZEN_COMPLETE" in script.stdout


def test_bash_completes_with_the_line_that_zen_completion_gives(workspace: Path) -> None:
    line = cli.invoke(["completion", "bash"])[0]["line"]
    folder = Path(sys.executable).parent
    script = (
        f"export PATH='{folder}':$PATH; {line}; COMP_WORDS=(zen stack us); COMP_CWORD=2; _zen_completion zen us stack; "
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=workspace, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "use", done.stderr
