"""Make the archive of a workspace, to be opened by every later release: ``python -m tests.stored.make_workspace VERSION``.

Run it once with a release, and keep the archive as it is. Each archive holds the ``.zen`` folder that the two programs
below leave, and the programs themselves.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.notebook.kernels import kernel

FOLDER = Path(__file__).parent

FLOW = """
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd

from zenbook import log_metrics, pipeline, step

matplotlib.use("agg")


@dataclass
class Point:
    x: int
    y: float


def double(value):
    return 2 * value


@step
def load(rows: int = 20) -> pd.DataFrame:
    return pd.DataFrame({"a": range(rows), "b": [f"row {i}" for i in range(rows)]})


@step
def numbers(df):
    print("numbers of", len(df), "rows")
    return np.sqrt(df["a"].to_numpy(dtype="float64"))


@step
def point(values) -> Point:
    return Point(int(values.size), float(values.sum()))


@step
def functions():
    return {"double": double, "points": [Point(1, 2.0), Point(3, 4.0)]}


@step
def picture(values):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot(values)
    axes.set_title("roots")
    return figure


@step
def score(p: Point, factor: float = 0.5) -> float:
    log_metrics(size=p.x)
    return p.y * factor


@pipeline
def training(rows: int = 20, factor: float = 0.5):
    values = numbers(load(rows))
    functions()
    picture(values)
    return score(point(values), factor)


@step
def breaks(limit: int = 3):
    raise ValueError(f"more than {limit}")


@pipeline
def failing(limit: int = 3):
    return breaks(limit)


if __name__ == "__main__":
    training()
    training(factor=0.25)
    try:
        failing()
    except ValueError:
        pass
"""

CELLS = (
    "%load_ext zenbook",
    "%%step data\nimport pandas as pd\nsize = 5\nframe = pd.DataFrame({'n': range(size)})",
    "%%step shape\nclass Box:\n    def __init__(self, width):\n        self.width = width\nbox = Box(len(frame))",
    "%%step draw\nimport random\nrandom.seed(3)\nnumber = random.random()\nboxes = [box, box]",
)


def make(version: str) -> Path:
    """Run the two programs in an empty folder, and pack what they leave.

    Args:
        version: The name of the archive, as "0.1.0".

    Returns:
        The path of the archive.
    """
    archive = FOLDER / f"workspace-{version}.tar.xz"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flow.py").write_text(FLOW, encoding="utf-8")
        subprocess.run([sys.executable, "flow.py"], cwd=folder, check=True)
        with kernel(folder) as running:
            for cell in CELLS:
                running.run(cell)
        with tarfile.open(archive, "w:xz") as packed:
            packed.add(folder, arcname="workspace", filter=_without_mirror)
    return archive


def _without_mirror(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is made again by itself, and who made the archive."""
    if any(part in {"mirror", "__pycache__", ".ipynb_checkpoints", "locks"} for part in Path(member.name).parts):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(sys.argv[1])
