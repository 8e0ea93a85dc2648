"""`zen export script`: one plain file that runs where there is no zenbook, and whose outputs equal those of the run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.scripts import run_zen
from zenbook import find_run
from zenbook.cli import invoke
from zenbook.engine.artifact_io import store_value
from zenbook.errors import ZenbookError
from zenbook.stack.stack import open_stack

TRAIN = '''
from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from zenbook import log_metrics as note, pipeline, step

LIMIT = 3
UNUSED = object()


class Model:
    def __init__(self, weights: list):
        self.weights = weights


def scaled(values, by=2.0):
    return [one * by for one in values]


@step
def load(rows: int, start: datetime.date, home: Path) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(rows) + start.year, "home": home.name})


@step
def split(frame: pd.DataFrame) -> tuple[Annotated[pd.DataFrame, "low"], Annotated[pd.DataFrame, "high"]]:
    frame["x"] = frame["x"] + 1  # what a step does to its input no other step sees
    return frame.head(LIMIT), frame.iloc[LIMIT:]


@step
async def count(*frames, exact: decimal.Decimal = decimal.Decimal("0.1"), **named) -> dict:
    note(rows=sum(len(one) for one in frames))
    return {"n": [len(one) for one in frames], "named": sorted(named), "exact": str(exact), "first": frames[-1].x.iloc[0]}


@step
def weigh(counts: dict, options: dict, pair: tuple) -> list:
    return scaled(counts["n"], options["by"]) + [counts["first"], *pair]


@pipeline
def training(rows: int = 5, by: float = 1.5, start: datetime.date = datetime.date(2020, 1, 2)):
    """Train "it".

    With a backslash \\\\ too.
    """
    frame = load(rows, start, Path("data"))
    low, high = split(frame)
    counts = count(low, high, frame, left=low)
    weigh(counts, {"by": by, "what": {1, 2}}, ("a", 1.0))
'''
CELLS = [
    "%load_ext zenbook",
    "alpha = 0.5\nrows = 12",
    "def scale(a):\n    return a / OFFSET\n\nOFFSET = 2.0",
    "%%step data\nimport numpy as np\n\nnp.random.seed(3)\nX = np.random.rand(rows, 2)\ny = X.sum(axis=1)",
    "%%step fit\nweights = np.linalg.lstsq(scale(X), y, rcond=None)[0] * alpha\nnoise = np.random.rand()",
    "%%step change\nX[0] = 0\nweights += noise\nweights",
    "%%step score\nscore = float((X @ weights).sum())",
]


@pytest.fixture
def project(workspace: Path) -> Iterator[Path]:
    (workspace / "train.py").write_text(TRAIN)
    (workspace / "data").write_text("1")
    yield workspace
    sys.modules.pop("train", None)


def run_alone(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process that can't import zenbook."""
    blocked = "import sys; sys.modules['zenbook'] = None; sys.argv = sys.argv[1:]\nimport runpy\n"
    code = f"{blocked}runpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code, str(file), *words], capture_output=True, text=True, check=False)


def made_by(file: Path, **params: Any) -> Any:
    space: dict[str, Any] = {"__name__": "alone", "__file__": str(file)}
    exec(compile(file.read_text(), str(file), "exec", dont_inherit=True), space)
    return space["main"](**params) if "main" in space else space


def digest(value: Any) -> str:
    return store_value(open_stack().artifacts, value).digest


def test_a_pipelines_script_gives_what_the_run_gave(project: Path) -> None:
    invoke(["run", "train.py:training"])
    invoke(["export", "script", "train.py:training", "--to", "out"])
    found = made_by(project / "out" / "training.py")
    run = find_run()
    assert {(step, name) for step, outputs in found.items() for name in outputs} == {
        (one.step, one.name) for one in open_stack().metadata.outputs([run.id])
    }
    for one in open_stack().metadata.outputs([run.id]):
        assert digest(found[one.step][one.name]) == one.digest, (one.step, one.name)
    changed = made_by(project / "out" / "training.py", rows=7, by=2.0)
    assert changed["weigh"]["output"][:3] == [6.0, 8.0, 14.0]


def test_a_script_needs_no_zenbook_and_takes_parameters(project: Path) -> None:
    invoke(["export", "script", "train.py:training", "--to", "out"])
    done = run_alone(project / "out" / "training.py", "--rows", "4", "--by", "2")
    assert done.returncode == 0, done.stderr
    assert "rows = 8\n" in done.stdout
    assert "weigh.output: [6.0, 2.0, 8.0," in done.stdout
    text = (project / "out" / "training.py").read_text()
    assert "UNUSED" not in text
    assert "zenbook" not in text.partition('"""\n')[2]


WORDS = """
import datetime
from pathlib import Path
from zenbook import pipeline, step

@step
def show(*values) -> str:
    return repr(values)

@pipeline
def words(
    n: int = 1, lr: float = 0.5, deep: bool = False, name: str = 'a "b"', where: Path = Path("data"),
    day: datetime.date = datetime.date(2020, 1, 2), several: tuple = (1, "x"), nothing=None,
):
    show(n, lr, deep, name, where, day, several, nothing)
"""


