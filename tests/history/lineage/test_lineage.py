"""Where artifacts and files came from and what was made of them, across runs."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pytest

import zenbook
from zenbook import pipeline, step
from zenbook.errors import RunError
from zenbook.history.lineage.lineage_model import LineageRelation
from zenbook.history.lineage.result import Lineage
from zenbook.stack.stack import open_stack


@step
def load(file: Path) -> pd.DataFrame:
    return pd.DataFrame({"x": range(int(file.read_text()))})


@step
def split(frame: pd.DataFrame) -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "test"]]:
    return frame.head(5), frame.tail(2)


@step
def fit(train: pd.DataFrame, c: float) -> pd.DataFrame:
    return train * c


@step
def score(model: pd.DataFrame, test: pd.DataFrame) -> int:
    return len(test)


@pipeline
def training(file: Path, c: float = 1.0) -> None:
    train, test = split(load(file))
    score(fit(train, c), test)


@step
def serve(model: Any) -> bool:
    return True


@pipeline
def serving(model: Any) -> None:
    serve(model)


@pytest.fixture
def file(workspace: Path) -> Path:
    file = workspace / "rows.txt"
    file.write_text("9")
    return file


def by_relation(lineage: Lineage) -> dict[str, set[str]]:
    return {
        relation: {entry.step for entry in lineage.entries if entry.relation is relation}
        for relation in LineageRelation
    }


def test_an_outputs_makers_and_readers(file: Path) -> None:
    run = training(file)
    found = zenbook.lineage(run.steps["split"].outputs["train"])
    assert by_relation(found) == {
        "upstream": {"load"},
        "made by": {"split"},
        "read by": {"fit"},
        "downstream": {"score"},
    }
    assert found.runs == (run.id,)
    assert [item.distance for item in found.upstream] == [2, 1]
    assert "file " in found.upstream[0].inputs[0]


def test_runs_that_did_the_same_are_one_entry(file: Path) -> None:
    first, second = training(file), training(file, c=2.0)
    found = zenbook.lineage(second.steps["split"].outputs["train"])
    assert [entry.runs for entry in found.entries if entry.step == "split"] == [(second.id, first.id)]
    assert [entry.runs for entry in found.entries if entry.step == "fit"] == [(first.id,), (second.id,)]
    assert {str(entry.state) for entry in found.entries} == {"succeeded"}
    assert found.runs == (second.id, first.id)


def test_an_object_passed_to_another_pipeline_joins_its_runs(file: Path) -> None:
    run = training(file)
    model = run.steps["fit"].outputs["output"]
    served = serving(model.load())
    found = zenbook.lineage(model)
    assert by_relation(found)["read by"] == {"score", "serve"}
    back = zenbook.lineage(served.steps["serve"].outputs["output"])
    assert by_relation(back)["upstream"] == {"load", "split", "fit"}


@step
def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.round()


@step
def sorted_(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("x", ignore_index=True)


@pipeline
def rounding(frame: Any) -> None:
    rounded(frame)


@pipeline
def sorting(frame: Any) -> None:
    sorted_(frame)


def test_steps_that_change_nothing_may_follow_each_other_in_circles(workspace: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    for each in (rounding, sorting, rounding, sorting):
        run = each(frame)
    found = zenbook.lineage(run.steps["sorted_"].outputs["output"])
    assert {entry.step for entry in found.entries} == {"rounded", "sorted_"}
    assert "<svg" in found.picture()


def test_an_object_does_not_come_from_a_later_run(workspace: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    first, second = sorting(frame), rounding(frame)
    assert by_relation(zenbook.lineage(first.steps["sorted_"].outputs["output"]))["upstream"] == set()
    assert by_relation(zenbook.lineage(second.steps["rounded"].outputs["output"]))["upstream"] == {"sorted_"}


def test_equal_small_values_do_not_join_runs(file: Path) -> None:
    run = training(file)
    serving(2)  # what `score` made, by chance
    found = zenbook.lineage(run.steps["score"].outputs["output"])
    assert by_relation(found)["read by"] == set()


def test_a_file_by_its_content_whatever_its_name(file: Path) -> None:
    first = training(file)
    copy = Path(shutil.copy(file, file.with_name("other.txt")))
    second = training(copy, c=3.0)
    file.write_text("8")
    training(file)
    found = zenbook.lineage(copy)
    assert by_relation(found) == {
        "upstream": set(), "made by": set(), "read by": {"load"}, "downstream": {"split", "fit", "score"},
    }  # fmt: skip
    assert found.runs == (second.id, first.id)
    assert zenbook.lineage(str(copy)).runs == found.runs


def test_an_output_by_its_digest_and_by_its_name(file: Path) -> None:
    run = training(file)
    output = run.steps["fit"].outputs["output"]
    for name in (output.digest, output.digest[:10], "latest.fit.output", f"{run.id}.fit.output"):
        assert by_relation(zenbook.lineage(name))["made by"] == {"fit"}, name


def test_an_unknown_artifact_has_an_empty_lineage(file: Path) -> None:
    training(file)
    assert "No run made or read it." in repr(zenbook.lineage("0" * 64))
    assert "No run made or read it." in zenbook.lineage("0" * 64)._repr_html_()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("00000000", "No artifact's digest begins"),
        ("nothing here", "not a file, a digest or an output"),
        (Path("missing.txt"), "There is nothing at"),
        (42, "lineage of an object of type int"),
        ("latest.fit.ouput", "no output 'ouput'"),
    ],
)
def test_an_unknown_thing_is_refused(file: Path, thing: Any, message: str) -> None:
    training(file)
    with pytest.raises(RunError, match=message):
        zenbook.lineage(thing)


def test_it_shows_itself_as_a_table_and_a_picture(file: Path) -> None:
    run = training(file)
    serving(run.steps["fit"].outputs["output"].load())
    found = zenbook.lineage(run.steps["split"].outputs["train"])
    assert "made by" in repr(found)
    assert list(found.df()["step"]) == [entry.step for entry in found.entries]
    assert "data:image/svg+xml;base64," in found._repr_html_()
    words = {node.text for node in ET.fromstring(found.picture()).iter() if node.tag.endswith("}text")}
    assert {"load", "split", "fit", "score", "serve", "split.train"} <= words


def test_the_runs_that_used_a_file_are_listed_with_their_parameters(file: Path) -> None:
    runs = [training(file, c) for c in (1.0, 2.0)]
    file.write_text("7")
    training(file)
    file.write_text("9")
    listed = zenbook.lineage(file).used_in
    assert [run.id for run in listed] == [run.id for run in reversed(runs)]
    assert list(listed.df()["c"]) == [2.0, 1.0]
    assert "c" in listed.compare().params


def test_the_oldest_of_many_runs_is_found(file: Path) -> None:
    """As with a history of years: what is asked for is in the first run, and thousands came after it."""
    first = training(file)
    store = open_stack().metadata
    record = store.run(first.id)
    for number in range(3000):
        run = f"99990101-{number:06d}-aaaaaa"
        store.create_run(replace(record, id=run, pipeline="other"), steps=[], params=[], code=[], environment=None)
    found = zenbook.lineage(first.steps["fit"].outputs["output"])
    assert by_relation(found) == {
        "upstream": {"load", "split"},
        "made by": {"fit"},
        "read by": {"score"},
        "downstream": set(),
    }
    assert zenbook.lineage(file).runs == (first.id,)


def test_of_very_many_steps_only_the_nearest_are_shown(file: Path) -> None:
    run = training(file)
    found = zenbook.lineage(run.steps["fit"].outputs["output"])
    last = found.entries[-1]
    many = replace(found, entries=(*found.entries, *(replace(last, distance=n) for n in range(3, 300))), edges=())
    assert len(many.df()) == len(many.entries)
    assert f"the nearest 200 of {len(many.entries)}" in repr(many)
    assert "The picture shows the nearest 60 steps." in many._repr_html_()
    assert many.picture().count("<g>") == 60 + 1


def test_a_damaged_mirror_is_rebuilt_for_a_lineage(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zenbook.history.sql.mirror.mirror.MIN_CHANGED_RUNS", 1)
    for c in (1.0, 2.0, 3.0):
        run = training(file, c)
    assert len(zenbook.lineage(file).runs) == 3
    for path in (open_stack().workspace.home / "mirror").glob("*.duckdb"):
        data = path.read_bytes()
        path.write_bytes(data[: 4096 * 3] + b"\xaa" * (len(data) - 4096 * 3))
    assert run.id in zenbook.lineage(file).runs
    assert len(zenbook.lineage(file).runs) == 3
