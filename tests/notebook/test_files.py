"""``zen run notebook.ipynb``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

CELLS = [
    "%load_ext zenbook",
    "from zenbook import pipeline, step\nimport os",
    "scale = 2\n!echo from the shell",
    "@step\ndef one(n: int = 1):\n    return n * scale\n\n@step\ndef two(x):\n    return x + helper(x)",
    "def helper(x):\n    return x * 10",
    "@pipeline\ndef adding(n: int = 1):\n    two(one(n))",
    "run = adding(n=1)\nraise_if_run = run.metrics",
    "value = raise_if_run['two']",
    "%%bash\nexit 3",
]
STEPS = ["%load_ext zenbook", "C = 2", "%%step load\nX = [1, 2]", "print('plain', X)", "%%step fit\ny = sum(X) * C"]


def write(path: Path, cells: list[str]) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbformat.write(made, path)
    return path


def zen(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "zen"), *words],
        cwd=folder,
        env={**os.environ, "ZENBOOK_WORKSPACE": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_pipeline_of_a_notebook_runs_once_with_its_helpers_below(tmp_path: Path) -> None:
    write(tmp_path / "book.ipynb", CELLS)
    done = zen(tmp_path, "run", "book.ipynb:adding", "--param", "n=3")
    assert done.returncode == 0, done.stderr
    assert "two 66" in done.stdout
    assert zen(tmp_path, "runs").stdout.count("adding") == 1


def test_without_a_name_the_only_pipeline_runs(tmp_path: Path) -> None:
    write(tmp_path / "book.ipynb", CELLS)
    assert "two 22" in zen(tmp_path, "run", "book.ipynb").stdout


def test_step_cells_run_as_one_pipeline_and_share_the_kernel_s_cache(tmp_path: Path) -> None:
    write(tmp_path / "cells.ipynb", STEPS)
    first = zen(tmp_path, "run", "cells.ipynb", "-p", "C=5")
    assert first.returncode == 0, first.stderr
    assert "y 15" in first.stdout
    assert "2 cached" in zen(tmp_path, "run", "cells.ipynb", "-p", "C=5").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "book.ipynb:addding"], "Did you mean 'adding'?"),
        (["run", "nothing.ipynb"], "There is no file 'nothing.ipynb'"),
        (["run", "broken.ipynb"], "is no notebook of format 4"),
        (["run", "empty.ipynb"], "There is no pipeline in empty.ipynb"),
    ],
)
def test_mistakes_are_told_without_a_traceback(tmp_path: Path, words: list[str], says: str) -> None:
    write(tmp_path / "book.ipynb", CELLS)
    write(tmp_path / "empty.ipynb", ["x = 1"])
    (tmp_path / "broken.ipynb").write_text("{}")
    done = zen(tmp_path, *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
