"""Why a step ran or was served: what changed, with its diff, and the nearest earlier run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from zenbook.history.step_changes import Cause

PROJECT = """
from pathlib import Path
from zenbook import pipeline, step

LIMIT = 3


def clean(values):
    return [one for one in values if one < LIMIT]


@step
def load(rows: int) -> list[int]:
    return list(range(rows))


@step
def tidy(values: list[int], factor: int = 1) -> list[int]:
    return [one * factor for one in clean(values)]


@step
def total(values: list[int]) -> int:
    return sum(values)


@pipeline
def adding(rows: int = 10, factor: int = 1):
    total(tidy(load(rows), factor))


@step
def read(file: Path) -> str:
    return file.read_text()


@pipeline
def reading(file: Path):
    read(file)
"""


def test_an_edited_helper_is_shown_with_its_diff(project: Callable[..., ModuleType]) -> None:
    first = project().adding()
    run = project(("one < LIMIT", "one <= LIMIT")).adding()
    explanation = run.steps["tidy"].explanation
    assert [change.cause for change in explanation.changes] == [Cause.CODE]
    assert explanation.changes[0].description.endswith("clean` was edited")
    diff = "-    return [one for one in values if one < LIMIT]\n+    return [one for one in values if one <= LIMIT]"
    assert diff in explanation.changes[0].diff
    assert f"since run {first.id}" in repr(explanation)
    assert "one <= LIMIT" in repr(explanation)
    assert "one &lt;= LIMIT" in explanation._repr_html_()


def test_a_constant_is_shown_with_its_values(project: Callable[..., ModuleType]) -> None:
    project().adding()
    run = project(("LIMIT = 3", "LIMIT = 4")).adding()
    assert "LIMIT` changed from 3 to 4" in run.steps["tidy"].why


def test_a_changed_input_names_its_source(project: Callable[..., ModuleType]) -> None:
    project().adding()
    run = project(("LIMIT = 3", "LIMIT = 4")).adding()
    assert run.steps["total"].why.endswith("the input `values` has new content, from `tidy.output`")


def test_a_cached_step_names_the_run_that_it_was_served_from(project: Callable[..., ModuleType]) -> None:
    first = project().adding()
    run = project(("def clean(values):", "def clean(values):\n    # small ones")).adding()
    explanation = run.steps["tidy"].explanation
    assert explanation.reason == f"unchanged since run {first.id}"
    assert explanation.nearest is None


def test_the_nearest_run_is_the_one_that_differs_in_the_fewest_things(project: Callable[..., ModuleType]) -> None:
    module = project()
    near = module.adding(rows=10, factor=2)
    module.adding(rows=11, factor=2)
    far = module.adding(rows=2, factor=3)
    run = module.adding(rows=10, factor=4)
    explanation = run.steps["tidy"].explanation
    assert explanation.reason.startswith(f"since run {far.id}")
    assert len(explanation.changes) == 2
    assert explanation.nearest is not None
    assert [change.description for change in explanation.nearest.changes] == [
        "the parameter `factor` changed from 2 to 4"
    ]
    assert explanation.nearest.step.run == near.id
    assert f"nearest is run {near.id}" in repr(explanation)
    assert f"nearest is run {near.id}" in repr(run.why)


def test_the_nearest_run_is_not_described_twice(project: Callable[..., ModuleType]) -> None:
    module = project()
    module.adding(factor=2)
    explanation = module.adding(factor=3).steps["tidy"].explanation
    assert explanation.nearest is not None
    assert explanation.nearest_reason == ""


def test_what_was_edited_since_the_nearest_run_is_shown(project: Callable[..., ModuleType]) -> None:
    project().adding(factor=2)
    project().adding(factor=3, rows=4)
    edited = project(("one < LIMIT", "one <= LIMIT"))
    explanation = edited.adding(factor=2).steps["tidy"].explanation
    assert [change.cause for change in explanation.nearest.changes] == [Cause.CODE]
    assert repr(explanation).count("one <= LIMIT]") == 1
    off = edited.adding.options(cache=False)(factor=2).steps["tidy"].explanation
    assert off.nearest_reason.endswith("had the same code, parameters and inputs")
    unlike = project(("one < LIMIT", "one != LIMIT")).adding.options(cache=False)(factor=2).steps["tidy"].explanation
    assert "+    return [one for one in values if one != LIMIT]" in repr(unlike)
    assert "one != LIMIT]" in unlike._repr_html_()


def test_without_the_cache_the_run_that_could_have_served_is_named(project: Callable[..., ModuleType]) -> None:
    module = project()
    first = module.adding()
    explanation = module.adding.options(cache=False)().steps["tidy"].explanation
    assert explanation.reason == "the cache is off for this run"
    assert explanation.nearest_reason == f"run {first.id} had the same code, parameters and inputs"


def test_a_failed_run_is_not_a_candidate(project: Callable[..., ModuleType]) -> None:
    module = project()
    first = module.adding(factor=2)
    failing = project(("return sum(values)", "return 1 / 0")).adding
    with pytest.raises(ZeroDivisionError):
        failing(factor=2)
    run = project(("return sum(values)", "return sum(values) + 1")).adding(factor=2)
    explanation = run.steps["total"].explanation
    assert explanation.before is not None
    assert explanation.before.state == "failed"
    assert explanation.nearest is not None
    assert explanation.nearest.step.run == first.id
    assert len(explanation.nearest.changes) == 1


def test_a_changed_file_has_its_own_cause(project: Callable[..., ModuleType], workspace: Path) -> None:
    file = workspace / "data.txt"
    module = project()
    file.write_text("one")
    module.reading(file)
    file.write_text("two")
    assert [change.cause for change in module.reading(file).steps["read"].explanation.changes] == [Cause.FILE]


def test_why_of_a_run_shows_each_diff_once(project: Callable[..., ModuleType]) -> None:
    project().adding()
    both = (
        ("one < LIMIT", "one <= LIMIT"),
        ("return sum(values)", "return sum(clean(values))"),
        ("LIMIT = 3", "LIMIT = 2"),
    )
    project(both[1]).adding()
    why = project(*both).adding().why
    text = repr(why)
    assert text.count("+    return [one for one in values if one <= LIMIT]") == 1
    assert "clean` was edited (tidy, total)" in text
    assert [row["step"] for row in why] == ["load", "tidy", "total"]
    assert list(why.df()["state"]) == ["cached", "succeeded", "succeeded"]
    assert why["tidy"].changes
    assert why._repr_html_().count("one &lt;= LIMIT") == 1


def test_the_version_of_a_package_whose_objects_a_step_takes_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from zenbook import pipeline, step
    from zenbook.engine import environment
    from zenbook.engine.steps import cache_decision

    @step
    def make():
        import pandas as pd

        return pd.DataFrame({"a": [1, 2]})

    @step
    def rows(frame):
        return len(frame.dropna())

    @pipeline
    def counting():
        rows(make())

    counting()
    version_of, installed = cache_decision.version_of, environment.installed_distributions
    monkeypatch.setattr(
        cache_decision, "version_of", lambda name: ("pandas", "0.1") if name == "pandas" else version_of(name)
    )
    monkeypatch.setattr(environment, "installed_distributions", lambda: {**installed(), "pandas": "0.1"})
    run = counting()
    assert json.loads(json.dumps(run.environment))["packages"]["pandas"] == "0.1"
    (change,) = run.steps["rows"].explanation.changes
    assert change.cause is Cause.PACKAGE
    assert change.description.startswith("pandas, whose objects it takes, changed from ")
    assert change.description.endswith(" to 0.1")
