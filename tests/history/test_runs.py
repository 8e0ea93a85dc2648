"""Runs, their steps and outputs, lists of runs, and how to find a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest

import zenbook
from zenbook import find_run, log_metrics, pipeline, step
from zenbook.core.states import RunState
from zenbook.engine.run_ids import new_run_id
from zenbook.errors import RunError, WiringError, ZenbookError
from zenbook.stack.records import RunRecord
from zenbook.stack.stack import open_stack


@step
def load(rows: int = 3, source: Path | None = None) -> pd.DataFrame:
    print("loading", rows)
    return pd.DataFrame({"x": range(rows), "y": [1.5] * rows})


@step
def split(frame: pd.DataFrame) -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "test"]]:
    return frame.head(2), frame.tail(1)


@step
def score(train: pd.DataFrame, test: pd.DataFrame) -> Annotated[float, "accuracy"]:
    for epoch in range(3):
        log_metrics(loss=1 / (epoch + 1), step=epoch)
    log_metrics({"n": np.int64(len(train))}, ok=True)
    return np.float32(0.75)


@pipeline
def training(rows: int = 3, label: str = "a") -> None:
    """Train on a few rows."""
    score(*split(load(rows)))


@step
def total(parts: list[int], by_name: dict[str, Any]) -> int:
    return sum(parts) + sum(by_name.values())


@step
def number(n: int) -> int:
    return n


@pipeline
def gathering() -> None:
    numbers = [number(n) for n in range(3)]
    total(numbers, {"a": numbers[2], "b": 10})


@pipeline
def given(frame: Any, rows: int = 1) -> None:
    split(frame)


@step
def keep(thing):
    return 1


@pipeline
def keeping(thing: Any) -> None:
    keep(thing)


@pytest.fixture
def run(workspace: Path) -> Iterator[zenbook.Run]:
    return training(rows=4)


def test_a_run_shows_its_state_parameters_and_metrics(run: zenbook.Run) -> None:
    assert run.pipeline == "training"
    assert run.params == {"rows": 4, "label": "a"}
    assert run.metrics == {"loss": pytest.approx(1 / 3), "n": 2, "ok": 1, "accuracy": 0.75}
    assert run.logs == "loading 4\n"
    assert run.plan.doc == "Train on a few rows."
    assert run.started_at is not None
    assert run.started_at.tzinfo is not None
    assert run.error == ""


def test_a_step_run_shows_its_state_inputs_and_outputs(run: zenbook.Run) -> None:
    step_run = run.steps["score"]
    assert step_run.inputs == {"train": "split.train", "test": "split.test"}
    assert run.steps["load"].params == {"rows": 4, "source": None}
    assert "return np.float32(0.75)" in step_run.code
    assert step_run.metrics["accuracy"] == 0.75
    assert step_run.why == "it has not run before"
    assert run.steps["load"].logs == "loading 4\n"
    text = repr(step_run)
    assert all(part in text for part in ("score succeeded in", "input    train ← split.train", "metric   n = 2"))


def test_a_metric_logged_for_each_epoch_keeps_all_its_values(run: zenbook.Run) -> None:
    values = [record for record in open_stack().metadata.metrics([run.id]) if record.name == "loss"]
    assert [(record.index, record.value) for record in values] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]


def test_outputs_load_what_was_stored(run: zenbook.Run) -> None:
    frame = run.steps["split"].outputs["train"].load()
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [0, 1], "y": [1.5, 1.5]}))
    stored = run.outputs["load"]["output"]
    assert stored.type == "pandas.DataFrame"
    assert stored.preview["shape"] == [4, 2]
    assert Path(stored.uri).stat().st_size == stored.size
    assert len(stored.digest) == 64
    assert "output: pandas.DataFrame" in repr(stored)


def test_the_environment_holds_versions_and_no_variable(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2-secret")
    run = training()
    assert {"python", "packages", "git", "host", "user", "platform", "implementation"} == set(run.environment)
    assert run.environment["packages"]["numpy"] == np.__version__
    metadata = workspace / ".zen" / "metadata.sqlite"
    log = metadata.with_name("metadata.sqlite-wal")
    assert b"hunter2-secret" not in metadata.read_bytes() + (log.read_bytes() if log.exists() else b"")


def test_a_secret_is_not_taken_as_an_argument(workspace: Path) -> None:
    from pydantic import SecretStr

    with pytest.raises(WiringError, match="is a secret"):
        keeping(SecretStr("hunter2"))


@pytest.mark.parametrize(
    ("ask", "message", "hint"),
    [
        (lambda run: run.steps["scroe"], "no step 'scroe'", "Did you mean 'score'?"),
        (lambda run: run.steps["split"].outputs["trian"], "no output 'trian'", "Did you mean 'train'?"),
        (lambda run: find_run("trainig"), "No run matches 'trainig'", "Did you mean 'training'?"),
        (lambda run: zenbook.runs(state="succeded"), "Unknown state 'succeded'", "Did you mean 'succeeded'?"),
        (lambda run: zenbook.runs(limit=0), "The limit is 0", "at least 1"),
    ],
)
def test_misspelt_names_get_close_matches(run: zenbook.Run, ask: Any, message: str, hint: str) -> None:
    with pytest.raises(RunError) as raised:
        ask(run)
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_a_run_is_found_by_parts_of_its_id_its_pipeline_and_latest(run: zenbook.Run) -> None:
    for reference in (run.id, run.id[:19], run.id[-6:], "training", "latest", None):
        assert find_run(reference) == run
    with pytest.raises(RunError, match="No run matches 'nothing like it'"):
        find_run("nothing like it")


def test_a_part_of_several_ids_is_refused_with_the_ids(run: zenbook.Run) -> None:
    other = training()
    with pytest.raises(RunError) as raised:
        find_run("20")
    assert run.id in raised.value.message
    assert other.id in raised.value.message


def test_a_pipelines_name_comes_before_an_end_of_an_id(run: zenbook.Run) -> None:
    short = run.id[-1]
    named = training.options(name=short)()
    assert find_run(short) == named


def test_no_runs_yet(workspace: Path) -> None:
    assert "(no runs yet)" in repr(zenbook.runs())
    with pytest.raises(RunError, match="There are no runs yet"):
        find_run()


def test_a_list_of_runs_is_a_table_with_parameters_and_metrics(run: zenbook.Run) -> None:
    other = training(label="b")
    listed = zenbook.runs(pipeline="training")
    assert list(listed) == [other, run]
    assert listed[:1][0] == other
    frame = listed.df()
    assert list(frame["accuracy"]) == [0.75, 0.75]
    assert list(frame["label"]) == ["b", "a"]
    assert frame["took"].min() > pd.Timedelta(0)
    assert run.id in repr(listed)
    assert run.id in listed._repr_html_()


def test_a_list_shows_that_there_are_older_runs(workspace: Path) -> None:
    for _ in range(3):
        gathering()
    assert "Runs: the newest 2, and there are older ones" in repr(zenbook.runs(limit=2))
    assert "older" not in repr(zenbook.runs(limit=3))
    assert len(zenbook.runs(limit=None)) == 3


def test_outputs_in_containers_keep_their_positions(workspace: Path) -> None:
    assert gathering().steps["total"].outputs["output"].load() == 15


def test_an_object_passed_to_a_pipeline_is_stored_and_counts_by_content(workspace: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]})
    first = given(frame)
    assert first.params == {"rows": 1}
    assert first.steps["split"].inputs == {"frame": "split.frame"}
    assert given(frame.copy()).steps["split"].state == "cached"
    frame.loc[0, "x"] = 9
    again = given(frame)
    assert again.steps["split"].state == "succeeded"
    assert "the input `frame` has new content" in again.steps["split"].why


@step
def reads(file: Path) -> str:
    return file.read_text()


@pipeline
def reading(file: Path) -> None:
    reads(file)


def test_a_path_counts_by_the_content_of_its_file(workspace: Path) -> None:
    file = workspace / "data.txt"
    file.write_text("one")
    first = reading(file)
    assert first.params == {"file": file}
    assert reading(file).steps["reads"].state == "cached"
    file.write_text("two")
    again = reading(file)
    assert again.steps["reads"].outputs["output"].load() == "two"
    assert "the file of the parameter `file` has new content" in again.steps["reads"].why
    with pytest.raises(ZenbookError, match="cannot be read"):
        reading(workspace / "missing.txt")


def test_why_explains_what_changed_in_sentences(run: zenbook.Run) -> None:
    again = training(rows=5)
    why = again.why
    assert f"since run {run.id}: the parameter `rows` changed from 4 to 5" in repr(why)
    assert "the input `frame` has new content" in repr(why)
    assert "…" not in repr(why)
    assert "…" not in why._repr_html_()


def test_a_run_shows_itself(run: zenbook.Run) -> None:
    assert repr(run).startswith(f"training {run.id} succeeded in")
    assert "data:image/svg+xml;base64" in run._repr_html_()
    assert "score" in repr(run.steps)
    assert "<table" in run.steps._repr_html_()


def test_a_failed_run_resumes_with_what_finished(workspace: Path) -> None:
    file = workspace / "data.txt"
    file.write_text("not a number")

    with pytest.raises(ValueError):
        converting(str(file))
    failed = find_run()
    file.write_text("42")
    resumed = failed.resume()
    assert [str(step_run.state) for step_run in resumed.steps.values()] == ["cached", "succeeded"]
    assert resumed.steps["convert"].outputs["output"].load() == 43


@step
def convert(file: str, plus: int) -> int:
    return int(Path(file).read_text()) + plus


@pipeline
def converting(file: str) -> None:
    convert(file, number(1))


def test_a_run_on_another_machine_is_left_alone(workspace: Path) -> None:
    record = RunRecord(new_run_id(), "far", "default", RunState.RUNNING, 1.0, 1.0, host="elsewhere", process="1:1:1")
    open_stack().metadata.create_run(record, steps=[], params=[], code=[], environment=None)
    far = find_run("far")
    assert far.state == "running"
    assert far.duration is None
    with pytest.raises(RunError, match="is running on elsewhere"):
        far.cancel()


def test_ids_sort_by_time() -> None:
    ids = [new_run_id(1_700_000_000 + n * 0.0137) for n in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert json.dumps(ids[0]).isascii()


def test_older_runs_are_counted_back_from_the_newest(workspace: Path) -> None:
    @step
    def make(n: int = 0) -> int:
        return n

    @pipeline
    def first(n: int = 0) -> None:
        make(n)

    @pipeline
    def second(n: int = 0) -> None:
        make(n)

    runs = [first(1), second(2), first(3)]
    assert [find_run(reference).id for reference in ("latest", "latest~1", "latest~2")] == [
        run.id for run in reversed(runs)
    ]
    assert find_run("first~1").id == runs[0].id
    with pytest.raises(RunError, match="There are only 2 runs of 'first' so far"):
        find_run("first~2")
    with pytest.raises(RunError, match="No run matches 'third~1'"):
        find_run("third~1")
