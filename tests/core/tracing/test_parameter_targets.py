"""Where a pipeline's parameters go, and which of them are fixed since the graph depends on their values."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from zenbook import Pipeline, pipeline, step
from zenbook.core.plain_values import encode
from zenbook.core.plan import Plan
from zenbook.core.tracing.parameter_targets import find_parameter_targets


class Model:
    pass


@step
def use(x, y=1):
    return x


@step
def choose(x: Literal["a", "b"]) -> str:
    return x


@step
def needs_model(model: Model | None = None) -> int:
    return 1


@pipeline
def looks(value, width=2):
    return use(value) if width > 5 else use(value, width)


@pipeline
def compares_identity(flag=False):
    return use(1) if flag is True else use(flag)


@pipeline
def serializes(value):
    return use(json.dumps(value))


@pipeline
def asks_type(value):
    return use(value) if isinstance(value, float) else use(value, 3)


@pipeline
def renames(value):
    other = value
    return use([other, {"k": other}])


@pipeline
def skips_none(model=None):
    return use(1) if model is None else use(model)


def targets(function: Any) -> dict[str, list[tuple[str, str, tuple[str | int, ...]]]]:
    subject: Pipeline = pipeline(function)
    arguments = subject.bind((), {})
    params = {name: encode(value) for name, value in arguments.items()}
    plan = Plan(subject.name, subject.trace().graph, {}, {}, params=params)
    found = find_parameter_targets(plan, subject.function, arguments)
    return {
        name: [(target.node, target.argument, target.within) for target in places] for name, places in found.items()
    }


def test_parameters_that_are_passed_on_are_found_where_they_arrive() -> None:
    def flow(lr=0.1, n=3, name="x", day=datetime.date(2020, 1, 1), path=Path("p"), nothing=None, pair=(1, "a")):
        first = use(lr, n)
        use([name, {"k": name}], (n, first))
        use(day, {"z": first, "a": n})
        use(path, nothing)
        use(pair)

    assert targets(flow) == {
        "lr": [("use", "x", ())],
        "n": [("use", "y", ()), ("use_2", "y", ("$tuple", 0)), ("use_3", "y", ("$dict", 1, 1))],
        "name": [("use_2", "x", (0,)), ("use_2", "x", (1, "k"))],
        "day": [("use_3", "x", ())],
        "path": [("use_4", "x", ())],
        "nothing": [("use_4", "y", ())],
        "pair": [("use_5", "x", ())],
    }


def test_parameters_of_inner_pipelines_are_followed() -> None:
    def flow(value=1, width=2, flag=False, kind=1.5, text="s", nothing=None, something="set"):
        looks(value, width)
        compares_identity(flag)
        asks_type(kind)
        renames(text)
        skips_none(nothing)
        skips_none(something)

    assert targets(flow) == {
        "value": [("use", "x", ())],
        "kind": [("use_3", "x", ())],
        "text": [("use_4", "x", (0,)), ("use_4", "x", (1, "k"))],
        "something": [("use_6", "x", ())],
    }


def test_parameters_that_the_graph_depends_on_are_fixed() -> None:
    def flow(lr=0.1, n=3, name="x", items=[1, 2], retries=1, wait=1.0, unused=1, shown="s"):  # noqa: B006
        if lr > 0.5:
            use(1)
        use(n + 1)
        use(f"{name}")
        for item in items:
            use(item)
        use.options(retries=retries, retry_delay=wait)(1)
        use(len(shown))

    assert targets(flow) == {}


@pytest.mark.parametrize("value", [json.JSONEncoder, b"bytes", 1 + 2j, {1, 2}, datetime.timedelta(1)], ids=repr)
def test_values_of_which_there_are_no_obvious_others_are_fixed(value: Any) -> None:
    def flow(x=value):
        use(x)

    assert targets(flow) == {}


def test_a_value_that_the_annotations_do_not_let_change_is_fixed() -> None:
    def flow(chosen: Literal["a", "b"] = "a", text="a", model: Model | None = None):
        choose(chosen)
        choose(text)
        needs_model(model)

    assert targets(flow) == {"chosen": [("choose", "x", ())]}


def test_a_pipeline_that_breaks_with_one_placeholder_is_traced_with_each_alone() -> None:
    def flow(good=1, bad=2):
        use(good)
        serializes(bad)

    assert targets(flow) == {"good": [("use", "x", ())]}
