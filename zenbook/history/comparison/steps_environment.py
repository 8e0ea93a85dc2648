"""States and durations of steps, and the environments of runs, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.core.states import StepState
from zenbook.history.comparison.run_data import RunData
from zenbook.stack.records import StepRecord

_NOTABLE = 0.1, 1.5  # seconds, and times: a step that took this much longer or less long has changed
_GIT = {"commit": "git commit", "branch": "git branch", "dirty": "uncommitted changes"}


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: state, seconds and attempts in each run that has it, by run id. A cached step took no time."""

    states: Mapping[str, StepState]
    seconds: Mapping[str, float]
    attempts: Mapping[str, int]
    twin: str = ""  # a step of another name in the other run that runs the same code

    def differs(self, facts: Sequence[RunData]) -> bool:
        """Whether runs differ in more than the noise of durations: 0.1 s and half as much again."""
        if len(self.states) < len({run.id for run in facts}) or len(set(self.states.values())) > 1:
            return True
        if len(set(self.attempts.values())) > 1:
            return True
        if not self.seconds:
            return False
        least, most = min(self.seconds.values()), max(self.seconds.values())
        return most - least > _NOTABLE[0] and most > least * _NOTABLE[1]


def steps(facts: Sequence[RunData]) -> dict[str, StepTimes]:
    """Each step of any run, in the order in which the runs have them."""
    names = dict.fromkeys(name for run in facts for name in run.steps)
    return {name: _times(name, facts) for name in names}


def _times(name: str, facts: Sequence[RunData]) -> StepTimes:
    found = {run.id: run.steps[name] for run in facts if name in run.steps}
    return StepTimes(
        {run: one.state for run, one in found.items()},
        {run: took for run, one in found.items() if (took := _seconds(one)) is not None},
        {run: one.attempt for run, one in found.items() if one.state is not StepState.CACHED},
        _twin(name, facts) if len(found) == 1 and len(facts) == 2 else "",
    )


def _seconds(step: StepRecord) -> float | None:
    if step.state is StepState.CACHED or step.started_at is None or step.ended_at is None:
        return None
    return step.ended_at - step.started_at


def _twin(name: str, facts: Sequence[RunData]) -> str:
    """A step that only the other run has and that runs the same code: this one by another name."""
    here, there = facts if name in facts[0].steps else reversed(facts)
    mine = here.steps[name].fingerprint
    return next(
        (other for other, one in there.steps.items() if mine and one.fingerprint == mine and other not in here.steps),
        "",
    )


def environment(facts: Sequence[RunData]) -> dict[str, dict[str, Any]]:
    """Each fact of the environments, by run id: ``python``, ``git commit``, ``package numpy``."""
    found: dict[str, dict[str, Any]] = {}
    for run in facts:
        for name, value in _flat(run.environment).items():
            found.setdefault(name, {})[run.id] = value
    return found


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in environment.items():
        if name == "packages":
            flat |= {f"package {package}": version for package, version in value.items()}
        elif name == "git":
            flat |= {_GIT.get(fact, f"git {fact}"): one for fact, one in value.items()}
        else:
            flat[name] = value
    return flat
