"""Pipelines that the tests of an orchestrator run. The file is copied, so that they are a user's module."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

from zenbook.core.step import step
from zenbook.engine.steps.step_context import log_metrics
from zenbook.pipelines.pipeline import pipeline


class Table:
    """An object that is not a plain value."""

    def __init__(self, values: list[int]) -> None:
        self.values = values


@step
def load(rows: int) -> list[int]:
    """A step without inputs.

    Args:
        rows: How many numbers to load.

    Returns:
        The numbers below ``rows``.
    """
    sys.stdout.write(f"loading {rows}\n")
    return [*range(rows)]


@step
def split(values: list[int]) -> tuple[Annotated[list[int], "even"], Annotated[list[int], "odd"]]:
    """A step with two outputs.

    Args:
        values: Numbers.

    Returns:
        The even and the odd numbers.
    """
    return [value for value in values if value % 2 == 0], [value for value in values if value % 2]


@step
def score(table: Table, even: list[int], odd: list[int], scale: float = 1.0) -> Annotated[float, "score"]:
    """A step with inputs from two steps, an object of the pipeline and a parameter.

    Args:
        table: An object that is passed to the pipeline.
        even: Numbers that are added.
        odd: Numbers that are subtracted.
        scale: A factor.

    Returns:
        The difference of the sums, plus the sum of the table.
    """
    log_metrics(rows=len(even) + len(odd))
    return (sum(even) - sum(odd) + sum(table.values)) * scale


@pipeline
def scoring(table: Table, rows: int = 5, scale: float = 0.5) -> None:
    """Three steps, one after another.

    Args:
        table: An object that is passed to the pipeline.
        rows: How many numbers to load.
        scale: A factor.
    """
    even, odd = split(load(rows))
    score(table, even, odd, scale)


@step
def count() -> int:
    """A step without inputs or parameters."""
    return 3


@step
def divide(x: float, by: int) -> float:
    """A step that fails where ``by`` is 0.

    Args:
        x: The dividend.
        by: The divisor.

    Returns:
        The quotient.
    """
    return x / by


@pipeline
def dividing(by: int) -> None:
    """The second step fails if ``by`` is 0, and then the third has no input.

    Args:
        by: The divisor.
    """
    first = divide(count(), by)
    divide(first, 1)


@step(retries=2, retry_delay=0.01)
def tries(file: str, needed: int) -> int:
    """A step that succeeds at a certain attempt.

    Args:
        file: The file that counts the attempts.
        needed: The attempt that succeeds.

    Returns:
        The number of attempts.

    Raises:
        ConnectionError: More attempts are needed.
    """
    path = Path(file)
    attempts = path.read_text().count("x") + 1 if path.exists() else 1
    path.write_text("x" * attempts)
    if attempts < needed:
        raise ConnectionError(f"attempt {attempts}")
    return attempts


@pipeline
def trying(file: str, needed: int) -> None:
    """One step that is tried again.

    Args:
        file: The file that counts the attempts.
        needed: The attempt that succeeds.
    """
    tries(file, needed)


@step
def waits(x: int, file: str) -> int:
    """A step that is interrupted.

    Args:
        x: A number.
        file: The file that is written when the step has started.

    Returns:
        The input.
    """
    Path(file).write_text("begun")
    time.sleep(60)
    return x


@pipeline
def waiting(file: str) -> None:
    """The second step is interrupted.

    Args:
        file: The file that is written when the step has started.
    """
    divide(waits(count(), file), 1)


@step
def vanishes(x: int) -> int:
    """A step whose process ends without recording anything.

    Args:
        x: A number that is added to the exit code 4.
    """
    import os

    os._exit(4 + x)


@pipeline
def vanishing() -> None:
    """The process of the second step vanishes."""
    divide(vanishes(count()), 1)
