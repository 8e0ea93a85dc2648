"""What earlier releases stored still opens: each archive here is a ``.zen`` folder that `make_workspace` made with one."""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import zenbook
from zenbook.cli import invoke
from zenbook.history.run import Run

FOLDER = Path(__file__).parent
ARCHIVES = sorted(FOLDER.glob("workspace-*.tar.xz"))
FLOW_STEPS = ["load", "numbers", "functions", "picture", "point", "score"]


@pytest.fixture(params=ARCHIVES, ids=[archive.name for archive in ARCHIVES])
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked workspace, as the current folder."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "workspace"
    monkeypatch.chdir(folder)
    return folder


def _runs(pipeline: str) -> list[Run]:
    """The runs of a pipeline, the oldest first."""
    ids = zenbook.sql("select id from runs where pipeline = ? order by id", [pipeline]).df()["id"]
    return [zenbook.find_run(run_id) for run_id in ids]


def _output(run: Run, step: str, name: str = "output") -> object:
    return run.steps[step].outputs[name].load()


def check_outputs() -> None:
    """Load every output of every run, and compare its value."""
    first, second = _runs("training")
    for run, score in ((first, 28.59692092821011), (second, 14.298460464105055)):
        frame = _output(run, "load")
        assert list(frame["a"]) == list(range(20))
        assert list(frame["b"]) == [f"row {i}" for i in range(20)]
        assert np.array_equal(_output(run, "numbers"), np.sqrt(np.arange(20.0)))
        point = _output(run, "point")
        assert (point.x, point.y) == (20, 57.19384185642022)
        functions = _output(run, "functions")
        assert functions["double"](21) == 42
        assert [(each.x, each.y) for each in functions["points"]] == [(1, 2.0), (3, 4.0)]
        assert type(functions["points"][0]) is type(functions["points"][1])
        figure = _output(run, "picture")
        assert figure.axes[0].get_title() == "roots"
        assert np.array_equal(figure.axes[0].lines[0].get_ydata(), np.sqrt(np.arange(20.0)))
        assert figure.canvas.get_width_height() == (640, 480)
        assert _output(run, "score") == score

    (cells,) = _runs("notebook")
    assert list(_output(cells, "data", "frame")["n"]) == [0, 1, 2, 3, 4]
    assert _output(cells, "data", "size") == 5
    assert _output(cells, "shape", "box").width == 5
    boxes = _output(cells, "draw", "boxes")
    assert boxes[0] is boxes[1]
    assert (type(boxes[0]).__name__, boxes[0].width) == ("Box", 5)
    assert _output(cells, "draw", "number") == 0.23796462709189137


def test_every_output_has_its_value(stored: Path) -> None:
    check_outputs()


def test_every_output_has_its_value_in_a_new_process(stored: Path) -> None:
    code = "from tests.stored.test_stored_workspaces import check_outputs; check_outputs()"
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_runs_say_what_they_said(stored: Path) -> None:
    first, second = _runs("training")
    assert (first.params, second.params) == ({"rows": 20, "factor": 0.5}, {"rows": 20, "factor": 0.25})
    assert first.metrics == {"size": 20.0, "score": 28.59692092821011}
    assert [str(first.steps[step].state) for step in FLOW_STEPS] == ["succeeded"] * 6
    assert [str(second.steps[step].state) for step in FLOW_STEPS] == ["cached"] * 5 + ["succeeded"]
    assert "numbers of 20 rows" in first.logs
    (failed,) = _runs("failing")
    assert (str(failed.state), str(failed.steps["breaks"].state)) == ("failed", "failed")
    assert "more than 3" in failed.error
    assert first.environment["packages"]["zenbook"] == "0.1.0"
    assert "def double(value)" in str(first.plan.capsules)


def test_the_cache_is_explained(stored: Path) -> None:
    first, second = _runs("training")
    explanation = repr(invoke(["why", second.id]))
    assert f"unchanged since run {first.id}" in explanation
    assert "factor" in explanation


def test_runs_are_queried_and_compared(stored: Path) -> None:
    rows = zenbook.sql("select pipeline, count(*) as n from runs group by pipeline order by pipeline").df()
    assert dict(zip(rows["pipeline"], rows["n"], strict=True)) == {"failing": 1, "notebook": 1, "training": 2}
    metrics = zenbook.sql("select value from metrics where name = 'score' order by value").df()["value"]
    assert list(metrics) == [14.298460464105055, 28.59692092821011]
    first, second = _runs("training")
    assert "factor" in repr(first.diff(second))
    frame = zenbook.sql(f"select * from artifact('{first.id}', 'load', 'output') order by a desc").df()
    assert next(iter(frame["b"])) == "row 19"


def test_unchanged_steps_are_served_from_the_cache(stored: Path) -> None:
    (first, second), recorded = _runs("training"), _runs("training")[0].environment
    changed = [name for name in ("numpy", "pandas", "matplotlib") if recorded["packages"][name] != version(name)]
    if changed or not sys.version.startswith(recorded["python"].rpartition(".")[0] + "."):
        pytest.skip(f"not on this machine's kind: stored with another version of {', '.join(changed) or 'Python'}")
    subprocess.run([sys.executable, "flow.py"], check=True, capture_output=True)
    again = _runs("training")[2:]
    assert [[str(run.steps[step].state) for step in FLOW_STEPS] for run in again] == [["cached"] * 6] * 2
    assert [_output(run, "score") for run in again] == [_output(run, "score") for run in (first, second)]


def test_a_stored_run_is_resumed(stored: Path) -> None:
    (failed,) = _runs("failing")
    with pytest.raises(ValueError, match="more than 3"):
        failed.resume()
    assert [str(run.state) for run in _runs("failing")] == ["failed", "failed"]
