"""Inner progress of a step: what listeners are told, and what is not recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import zenbook
from zenbook import pipeline, step
from zenbook.core.events import Event, Progressed
from zenbook.display.run_view import RunView
from zenbook.engine import progress_displays


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def progress(self) -> list[Progressed]:
        return [one for one in self.events if isinstance(one, Progressed)]


@pytest.fixture
def heard(workspace) -> Iterator[Heard]:
    found = Heard()

    def make(view: RunView) -> Heard:
        return found

    progress_displays.watch_runs_with(make)
    yield found
    progress_displays.stop_watching(make)


@step(cache=False)
def goes_through(count: int, pause: float = 0.0) -> int:
    return sum(threading.Event().wait(pause) or one for one in zenbook.track(range(count), label="items"))


@step(cache=False)
def of_unknown_length() -> int:
    return sum(zenbook.track(one for one in range(3)))


@step(cache=False)
def gets_stuck(told: str) -> int:
    from pathlib import Path
    from time import sleep

    for one in zenbook.track(range(10)):
        while one == 7 and not Path(told).exists():
            sleep(0.01)
    return 1


@pipeline
def sticking(told: str):
    gets_stuck(told)


@pipeline
def tracking(count: int, pause: float = 0.0):
    goes_through(count, pause)


@pipeline
def unknown():
    of_unknown_length()


def test_it_gives_the_items_and_tells_the_first_and_the_last_state(heard: Heard) -> None:
    run = tracking(1000)
    assert run.steps["goes_through"].outputs["output"].load() == sum(range(1000))
    first, *_, last = heard.progress
    assert (first.done, first.total, first.label) == (0, 1000, "items")
    assert last.done == 1000
    assert len(heard.progress) < 100, "not an event for each item"


def test_progress_is_reported_at_most_ten_times_a_second(heard: Heard) -> None:
    tracking(12, pause=0.04)
    times = [one.at for one in heard.progress]
    assert 4 <= len(times) <= 8
    assert all(b - a > 0.09 for a, b in pairwise(times[:-1]))


def test_the_last_item_before_a_slow_one_is_reported(heard: Heard, tmp_path: Path) -> None:
    told = tmp_path / "told"
    hear = heard.on_event

    def go_on(event: Event) -> None:
        hear(event)
        if isinstance(event, Progressed) and event.done == 7:
            told.touch()

    heard.on_event = go_on  # type: ignore[method-assign]
    sticking(str(told))
    assert heard.progress[-1].done == 10


def test_a_generator_has_no_total(heard: Heard) -> None:
    unknown()
    assert heard.progress[-1].done == 3
    assert heard.progress[-1].total is None


def test_outside_of_a_run_it_only_iterates() -> None:
    assert list(zenbook.track("abc")) == ["a", "b", "c"]


def test_progress_is_not_recorded(heard: Heard) -> None:
    run = tracking(10)
    assert run.logs == ""
    assert run.steps["goes_through"].metrics == {"goes_through": 45.0}
