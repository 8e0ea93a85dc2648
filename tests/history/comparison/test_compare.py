"""What a comparison of real runs says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import zenbook
from zenbook import find_run, log_metrics, pipeline, step
from zenbook.errors import RunError
from zenbook.history.comparison.code_differences import Edit
from zenbook.history.comparison.compare import Comparison, compare
from zenbook.history.comparison.output_differences import ArtifactStatus
from zenbook.history.comparison.run_data import RunData, read_run_data
from zenbook.history.comparison.value_distributions import Distance
from zenbook.history.references import find_record

PROJECT = """
import numpy as np
import pandas as pd
from typing import Annotated
from zenbook import log_metrics, pipeline, step

LIMIT = 0.5


def clean(frame):
    return frame[frame.x > LIMIT]


@step
def load(rows: int = 40, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"id": range(rows), "x": rng.random(rows), "kind": ["a", "b"] * (rows // 2)})


@step
def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    return clean(frame)


@step
def fit(frame: pd.DataFrame, c: float = 1.0):
    from sklearn.linear_model import LogisticRegression

    for epoch in range(3):
        log_metrics(loss=c / (epoch + 1), step=epoch)
    return LogisticRegression(C=c).fit(frame[["x"]], frame.kind)


@step
def report(model, frame: pd.DataFrame) -> tuple[Annotated[str, "words"], Annotated[float, "score"]]:
    kept = clean(frame)
    return f"rows\\n{len(kept)}\\nend", len(kept) / 100


@pipeline
def training(rows: int = 40, seed: int = 0, c: float = 1.0):
    frame = tidy(load(rows, seed))
    report(fit(frame, c), frame)
"""


@pytest.fixture
def pair(project: Callable[..., ModuleType]) -> Comparison:
    first = project().training()
    edited = project(
        ("LIMIT = 0.5", "LIMIT = 0.6"), ("return frame[frame.x > LIMIT]", "return frame[frame.x >= LIMIT]")
    )
    return first.diff(edited.training(rows=80, c=0.1))


def test_parameters_and_metrics_that_differ(pair: Comparison) -> None:
    first, second = pair.runs
    assert pair.params == {"c": {first: 1.0, second: 0.1}, "rows": {first: 40, second: 80}}
    score = pair.metrics["score"]
    assert score.change[second] == pytest.approx(score.values[second] - score.values[first])
    assert score.relative[second] == pytest.approx(score.change[second] / score.values[first])
    assert pair.metrics["loss"].values == {first: pytest.approx(1 / 3), second: pytest.approx(0.1 / 3)}


def test_edited_helpers_are_shown_once_with_the_steps_that_reach_them(pair: Comparison) -> None:
    found = {part.change.name.rpartition(".")[2]: part for part in pair.code}
    assert found.keys() == {"LIMIT", "clean"}
    assert found["clean"].steps == ("tidy", "report")
    assert found["clean"].change.edit is Edit.EDITED
    assert "-    return frame[frame.x > LIMIT]\n+    return frame[frame.x >= LIMIT]" in found["clean"].change.diff


def test_frames_are_compared_by_their_key(pair: Comparison) -> None:
    changes = {change.name: change for change in pair.artifacts}
    frame = changes["load.output"].frame
    assert frame is not None
    assert frame.rows == (40, 80)
    assert (frame.row_changes.key, frame.row_changes.added, frame.row_changes.removed) == ("id", 40, 0)
    assert frame.columns["x"].kind is Distance.KOLMOGOROV_SMIRNOV
    assert "kind" in frame.columns


def test_models_are_compared_by_their_parameters_and_texts_by_their_lines(pair: Comparison) -> None:
    changes = {change.name: change for change in pair.artifacts}
    assert changes["fit.output"].values == {"C": ("1.0", "0.1")}
    assert changes["report.words"].diff.startswith(" rows\n-")
    old, new = changes["report.score"].values[""]
    assert float(new or 0) - float(old or 0) == pytest.approx(pair.metrics["score"].change[pair.runs[1]])


def test_it_shows_itself_as_text_and_html(pair: Comparison) -> None:
    text, html = repr(pair), pair._repr_html_()
    for words in ("Parameters (1 more is the same)", "Metrics", "Code", "Outputs", "LIMIT` changed from 0.5 to 0.6"):
        assert words in text
    assert "seed" not in text
    assert ">clean</code>" in html or ".clean</code>" in html
    assert "<script" not in html
    assert "http" not in html


def test_all_shows_what_is_the_same_too(pair: Comparison) -> None:
    whole = compare(pair.run_data, all=True)
    assert whole.params["seed"] == dict.fromkeys(whole.runs, 0)
    assert whole.environment["python"]
    assert whole.steps.keys() == {"load", "tidy", "fit", "report"}
    assert "package numpy" in whole.environment


def test_long_sections_are_folded(pair: Comparison) -> None:
    html = compare(pair.run_data, all=True)._repr_html_()
    assert len(pair.run_data[0].environment["packages"]) > 24
    assert "<details><summary>" in html
    assert "<details><summary>" not in pair._repr_html_()


def test_it_is_plain_data_for_programs(pair: Comparison) -> None:
    data = json.loads(json.dumps(pair.to_dict(), default=str))
    assert data["runs"] == list(pair.runs)
    assert data["params"]["rows"] == {pair.runs[0]: 40, pair.runs[1]: 80}
    assert any("+LIMIT = 0.6" in item["diff"] for item in data["code"])
    frame = pair.df()
    assert list(frame["run"]) == list(pair.runs)
    assert list(frame["rows"]) == [40, 80]


def test_a_run_does_not_differ_from_itself(project: Callable[..., ModuleType]) -> None:
    run = project().training()
    found = run.diff(run)
    assert not found.differs
    assert "Nothing differs" in repr(found)
    assert "Nothing differs" in found._repr_html_()
    assert not run.diff(run, all=True).differs


def test_a_comment_makes_no_difference(project: Callable[..., ModuleType]) -> None:
    first = project().training()
    second = project(("def clean(frame):", "def clean(frame):\n    # drop small ones")).training()
    found = first.diff(second)
    assert not found.code
    assert not found.artifacts
    assert found.steps["tidy"].states[second.id] == "cached"


def test_several_runs_are_compared_with_the_first(project: Callable[..., ModuleType]) -> None:
    training = project().training
    runs = [training(), training(c=0.5), training(rows=44)]
    found = runs[0].diff(*runs[1:])
    assert found.params == {
        "c": {runs[0].id: 1.0, runs[1].id: 0.5, runs[2].id: 1.0},
        "rows": {runs[0].id: 40, runs[1].id: 40, runs[2].id: 44},
    }
    assert {change.run for change in found.artifacts} == {runs[1].id, runs[2].id}
    assert [change.name for change in found.artifacts if change.run == runs[1].id] == ["fit.output"]
    assert "0.5*" in repr(found)
    assert f"(run {found.run_data[2].label})" in found._repr_html_()


def test_many_runs_are_rows_of_a_table_below_a_picture(project: Callable[..., ModuleType]) -> None:
    training = project().training
    for c in range(1, 11):
        training(c=float(c))
    found = zenbook.runs(limit=10).compare()
    assert "10 runs differ in 1 parameters and 1 metrics" in repr(found)
    assert "data:image/svg+xml" in found._repr_html_()
    assert list(found.df()["c"]) == [float(number) for number in range(1, 11)]


def test_metrics_are_judged_by_their_goals(project: Callable[..., ModuleType]) -> None:
    training = project().training
    first, second = training(), training(c=0.5)
    assert zenbook.metric_goal("loss", "lower") == {"loss": "lower"}
    found = first.diff(second)
    assert found.metrics["loss"].verdict(second.id) == "better"
    assert found.metrics["loss"].best == second.id
    assert "better" in repr(found)
    assert zenbook.better(loss="higher", score="higher") == {"loss": "higher", "score": "higher"}
    assert first.diff(second).metrics["loss"].verdict(second.id) == "worse"


def test_an_unknown_goal_is_refused(workspace: Path) -> None:
    with pytest.raises(zenbook.ZenbookError) as raised:
        zenbook.metric_goal("loss", "lowr")
    assert "Did you mean 'lower'?" in raised.value.hint


@step
def make(kind: str, n: int) -> Any:
    import matplotlib.figure

    frame = pd.DataFrame({"k": [1, 2, 3], "x": [1.0, 2.0, float(n)]})
    match kind:
        case "pandas":
            return frame
        case "polars":
            return pl.from_pandas(frame)
        case "arrow":
            return pa.Table.from_pandas(frame)
        case "series":
            return frame.x
        case "objects":
            return pd.DataFrame({"k": [1, 2, 3], "o": [(1,), (2,), (n,)]})
        case "array":
            return np.array([1, 2, n])
        case "numpy scalar":
            return np.float32(n)
        case "nested":
            return {"a": [1, {"b": n}], "c": {1, 2, n}}
        case "text":
            return f"one line {n}"
        case "figure":
            figure = matplotlib.figure.Figure(figsize=(2, 2))
            figure.add_subplot().plot([1, n])
            return figure
        case "pipeline":
            from sklearn.linear_model import Ridge
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            return make_pipeline(StandardScaler(), Ridge(alpha=n))
        case "index":
            return frame.set_axis(["a", "b", f"c{n}"]).assign(x=0)
        case "attributes":
            same = frame.assign(x=0)
            same.attrs = {"n": n}
            return same
        case "lines":
            return "\n".join(map(str, [*range(5000), n, *range(5000)]))
        case "bytes":
            return bytes([n])
    raise AssertionError(kind)


@pipeline
def making(kind: str, n: int) -> None:
    make(kind, n)


def changed(kind: str, other: str | None = None) -> Any:
    first, second = making(kind, 3), making(other or kind, 5)
    found = [change for change in first.diff(second).artifacts if change.status is ArtifactStatus.CHANGED]
    assert len(found) == 1
    assert found[0].name in repr(first.diff(second))
    assert found[0].name in first.diff(second)._repr_html_()
    return found[0]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_a_changed_cell_of_a_frame(workspace: Path, kind: str) -> None:
    frame = changed(kind).frame
    assert frame.row_changes.cells == {"x": 1}
    assert frame.columns.keys() == {"x"}


def test_frames_of_two_libraries_are_compared_by_content(workspace: Path) -> None:
    frame = changed("pandas", "polars").frame
    assert frame.rows == (3, 3)
    assert frame.row_changes.changed == 1


def test_a_series_and_a_frame_of_objects(workspace: Path) -> None:
    assert changed("series").frame.columns.keys() == {"value"} or changed("series").frame.columns.keys() == {"x"}
    assert changed("objects").frame.row_changes.cells == {"o": 1}


def test_arrays_scalars_nested_data_and_texts(workspace: Path) -> None:
    assert changed("array").array.largest == 2
    assert changed("numpy scalar").values == {"": ("3.0", "5.0")}
    assert changed("nested").values == {"a[1].b": ("3", "5"), "c": ("['1', '2', '3']", "['1', '2', '5']")}
    assert changed("text").values == {"": ("one line 3", "one line 5")}


def test_figures_are_shown_side_by_side(workspace: Path) -> None:
    found = changed("figure")
    assert len(found.pictures) == 2
    html = find_run().diff(zenbook.runs(limit=2)[1])._repr_html_()
    assert html.count("data:image/png;base64,") == 2


def test_models_within_models_are_compared_by_their_own_parameters(workspace: Path) -> None:
    assert changed("pipeline").values == {"ridge__alpha": ("3", "5")}


def test_other_objects_are_compared_by_sizes_and_types(workspace: Path) -> None:
    found = changed("bytes", "array")
    assert found.types == ("bytes", "numpy.ndarray")
    assert found.note == "it is of another type"


def test_a_frame_that_differs_only_in_its_index_or_attributes(workspace: Path) -> None:
    rows = changed("index").frame.row_changes
    assert (rows.added, rows.removed) == (1, 1)
    assert changed("attributes").note.startswith("its values are the same")


def test_long_texts_are_compared_from_the_first_line_that_differs(workspace: Path) -> None:
    found = changed("lines")
    assert "-3\n+5" in found.diff
    assert found.note == "compared in 2,000 of 5,003 lines"


@step
def make_two(n: int) -> tuple[Annotated[Any, "a"], Annotated[Any, "b"]]:
    shared = [1, 2, 3]
    return {"list": shared, "n": 1}, {"list": shared, "n": n}


@pipeline
def making_two(n: int) -> None:
    make_two(n)


def test_outputs_stored_together_show_which_of_them_is_the_same(workspace: Path) -> None:
    first, second = making_two(1), making_two(2)
    found = {change.output: change for change in first.diff(second).artifacts}
    assert found["b"].values == {"n": ("1", "2")}
    if "a" in found:
        assert found["a"].note == "the same; what is stored together with it is not"


def test_a_missing_artifact_is_reported(workspace: Path) -> None:
    first, second = making("array", 3), making("array", 5)
    Path(second.steps["make"].outputs["output"].uri).unlink()
    found = first.diff(second)
    assert "artifact" in found.artifacts[0].note.lower()
    assert found.artifacts[0].note in repr(found)


@pipeline
def longer(kind: str, n: int) -> None:
    make.options(name="changes")(kind, n)
    make(kind, n + 1)


def test_runs_of_different_pipelines(workspace: Path) -> None:
    first, second = making("array", 3), longer("array", 3)
    found = first.diff(second)
    statuses = {change.name: change.status for change in found.artifacts}
    assert statuses == {"make.output": ArtifactStatus.CHANGED, "changes.output": ArtifactStatus.NEW}
    assert found.steps["changes"].states.keys() == {second.id}
    assert "only in" in repr(found)


def test_runs_of_different_stacks(workspace: Path, tmp_path: Path) -> None:
    from zenbook.stack.stack import Stack
    from zenbook.stack.workspace import Workspace

    here = making("pandas", 3)
    elsewhere = Stack().open(Workspace(tmp_path / "elsewhere" / ".zen").ensure())
    plan = making.plan("pandas", 5)
    from zenbook.engine.launcher import launch
    from zenbook.history.run import Run

    there = Run(launch(plan, elsewhere), elsewhere)
    found = here.diff(there)
    assert found.params == {"n": {here.id: 3, there.id: 5}}
    assert found.artifacts[0].frame.row_changes.cells == {"x": 1}
    with pytest.raises(RunError):
        find_run(there.id)


def test_a_failed_run_is_compared_as_far_as_it_came(workspace: Path) -> None:
    first = making("array", 3)
    with pytest.raises(AssertionError):
        making("nonsense", 3)
    found = first.diff(find_run("latest"))
    assert found.steps["make"].states[found.runs[1]] == "failed"
    assert [change.status for change in found.artifacts] == [ArtifactStatus.GONE]


@step
def name_it(name: str) -> str:
    return name


@pipeline
def naming(name: str) -> None:
    name_it(name)


def test_what_users_write_does_not_become_html_or_control_a_terminal(workspace: Path) -> None:
    found = naming("plain").diff(naming("<script>alert(1)</script>\x1b[31m\nünï 🦉"))
    assert "<script" not in found._repr_html_()
    assert "\x1b" not in repr(found)
    assert "ünï 🦉" in repr(found)


def data_of(runs: list[zenbook.Run]) -> list[RunData]:
    return read_run_data([(run.record, run._stack) for run in runs])


def test_a_comparison_needs_two_runs(workspace: Path) -> None:
    run = making("array", 3)
    with pytest.raises(RunError, match="needs two runs"):
        compare(data_of([run]))
    with pytest.raises(RunError, match="No run matches"):
        run.diff("no such run")


def test_a_run_can_be_named_with_its_stack(workspace: Path) -> None:
    run = making("array", 3)
    assert compare(read_run_data([find_record(f"{run.id}@default"), find_record("latest")])).runs == (run.id, run.id)


@step
def learn(lr: float, tries: int) -> float:
    for epoch in range(3):
        log_metrics(loss=1 / (epoch + 1) / lr, step=epoch)
    return tries * lr


@pipeline
def learning(lr: float = 0.1, tries: int = 1):
    learn(lr, tries)


def test_a_comparison_shows_the_pictures_that_have_something_to_show(workspace: Path) -> None:
    runs = [learning(lr=lr, tries=2) for lr in (0.1, 0.2, 0.3, 0.4)]
    alts = re.compile(r'<img src="data:image/svg[^>]*alt="([^"]*)"')
    assert alts.findall(compare(data_of(runs[:2]))._repr_html_()) == ["loss over steps"]
    assert alts.findall(compare(data_of(runs))._repr_html_()) == [
        "4 runs, coloured by learn", "learn against lr", "loss over steps",
    ]  # fmt: skip
    assert alts.findall(compare(data_of([runs[0], runs[0]]))._repr_html_()) == []


def test_with_many_runs_each_edit_is_shown_once_with_its_runs(project: Callable[..., ModuleType]) -> None:
    runs = [project().training(c=number / 10) for number in range(1, 4)]
    edited = project(("LIMIT = 0.5", "LIMIT = 0.6"))
    runs += [edited.training(c=number / 10) for number in range(1, 8)]
    for shown in (repr(compare(data_of(runs))), compare(data_of(runs))._repr_html_()):
        assert shown.count("0.5 → 0.6") + shown.count("changed from") == 1
        assert "and 1 more" in shown
