"""States and durations of steps, and the environments of runs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.core.states import StepState
from zenbook.history.comparison.run_data import RunData
from zenbook.stack.records import StepRecord

_NOTABLE_SECONDS, _NOTABLE_RATIO = 0.1, 1.5  # a step has changed that took this much and so many times longer
_GIT = {"commit": "git commit", "branch": "git branch", "dirty": "uncommitted changes"}


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: state, seconds and attempts in each run that has it, by run id. A cached step took no time."""

    states: Mapping[str, StepState]
    seconds: Mapping[str, float]
    attempts: Mapping[str, int]
    twin: str = ""  # a step of another name in the other run that runs the same code

    def differs(self, runs: Sequence[RunData]) -> bool:
        """Whether runs differ in more than the noise of durations: 0.1 s and half as much again.

        Args:
            runs: The runs.

        Returns:
            True for a difference.
        """
        if len(self.states) < len({run.id for run in runs}) or len(set(self.states.values())) > 1:
            return True
        if len(set(self.attempts.values())) > 1:
            return True
        if not self.seconds:
            return False
        shortest, longest = min(self.seconds.values()), max(self.seconds.values())
        return longest - shortest > _NOTABLE_SECONDS and longest > shortest * _NOTABLE_RATIO


def steps(runs: Sequence[RunData]) -> dict[str, StepTimes]:
    """The steps of all runs.

    Args:
        runs: The runs.

    Returns:
        Each step by name, in the order in which the runs have them.
    """
    names = dict.fromkeys(name for run in runs for name in run.steps)
    return {name: _times(name, runs) for name in names}


def _times(name: str, runs: Sequence[RunData]) -> StepTimes:
    records = {run.id: run.steps[name] for run in runs if name in run.steps}
    return StepTimes(
        {run: record.state for run, record in records.items()},
        {run: seconds for run, record in records.items() if (seconds := _seconds(record)) is not None},
        {run: record.attempt for run, record in records.items() if record.state is not StepState.CACHED},
        _twin(name, runs) if len(records) == 1 and len(runs) == 2 else "",
    )


def _seconds(step: StepRecord) -> float | None:
    if step.state is StepState.CACHED or step.started_at is None or step.ended_at is None:
        return None
    return step.ended_at - step.started_at


def _twin(name: str, runs: Sequence[RunData]) -> str:
    """A step that only the other run has and that runs the same code: this one by another name."""
    here, there = runs if name in runs[0].steps else reversed(runs)
    fingerprint = here.steps[name].fingerprint
    if not fingerprint:
        return ""
    twins = (
        other for other, record in there.steps.items() if record.fingerprint == fingerprint and other not in here.steps
    )
    return next(twins, "")


def environment(runs: Sequence[RunData]) -> dict[str, dict[str, Any]]:
    """The environments of all runs.

    Args:
        runs: The runs.

    Returns:
        The values by run id of each fact: ``python``, ``git commit``, ``package numpy``.
    """
    by_name: dict[str, dict[str, Any]] = {}
    for run in runs:
        for name, value in _flat(run.environment).items():
            by_name.setdefault(name, {})[run.id] = value
    return by_name


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in environment.items():
        if name == "packages":
            flat |= {f"package {package}": version for package, version in value.items()}
        elif name == "git":
            flat |= {_GIT.get(fact, f"git {fact}"): git_value for fact, git_value in value.items()}
        else:
            flat[name] = value
    return flat
