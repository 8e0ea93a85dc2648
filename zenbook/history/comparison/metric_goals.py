"""Whether a higher or a lower value of a metric is better: the user says it once for a workspace."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from zenbook.core.atomic_write import write_atomically
from zenbook.errors import DefinitionError, StackError, did_you_mean
from zenbook.stack.workspace import Workspace

_FILE = "better.json"


class Goal(StrEnum):
    """Which values of a metric are better."""

    HIGHER = "higher"
    LOWER = "lower"


def metric_goal(metric: str, goal: str) -> dict[str, str]:
    """Say which values of a metric are better: ``zenbook.metric_goal("loss", "lower")``.

    The workspace keeps it (``.zen/better.json``). zenbook guesses nothing: for a metric without a goal, a comparison
    shows the change and no verdict.

    Args:
        metric: The metric's name, as it was logged.
        goal: ``"higher"`` or ``"lower"``.

    Returns:
        The goals of all metrics of the workspace, by metric.

    Raises:
        DefinitionError: The goal is another word.
        StackError: The workspace's file cannot be read or written.
    """
    return _remember({metric: goal})


def better(**directions: str) -> dict[str, str]:
    """The former name of `metric_goal`, which stays for code that uses it.

    Args:
        **directions: ``"higher"`` or ``"lower"`` by metric.

    Returns:
        The goals of all metrics of the workspace, by metric.
    """
    return _remember(directions)


def known_goals(workspace: Workspace | None = None) -> dict[str, Goal]:
    """The goals that a workspace keeps.

    Args:
        workspace: The workspace; None for the current one.

    Returns:
        The goal of each metric that has one, by metric.

    Raises:
        StackError: The workspace's file cannot be read.
    """
    file = (workspace or Workspace.find()).home / _FILE
    try:
        return {str(metric): Goal(goal) for metric, goal in json.loads(file.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise StackError(
            f"Could not read {file}: {error}.", 'It must contain {"metric": "higher" or "lower"}.'
        ) from error


def _remember(goals: dict[str, str]) -> dict[str, str]:
    for metric, goal in goals.items():
        if goal not in list(Goal):
            raise DefinitionError(
                f"The goal of the metric {metric!r} cannot be {goal!r}.",
                did_you_mean(str(goal), list(Goal), noun="goal"),
            )
    workspace = Workspace.find()
    known = {metric: str(goal) for metric, goal in known_goals(workspace).items()}
    if goals:
        known |= {metric: str(Goal(goal)) for metric, goal in goals.items()}
        _write(workspace.ensure().home / _FILE, known)
    return known


def _write(file: Path, known: dict[str, str]) -> None:
    try:
        write_atomically(file, json.dumps(known, indent=1, sort_keys=True))
    except OSError as error:
        raise StackError(
            f"Could not write {file}: {error.strerror or error}.", "Check that the folder is writable."
        ) from error
