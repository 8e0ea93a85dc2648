"""What a step's cache key goes by, beyond its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from zenbook import pipeline, step
from zenbook.engine.steps import cache_decision


@step
def make():
    import pandas as pd

    return pd.DataFrame({"a": [1, 2]})


@step
def rows(frame):
    return len(frame.dropna())


@step
def doubled(count):
    return count * 2


@pipeline
def counting():
    doubled(rows(make()))


def states(run) -> dict[str, str]:
    return {name: str(one.state) for name, one in run.steps.items()}


def test_another_version_of_the_package_whose_objects_a_step_takes_reruns_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting()
    assert set(states(counting()).values()) == {"cached"}
    actual = cache_decision.version_of
    newer = {"pandas": ("pandas", "99.0")}
    monkeypatch.setattr(cache_decision, "version_of", lambda module: newer.get(module) or actual(module))
    again = counting()
    assert states(again) == {"make": "cached", "rows": "succeeded", "doubled": "cached"}
    assert "the version of a package" in again.steps["rows"].why
