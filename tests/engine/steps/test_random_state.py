"""The global random states belong to the steps: what is drawn to store and load for them is given back."""

from __future__ import annotations

import random
from pathlib import Path

from zenbook import pipeline, step


class DrawsWhenStored:
    """Stands for a store's client that draws when it connects."""

    def __reduce__(self):
        random.random()
        return DrawsWhenStored, ()


@step
def quiet():
    return DrawsWhenStored()


@step
def draws():
    return random.random()


@pipeline
def both():
    quiet()
    draws()


def test_what_is_drawn_to_store_an_output_is_neither_the_steps_nor_seen_by_the_next(workspace: Path) -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    run = both()
    assert run.steps["quiet"].notes == ()
    assert run.steps["draws"].outputs["output"].load() == expected
    assert any("without a seed" in note for note in run.steps["draws"].notes)
