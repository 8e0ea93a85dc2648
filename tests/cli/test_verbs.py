"""The command tree: every verb, what it gives, how it is misspelt."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import zenbook
from tests.scripts import run_zen, write_script
from zenbook import cli, find_run, pipeline, step
from zenbook.errors import ZenbookError

PACKAGE = f"{Path(zenbook.__file__).parent}{os.sep}"
TRAINING = """
import enum

class Kind(enum.Enum):
    LINEAR = "linear"

@step
def fit(rows: int, lr: float):
    print("fitting")
    return rows * lr

@pipeline
def training(rows: int = 2, lr: float = 0.5, names: list[str] | None = None, kind: Kind = Kind.LINEAR, label="a"):
    fit(rows, lr)

@step
def divide(x: int):
    return 1 / x

@pipeline
def failing():
    divide(0)
"""


@step
def one(n: int = 1) -> int:
    print("one", n)
    return n


@pipeline
def counting(n: int = 1) -> None:
    one(n)


@pytest.fixture
def training(workspace: Path) -> Iterator[Path]:
    return write_script(workspace, TRAINING, "train.py")


@pytest.fixture
def run(workspace: Path) -> zenbook.Run:
    return counting()


# --- running ----------------------------------------------------------------------------------------------------------


def test_run_a_file_with_typed_parameters(training: Path) -> None:
    done = run_zen(
        training.parent, "run", "train.py:training", "-p", "rows=3", "--param", "lr=0.1", "-p", "names=['a','b']"
    )
    assert done.returncode == 0, done.stderr
    run = find_run("training")
    assert {name: run.params[name] for name in ("rows", "lr", "names", "label")} == {
        "rows": 3, "lr": 0.1, "names": ["a", "b"], "label": "a",
    }  # fmt: skip
    assert done.stdout == "fitting\n"
    assert "✓ fit  succeeded" in done.stderr
    assert "succeeded in" in done.stderr


def test_a_module_of_a_package_is_run_under_its_dotted_name(workspace: Path) -> None:
    package = workspace / "project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text("FACTOR = 7\n")
    write_script(
        package, "from .parts import FACTOR\n@step\ndef one(): return FACTOR\n@pipeline\ndef p(): one()", "train.py"
    )
    assert run_zen(workspace, "run", "project/train.py").returncode == 0
    assert find_run("p").steps["one"].outputs["output"].load() == 7


def test_run_on_the_stack_that_the_environment_names(training: Path) -> None:
    done = run_zen(training.parent, "run", "train.py:training", ZENBOOK_STACK_ORCHESTRATOR="process")
    assert done.returncode == 0, done.stderr
    assert find_run().record.orchestrator == "process"


def test_run_without_the_cache(training: Path) -> None:
    for words in ((), ("--no-cache",)):
        assert run_zen(training.parent, "run", "train.py:training", *words).returncode == 0
    assert [str(one.steps["fit"].state) for one in zenbook.runs()] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("runz",), 2, "Unknown verb 'runz'.\nDid you mean 'run' or 'runs'?"),
        (("stack", "ues"), 2, "Unknown verb 'stack ues'.\nDid you mean 'use'?"),
        (
            ("metadata-store", "register", "m", "mysql", "--hots", "h"),
            2,
            "Unknown option '--hots'.\nDid you mean '--host'?\n",
        ),
        (("runs", "--limt", "3"), 2, "Unknown option '--limt'.\nDid you mean '--limit'?"),
        (("runs", "--limit", "x"), 2, "'x' is not a valid integer"),
        (("runs", "--state", "faild"), 1, "Unknown state 'faild'.\nDid you mean 'failed'?"),
        (("run",), 1, "No pipeline given."),
        (("run", "trian.py"), 1, "File 'trian.py' not found.\nDid you mean 'train.py'?"),
        (("run", "train.txt"), 1, "File 'train.txt' not found."),
        (("run", "train.py"), 1, "train.py has several pipelines.\nName one of them: failing, training."),
        (("run", "train.py:trainin"), 1, "Pipeline 'trainin' is not in train.py.\nDid you mean 'training'?"),
        (("run", "train.py:training", "-p", "rwos=3"), 1, "has no parameter 'rwos'.\nDid you mean 'rows'?"),
        (("run", "train.py:training", "-p", "rows"), 1, "The parameter 'rows' has no value."),
        (("run", "train.py:training", "-p", "rows=many"), 1, "The parameter 'rows' of 'training' is 'many'"),
        (("run", "train.py:training", "--stack", "prod"), 1, "Unknown stack 'prod'."),
        (("show", "nothing"), 1, "No run matches 'nothing'."),
        (("stack", "use"), 2, "No stack given."),
        (("stack", "use", "defualt"), 1, "Unknown stack 'defualt'.\nDid you mean 'default'?"),
        (("step", "list"), 2, "This verb needs a notebook."),
    ],
)
def test_a_mistake_is_explained_in_sentences(
    training: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["zen", *words])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "train", raising=False)
    monkeypatch.setattr(cli, "_show_progress", lambda: None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert (left.value.code, said.out) == (code, "")
    sys.modules.pop("train", None)


def test_a_steps_own_exception_keeps_the_users_frames_alone(training: Path) -> None:
    done = run_zen(training.parent, "run", "train.py:failing")
    assert done.returncode == 1
    assert "return 1 / x" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert PACKAGE not in done.stderr
    assert "importlib" not in done.stderr


def test_a_file_that_cannot_be_imported_shows_its_own_line(workspace: Path) -> None:
    (workspace / "train.py").write_text("import nothing_like_it\n")
    done = run_zen(workspace, "run", "train.py")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'nothing_like_it'" in done.stderr
    assert 'train.py", line 1' in done.stderr
    assert PACKAGE not in done.stderr


def test_a_reader_that_closes_the_pipe_is_not_an_error(run: zenbook.Run, workspace: Path) -> None:
    zen = Path(sys.executable).parent / "zen"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shlex.quote(str(zen))} runs | true"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


# --- looking ----------------------------------------------------------------------------------------------------------


def test_runs_show_logs_and_why(run: zenbook.Run) -> None:
    assert run.id in repr(cli.invoke(["runs"]))
    assert cli.invoke(["show", "latest"]) == run
    assert cli.invoke(["show", run.id[-6:], "one"]).name == "one"
    assert cli.invoke(["logs", "counting"]) == "one 1"
    assert cli.invoke(["logs", "latest", "one"]) == "one 1"
    assert repr(cli.invoke(["why", "latest", "one"])).startswith("one succeeded: it has not run before")
    assert "it has not run before" in repr(cli.invoke(["why"]))


def test_more_runs_than_are_listed(workspace: Path) -> None:
    for n in range(22):
        counting(n)
    listed = cli.invoke(["runs"])
    assert len(listed) == 20
    assert repr(listed).startswith("Runs: the newest 20, and there are older ones")
    assert len(cli.invoke(["runs", "-n", "100"])) == 22
    assert len(cli.invoke(["runs", "--pipeline", "other"])) == 0


def test_resume_and_cancel(run: zenbook.Run) -> None:
    assert cli.invoke(["resume", run.id]).steps["one"].state == "cached"
    with pytest.raises(ZenbookError, match="has ended"):
        cli.invoke(["cancel", run.id])


def test_status_before_and_after_the_first_run(workspace: Path) -> None:
    before = {row["what"]: row["is"] for row in cli.invoke(["status"])}
    assert before["workspace"].endswith(".zen (created on first use)")
    assert not (workspace / ".zen").exists()
    made = counting()
    after = {row["what"]: row["is"] for row in cli.invoke(["status"])}
    assert after["last run"] == f"{made.id} counting succeeded"
    assert "schema" in after["metadata store"]


def test_doctor_reports_problems(workspace: Path) -> None:
    found = cli.invoke(["doctor"])
    assert {row[""] for row in found} <= {"✓", "–", "!"}
    (workspace / ".zen" / "config.yaml").write_text("stacks: 3\n")
    broken = cli.invoke(["doctor"])
    assert [row["what"] for row in broken if row[""] == "✗"] == [
        "workspace", "stack", "artifact store", "metadata store", "orchestrator",
    ]  # fmt: skip
    assert "'stacks' is not a mapping" in repr(broken)


# --- workspaces and stacks --------------------------------------------------------------------------------------------


def test_init_chooses_where(workspace: Path) -> None:
    done = run_zen(workspace, "init", "--path", "there")
    assert done.returncode == 0
    assert f"Created a workspace {workspace / 'there' / '.zen'}" in done.stdout
    assert f"export ZENBOOK_WORKSPACE={workspace / 'there' / '.zen'}" in done.stdout
    assert "Using the workspace" in run_zen(workspace, "init", "--path", "there").stdout
    assert str(workspace / "there") in run_zen(workspace / "there", "status").stdout


def test_a_variable_names_the_workspace(training: Path) -> None:
    elsewhere = training.parent / "elsewhere"
    assert run_zen(training.parent, "run", "train.py:training", ZENBOOK_WORKSPACE=str(elsewhere)).returncode == 0
    assert (elsewhere / ".zen" / "metadata.sqlite").exists()
    assert not (training.parent / ".zen").exists()


@pytest.fixture
def two_stacks(workspace: Path) -> Path:
    (workspace / ".zen").mkdir()
    (workspace / ".zen" / "config.yaml").write_text("stacks:\n  prod: {orchestrator: process}\n")
    return workspace


def test_stacks_are_listed_described_and_switched(two_stacks: Path) -> None:
    assert [(row[""], row["stack"], row["orchestrator"]) for row in cli.invoke(["stack", "list"])] == [
        ("*", "default", "local"), ("", "prod", "process"),
    ]  # fmt: skip
    assert cli.invoke(["stack", "get"]) == "default"
    switched = cli.invoke(["stack", "use", "prod"])
    changed = {row["what"]: (row["before"], row["now"]) for row in switched}
    assert changed["orchestrator"] == ("local", "process")
    assert cli.invoke(["stack", "get"]) == "prod"
    assert counting().record.stack == "prod"
    described = repr(cli.invoke(["stack", "describe"]))
    assert "flavour process" in described
    cli.invoke(["stack", "set", "--stack_name", "default"])
    assert cli.invoke(["stack", "get"]) == "default"


def test_a_variable_overrides_stack_use_with_a_warning(two_stacks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENBOOK_STACK", "default")
    with pytest.raises(ZenbookError, match="chooses 'default' and overrides"):
        cli.invoke(["stack", "use", "prod"])


# --- help -------------------------------------------------------------------------------------------------------------


def verbs(group: Any = cli.zen, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if not command.hidden:
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from verbs(command, (*path, name))


def test_every_verb_of_a_module_is_in_the_tree() -> None:
    modules = {one.stem for one in Path(cli.__file__).parent.glob("*.py")}
    found = {
        verb.name: name
        for name in modules - {"__init__"}
        for verb in getattr(importlib.import_module(f"zenbook.cli.{name}"), "VERBS", ())
    }
    assert dict(cli.zen.modules) == found


def test_looking_back_imports_no_settings() -> None:
    program = "import sys; from zenbook.cli import invoke; invoke(['run', '--help']); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize(("path", "command"), [pytest.param(p, c, id=" ".join(p)) for p, c in verbs()])
def test_every_verb_has_a_help_with_an_example(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke([*path, "--help"]) is None
    said = capsys.readouterr().out
    assert "Usage: zen " in said
    assert f"zen {path[0]}" in said.partition("Usage")[2].partition("\n")[2]


def test_help_and_version_of_the_shell_command(workspace: Path) -> None:
    bare = run_zen(workspace)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert "  zen runs   " in bare.stdout
    assert run_zen(workspace, "--version").stdout == f"zenbook, version {zenbook.__version__}\n"
