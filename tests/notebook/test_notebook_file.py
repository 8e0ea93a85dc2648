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
        (["run", "nothing.ipynb"], "File 'nothing.ipynb' not found"),
        (["run", "broken.ipynb"], "is not a notebook of format 4"),
        (["run", "empty.ipynb"], "No pipeline found in empty.ipynb"),
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


ANALYSED = [
    "%load_ext zenbook\nfrom pathlib import Path\nfrom zenbook import pipeline, step",
    "Path('ran').touch()\nscale = 2\nhome = Path('data')",
    "print('here', Path('ran').touch())\nbig = len([1]) * 1000",
    "try:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None",
    "@step\ndef one(n: int = 1):\n    return n * scale\n\n@step\ndef two(x):\n    return str(home / str(x))",
    "@step\ndef three(x):\n    return x * big",
    "@pipeline\ndef adding(n: int = 1):\n    two(one(n))",
    "@pipeline\ndef reaching(n: int = 1):\n    three(n)",
    "@pipeline\ndef given(n: int = big):\n    three(n)",
    "run = adding(n=1)",
]


def test_of_a_notebook_that_is_analysed_only_definitions_are_executed(tmp_path: Path) -> None:
    write(tmp_path / "book.ipynb", ANALYSED)
    words = ["export", "airflow", "book.ipynb:adding", "--to"]
    done = zen(tmp_path, *words, "static", "--static")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    assert "here" not in done.stdout
    assert "Skipped: `def given(n: int=big):`, because it needs `big`" in done.stderr
    assert zen(tmp_path, *words, "executed").returncode == 0
    assert (tmp_path / "ran").exists()
    static, executed = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("static", "executed")
    )
    assert static == executed


def test_what_only_executing_makes_is_named_when_a_step_reaches_it(tmp_path: Path) -> None:
    write(tmp_path / "book.ipynb", ANALYSED)
    words = ["export", "airflow", "book.ipynb:reaching", "--to", "out"]
    done = zen(tmp_path, *words, "--static")
    assert done.returncode == 1
    assert "Step 'three' uses `big` (cell 6), but a notebook that is only analysed does not create it." in done.stderr
    assert "Export it without --static" in done.stderr
    assert zen(tmp_path, *words).returncode == 0


def test_step_cells_are_exported_without_being_executed(tmp_path: Path) -> None:
    cells = [
        "%load_ext zenbook",
        "C = 2",
        "%%step load\nopen('ran', 'w')\nX = [1, 2]",
        "print(X)",
        "%%step fit\ny = sum(X) * C",
    ]
    write(tmp_path / "cells.ipynb", cells)
    done = zen(tmp_path, "export", "airflow", "cells.ipynb", "--static", "--to", "out")
    assert done.returncode == 0, done.stderr
    assert "load >> fit" in (tmp_path / "out" / "cells.py").read_text()
    assert not (tmp_path / "ran").exists()


def test_a_module_can_not_be_analysed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    assert (
        "Only a notebook can be --static"
        in zen(tmp_path, "export", "script", "train.py", "--static", "--to", "x").stderr
    )