def test_every_parameter_that_can_be_written_as_a_word_is_an_option(project: Path) -> None:
    (project / "words.py").write_text(WORDS)
    invoke(["export", "script", "words.py:words", "--to", "out"])
    sys.modules.pop("words")
    options = ["--n", "2", "--lr", "1", "--deep", "--name", "$(x)", "--where", "/tmp", "--day", "2021-02-03"]
    done = run_alone(project / "out" / "words.py", *options, "--several", "(2, 'y')", "--nothing", "[3]")
    assert done.returncode == 0, done.stderr
    shown = "(2, 1.0, True, '$(x)', PosixPath('/tmp'), datetime.date(2021, 2, 3), (2, 'y'), [3])"
    assert done.stdout == f"show.output: {shown!r:.200}\n"


MODULES = {
    "tools.py": "import math\nfrom parts.base import Part\n\nunused = object()\n\ndef area(r):\n    return Part(math.pi * r * r).size\n",
    "parts/__init__.py": "",
    "parts/base.py": 'from .names import NAME\n\nclass Part:\n    """A \\\\ part."""\n\n    def __init__(self, size):\n        self.size, self.name = size, NAME\n',
    "parts/names.py": "NAME = 'part'\n",
}
USING = """
import tools
from parts.base import Part
from zenbook import pipeline, step

@step
def one(r: float) -> float:
    return tools.area(r)

@step
def two(area: float) -> dict:
    return {"name": Part(area).name, "size": area}

@pipeline
def using(r: float = 2.0):
    two(one(r))
"""
USING_CELLS = [
    "import tools\nr = 2.0",
    "%%step one\na = tools.area(r)",
    "%%step two\nfrom parts.base import Part\nname = Part(a).name",
]


@pytest.mark.parametrize("target", ["using.py:using", "cells.ipynb"])
def test_modules_of_the_project_go_with_the_script(workspace: Path, target: str, tmp_path_factory: Any) -> None:
    for name, text in MODULES.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)
    (workspace / "using.py").write_text(USING)
    cells = [nbformat.v4.new_code_cell(one) for one in USING_CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), workspace / "cells.ipynb")
    out = tmp_path_factory.mktemp("elsewhere")
    for words in (["run", target], ["export", "script", target, "--to", str(out)]):
        done = run_zen(workspace, *words)
        assert done.returncode == 0, done.stderr
    (file,) = out.iterdir()
    assert "unused" not in file.read_text()
    shown = f"{file.read_text()}\nprint(main()['two'] if 'main' in globals() else (a, name))"
    file.write_text(shown)
    alone = run_alone(file)
    assert alone.returncode == 0, alone.stderr
    values = [one.load() for step in find_run().steps.values() for one in step.outputs.values()]
    assert "12.566370614359172" in alone.stdout
    assert "part" in alone.stdout
    assert 12.566370614359172 in values


def test_a_notebooks_script_gives_what_the_cells_gave(workspace: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in CELLS])
    nbformat.write(notebook, workspace / "nb.ipynb")
    zen = [sys.executable, "-c", "from zenbook.cli import main; main()"]
    for words in (["run", "nb.ipynb"], ["export", "script", "nb.ipynb", "--to", "out"]):
        done = subprocess.run([*zen, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert run_alone(workspace / "out" / "nb.py", "--rows", "5").returncode == 0
    assert "unrecognized" in run_alone(workspace / "out" / "nb.py", "--rosw", "5").stderr
    space = made_by(workspace / "out" / "nb.py")
    run = find_run()
    values = run_values(run)
    assert {"X", "y", "weights", "noise", "score"} <= values.keys()
    for name, one in values.items():
        assert digest(space[name]) == digest(one), name


def run_values(run: Any) -> dict[str, Any]:
    """The latest version of each name."""
    return {name: kept.load() for step in run.steps.values() for name, kept in step.outputs.items()}


def test_exporting_twice_gives_the_same_bytes_and_check_shows_what_differs(project: Path) -> None:
    invoke(["export", "script", "train.py:training", "--to", "out"])
    before = (project / "out" / "training.py").read_bytes()
    sys.modules.pop("train")
    assert "up to date" in repr(invoke(["export", "script", "train.py:training", "--to", "out", "--check"]))
    (project / "train.py").write_text(TRAIN.replace("LIMIT = 3", "LIMIT = 2"))
    sys.modules.pop("train")
    with pytest.raises(ZenbookError, match=r"training.py would change") as raised:
        invoke(["export", "script", "train.py:training", "--to", "out", "--check"])
    assert "-LIMIT = 3\n+LIMIT = 2" in raised.value.hint
    assert (project / "out" / "training.py").read_bytes() == before


def test_a_run_is_exported_as_it_was(project: Path) -> None:
    run = invoke(["run", "train.py:training"])
    (project / "train.py").write_text(TRAIN.replace("LIMIT = 3", "LIMIT = 2"))
    invoke(["export", "script", run.id, "--to", "out"])
    assert "LIMIT = 3" in (project / "out" / "training.py").read_text()
    with pytest.raises(ZenbookError, match="exported as it was"):
        invoke(["export", "script", run.id, "--to", "out", "--param", "rows=9"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("training(rows", "training(frame=pd.DataFrame(), rows"), None),
        (("note(rows=", "import zenbook; zenbook.runs(); note(rows="), "uses `zenbook` from zenbook"),
    ],
)
def test_what_a_script_cannot_do_is_refused(project: Path, change: tuple[str, str], message: str | None) -> None:
    text = TRAIN.replace(*change)
    if message is None:
        text = text.replace("low, high = split(frame)", "low, high = split(pd.DataFrame({'x': [1]}))")
        message = "Objects are passed to the pipeline"
    (project / "train.py").write_text(text)
    with pytest.raises(ZenbookError, match=message):
        invoke(["export", "script", "train.py:training", "--to", "out"])
