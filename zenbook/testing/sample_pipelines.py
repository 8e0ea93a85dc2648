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
    """A step without inputs."""
    sys.stdout.write(f"loading {rows}\n")
    return [*range(rows)]


@step
def split(values: list[int]) -> tuple[Annotated[list[int], "even"], Annotated[list[int], "odd"]]:
    """A step with two outputs."""
    return [value for value in values if value % 2 == 0], [value for value in values if value % 2]


@step
def score(table: Table, even: list[int], odd: list[int], scale: float = 1.0) -> Annotated[float, "score"]:
    """A step with inputs of two steps, an object of the pipeline's and a parameter."""
    log_metrics(rows=len(even) + len(odd))
    return (sum(even) - sum(odd) + sum(table.values)) * scale


@pipeline
def scoring(table: Table, rows: int = 5, scale: float = 0.5) -> None:
    """Three steps one after another."""
    even, odd = split(load(rows))
    score(table, even, odd, scale)


@step
def count() -> int:
    """A step without inputs or parameters."""
    return 3


@step
def divide(x: float, by: int) -> float:
    """A step that fails where ``by`` is 0."""
    return x / by


@pipeline
def dividing(by: int) -> None:
    """The second step fails, and the third has no input."""
    first = divide(count(), by)
    divide(first, 1)


@step(retries=2, retry_delay=0.01)
def tries(file: str, needed: int) -> int:
    """A step that succeeds at a certain attempt."""
    path = Path(file)
    attempts = path.read_text().count("x") + 1 if path.exists() else 1
    path.write_text("x" * attempts)
    if attempts < needed:
        raise ConnectionError(f"attempt {attempts}")
    return attempts


@pipeline
def trying(file: str, needed: int) -> None:
    """One step that is tried again."""
    tries(file, needed)


@step
def waits(x: int, file: str) -> int:
    """A step that is interrupted."""
    Path(file).write_text("begun")
    time.sleep(60)
    return x


@pipeline
def waiting(file: str) -> None:
    """The second step is interrupted."""
    divide(waits(count(), file), 1)


@step
def vanishes(x: int) -> int:
    """A step whose process ends without recording anything."""
    import os

    os._exit(4 + x)


@pipeline
def vanishing() -> None:
    """The process of the second step vanishes."""
    divide(vanishes(count()), 1)
