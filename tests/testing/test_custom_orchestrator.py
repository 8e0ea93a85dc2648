"""The guide to an orchestrator of one's own: its package is built, installed, tested and used as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import run_zen
from zenbook import find_run

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "custom-orchestrator.md").read_text(encoding="utf-8")


def block(language: str, holding: str) -> str:
    """The one fenced block of a language that holds a text."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    (one,) = [text for its, text in found if its == language and holding in text]
    return one


COMPONENT = block("python", "class PrefixedFlavour")
ON_ITS_PATH = "PYTHONPATH"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the page's package is installed, as `pip install .` does."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "zenbook_prefixed.py").write_text(COMPONENT)
    (source / "pyproject.toml").write_text(block("toml", "entry-points"))
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def path_with(folder: Path) -> str:
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get(ON_ITS_PATH)])])


def test_a_pipeline_runs_on_it(workspace: Path, installed: Path) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen" / "config.yaml").write_text(block("yaml", "prefixed"))
    (workspace / "train.py").write_text(block("python", "def niceness"))
    _, *words = block("", "zen run").split()
    done = run_zen(workspace, *words, **{ON_ITS_PATH: path_with(installed)})
    assert done.returncode == 0, done.stdout + done.stderr
    described = run_zen(workspace, "stack", "check", **{ON_ITS_PATH: path_with(installed)})
    assert "each step in a process started by nice -n 5" in described.stdout
    run = find_run(stack="default")
    assert (run.state, run.record.stack, run.record.orchestrator) == ("succeeded", "gentle", "gently")
    assert run.steps["niceness"].outputs["output"].load() == min(os.nice(0) + 5, 19)


def test_it_keeps_its_promises(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "test_prefixed.py").write_text(block("python", "WorkerOrchestratorTests"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_prefixed.py"],
        cwd=tmp_path,
        env={**os.environ, ON_ITS_PATH: path_with(installed)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d\d passed", done.stdout.splitlines()[-1])


def test_a_missing_command_is_named(workspace: Path, installed: Path) -> None:
    (workspace / ".zen").mkdir()
    config = block("yaml", "prefixed").replace("[nice,", "[nicely,")
    (workspace / ".zen" / "config.yaml").write_text(config)
    (workspace / "train.py").write_text(block("python", "def niceness"))
    done = run_zen(workspace, "run", "train.py:training", **{ON_ITS_PATH: path_with(installed)})
    assert done.returncode != 0
    assert "The worker 'nicely' could not be started: No such file or directory." in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    seen = run_zen(workspace, "doctor", **{ON_ITS_PATH: path_with(installed)})
    assert "There is no command 'nicely' here. Install it, or set another prefix." in seen.stdout


def test_the_component_is_as_short_as_promised() -> None:
    lines = [line for line in COMPONENT.splitlines() if line and not line.startswith(("import", "from", '"""'))]
    assert len(lines) <= 30
