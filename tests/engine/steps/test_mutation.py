"""Whether an object has changed since it was read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from zenbook.engine.artifact_io import Reader, store_bundle, store_value
from zenbook.engine.steps.mutation import changed_content, surely_changed
from zenbook.stack.stack import open_stack


class Named:
    """An object with an attribute of any name."""


class Socket:
    """Another one whenever it is loaded."""

    def __init__(self) -> None:
        self.address = os.urandom(8)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.address = os.urandom(8)


@pytest.fixture
def reader(workspace: Path) -> Reader:
    stack = open_stack()
    return Reader(stack.artifacts, stack.metadata)


def _changed(reader: Reader, value: Any, change: Any = None) -> tuple[list[str], list[str]]:
    stored = {"x": store_value(reader.artifacts, value)}
    objects = reader.read_all(stored)
    if change is not None:
        change(objects["x"])
    return list(changed_content(reader, stored, objects)), list(surely_changed(reader, stored, objects))


def test_equal_texts_instead_of_the_same_text_are_no_change(reader: Reader) -> None:
    one = Named()
    one.parts = ["".join(["off", "set"]), "".join(["off", "set"])]

    def same_text_twice(value: Any) -> None:
        value.parts[1] = value.parts[0]

    assert _changed(reader, one, same_text_twice) == ([], [])


def test_a_change_within_an_object_is_seen(reader: Reader) -> None:
    one = Named()
    one.parts = ["a", "b"]
    assert _changed(reader, one, lambda value: value.parts.append("c")) == (["x"], ["x"])


def test_an_object_that_is_another_one_whenever_it_is_loaded_may_have_changed_and_not_surely(reader: Reader) -> None:
    assert _changed(reader, Socket()) == (["x"], [])


def test_arrays_of_any_layout_are_compared(reader: Reader) -> None:
    import numpy as np

    for array in (np.empty((0, 3)), np.asfortranarray(np.eye(3)), np.eye(6)[::2, ::3], np.array(1.0)):
        one = Named()
        one.array, one.address = array, Socket()  # the second comparison, which looks into the pickle
        assert _changed(reader, one) == (["x"], [])


def test_members_of_a_bundle_change_together(reader: Reader) -> None:
    part = ["p"]
    stored = store_bundle(reader.artifacts, {"part": part, "whole": [part]})
    objects = reader.read_all(stored)
    objects["whole"][0].append("q")
    assert sorted(changed_content(reader, stored, objects)) == ["part", "whole"]
