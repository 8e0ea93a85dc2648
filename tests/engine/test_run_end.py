"""The one place that says how a run ended."""

from __future__ import annotations

import pytest

from zenbook.core.states import StepState
from zenbook.engine.run_end import RunEnd
from zenbook.stack.records import StepRecord


def steps(*states: str) -> list[StepRecord]:
    return [
        StepRecord("run", f"step{number}", number, StepState(state), error=f"error {number}")
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("error", "state", "line"),
    [
        (None, "succeeded", ""),
        (KeyboardInterrupt(), "cancelled", "interrupted"),
        (ValueError("wrong\nvery"), "failed", "ValueError: wrong"),
    ],
)
def test_the_driver_of_a_run_knows_what_ended_it(error: BaseException | None, state: str, line: str) -> None:
    end = RunEnd.of_error(error)
    assert (str(end.state), end.error) == (state, line)


@pytest.mark.parametrize(
    ("states", "state", "line"),
    [
        (["succeeded", "cached"], "succeeded", ""),
        (["succeeded", "failed", "skipped"], "failed", "error 1"),
        (["cancelled", "crashed", "failed"], "failed", "error 1"),
        (["succeeded", "cancelled", "skipped"], "cancelled", "interrupted"),
        (["skipped"], "cancelled", "interrupted"),
    ],
)
def test_a_run_that_no_process_drives_is_what_its_steps_became(states: list[str], state: str, line: str) -> None:
    end = RunEnd.of_steps(steps(*states))
    assert end is not None
    assert (str(end.state), end.error) == (state, line)


@pytest.mark.parametrize("states", [["failed", "pending"], ["running"]])
def test_a_run_with_a_step_that_has_not_ended_has_not_ended(states: list[str]) -> None:
    assert RunEnd.of_steps(steps(*states)) is None


@pytest.mark.parametrize(
    ("states", "state", "line"),
    [(["failed", "crashed"], "crashed", "error 1"), (["failed", "skipped"], "cancelled", "ended in Airflow")],
)
def test_a_run_that_another_engine_ended_early_crashed_or_was_cancelled(
    states: list[str], state: str, line: str
) -> None:
    end = RunEnd.of_lost_steps(steps(*states), "ended in Airflow")
    assert (str(end.state), end.error) == (state, line)


def test_a_run_whose_driver_is_gone_crashed() -> None:
    assert RunEnd.of_lost_process(is_this_process=False).error == "the process that drove the run is gone"
    end = RunEnd.of_lost_process(is_this_process=True)
    assert (str(end.state), end.error) == ("crashed", "its end could not be recorded")
    update = end.update("run", 1.0, 2.0)
    assert (update.id, str(update.state), update.started_at, update.ended_at) == ("run", "crashed", 1.0, 2.0)
