"""The part of zenbook that a step's own code can call while it runs."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from zenbook.core.events import Listener, Measured
from zenbook.errors import DefinitionError

METRIC_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class StepContext:
    """The step that runs in this context.

    Attributes:
        run: The run's id.
        step: The step's name.
        listener: What receives the step's events.
    """

    run: str
    step: str
    listener: Listener


current_step: ContextVar[StepContext | None] = ContextVar("zenbook_step", default=None)
if hasattr(os, "register_at_fork"):  # a child's metrics would take the numbers of its parent's
    os.register_at_fork(after_in_child=lambda: current_step.set(None))


def log_metrics(values: Mapping[str, Any] | None = None, /, *, step: int | None = None, **named: Any) -> None:
    """Record metrics of the step that runs: ``log_metrics(accuracy=0.9)``, ``log_metrics({"loss": 0.1}, step=3)``.

    Outside of a run this does nothing, so that a step can be called as a plain function.

    Args:
        values: The metrics by name.
        step: The epoch or iteration, for curves.
        **named: More metrics by name.

    Raises:
        DefinitionError: A value is not a number, or a name is not a text of at most 64 characters.
    """
    context = current_step.get()
    metrics: dict[Any, Any] = {**(values or {}), **named}
    for name, value in metrics.items():
        if not isinstance(name, str) or not name or len(name) > METRIC_NAME_LIMIT:
            raise DefinitionError(
                f"A metric cannot have the name {name!r}.",
                f"A name is a text of at most {METRIC_NAME_LIMIT} characters.",
            )
        number = as_metric(value)
        if number is None:
            raise DefinitionError(
                f"The metric {name!r} is {type(value).__name__}, which is not a number.",
                "Log an int, a float or a bool.",
            )
        if context is not None:
            context.listener.on_event(Measured(context.run, context.step, name, number, step))


def as_metric(value: Any) -> float | None:
    """Turn a scalar into a metric's value.

    Args:
        value: Any object.

    Returns:
        The value; None if the object is not a real number.
    """
    if isinstance(value, float):
        return float(value)
    if isinstance(value, numbers.Real):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # integers above 1e308
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return as_metric(value.item())
    return None
