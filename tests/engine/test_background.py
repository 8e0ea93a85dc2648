"""Runs in a process of their own, and following them by what they record."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import zenbook
from zenbook import find_run, pipeline, step
from zenbook.core.events import (
    Event,
    Logged,
    Measured,
    Progressed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from zenbook.core.states import RunState, StepState
from zenbook.engine.follower import Follower
from zenbook.errors import RunError
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")
LIMIT = 60


@step(cache=False)
def waits(file: str) -> int:
    print("waiting")
    for _ in zenbook.track(range(100_000), label="looks"):
        if Path(file).exists():
            break
        time.sleep(0.02)
    zenbook.log_metrics(looks=7)
    return os.getpid()


@step(cache=False)
def after(x: int) -> int:
    return x + 1


@step(cache=False)
def fails(x: int) -> int:
    raise ValueError("no")


@pipeline
def waiting(file: str = "go"):
    after(waits(file))


@pipeline
def failing(file: str = "go"):
    after(fails(waits(file)))


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news = threading.Condition()

    def on_event(self, event: Event) -> None:
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def wait_for(self, kind: type[Event]) -> Event:
        def found() -> Event | None:
            return next((one for one in self.events if isinstance(one, kind)), None)

        with self.news:
            assert self.news.wait_for(found, LIMIT), self.events
            return found()


def follow(run: zenbook.Run) -> tuple[Heard, Follower]:
    heard = Heard()
    return heard, Follower(run.id, open_stack(), heard).start()


def test_a_background_run_returns_at_once_and_runs_in_another_process() -> None:
    run = waiting.options(background=True)()
    assert run.state in (RunState.PENDING, RunState.RUNNING)
    Path("go").touch()
    assert run.wait(LIMIT).state is RunState.SUCCEEDED
    assert run.steps["waits"].outputs["output"].load() != os.getpid()
    assert run.logs == "waiting\n"
    assert not Path(".zen/progress", f"{run.id}.json").exists()


def test_a_follower_tells_what_a_run_of_this_process_would() -> None:
    run = waiting.options(background=True)()
    heard, follower = follow(run)
    heard.wait_for(StepStarted)
    progress = heard.wait_for(Progressed)
    assert (progress.step, progress.total, progress.label) == ("waits", 100_000, "looks")
    assert heard.wait_for(Logged).text == "waiting\n"
    Path("go").touch()
    follower.join(LIMIT)
    kinds = [type(one) for one in heard.events if not isinstance(one, Progressed | Logged | Measured)]
    assert kinds == [RunStarted, StepStarted, StepFinished, StepStarted, StepFinished, RunFinished]
    assert heard.events[-1].state is RunState.SUCCEEDED
    assert ("waits", "looks", 7.0) in [
        (one.step, one.name, one.value) for one in heard.events if isinstance(one, Measured)
    ]
    assert len([one for one in heard.events if isinstance(one, Logged)]) == 1, "each line once"


def test_a_failed_run_is_followed_to_its_end() -> None:
    Path("go").touch()
    run = failing.options(background=True)()
    heard, follower = follow(run)
    follower.join(LIMIT)
    ended = {one.step: one for one in heard.events if isinstance(one, StepFinished)}
    assert [one.state for one in ended.values()] == [StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED]
    assert ended["fails"].error == "ValueError: no"
    assert "ValueError: no" in ended["fails"].traceback
    assert heard.events[-1].state is RunState.FAILED


def test_a_background_run_can_be_cancelled() -> None:
    run = waiting.options(background=True)(file="never")
    heard, follower = follow(run)
    heard.wait_for(Logged)
    run.cancel()
    follower.join(LIMIT)
    assert heard.events[-1].state is RunState.CANCELLED
    assert find_run(run.id).steps["waits"].state is StepState.CANCELLED
    with pytest.raises(RunError, match="has ended"):
        run.cancel()


def test_a_killed_driver_is_seen_by_who_follows() -> None:
    run = waiting.options(background=True)(file="never")
    heard, follower = follow(run)
    heard.wait_for(Logged)
    os.kill(int(run.record.process.partition(":")[0]), signal.SIGKILL)
    follower.join(LIMIT)
    assert heard.events[-1].state is RunState.CRASHED
    states = {one.step: one.state for one in heard.events if isinstance(one, StepFinished)}
    assert states == {"waits": StepState.CRASHED, "after": StepState.SKIPPED}


def test_one_that_has_ended_is_followed_to_its_end_at_once() -> None:
    Path("go").touch()
    run = waiting()
    heard = Heard()
    follower = Follower(run.id, open_stack(), heard)
    follower.look()
    assert follower.ended
    assert [one.step for one in heard.events if isinstance(one, StepFinished)] == ["waits", "after"]


def test_a_plan_that_cannot_be_made_starts_no_run() -> None:
    with pytest.raises(zenbook.ZenbookError):
        waiting.options(background=True)(file=3)
    assert len(zenbook.runs(limit=None)) == 0


@step(cache=False)
def talks_and_waits(file: str) -> None:
    for one in range(3):
        print("line", one)
        time.sleep(0.3)  # so that each is passed on by itself
    print("the last")
    while not Path(file).exists():
        time.sleep(0.02)


@pipeline
def talking(file: str = "go"):
    talks_and_waits(file)


def test_the_last_line_before_a_silence_is_seen() -> None:
    run = talking.options(background=True)()
    heard, follower = follow(run)

    def said() -> bool:
        return "the last\n" in "".join(one.text for one in heard.events if isinstance(one, Logged))

    with heard.news:
        assert heard.news.wait_for(said, LIMIT)
    Path("go").touch()
    follower.join(LIMIT)
    assert heard.events[-1].state is RunState.SUCCEEDED
