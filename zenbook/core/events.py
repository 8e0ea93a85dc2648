"""Events: what happens during a run. Everything that shows or records progress listens to them.

An event is one of a few frozen kinds; a listener is anything with ``on_event``. The engine never asks who listens.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from zenbook.core.states import RunState, StepState

ATTEMPT_NOTE = "ran by "  # the beginning of a note that says where a step ran, which needs no action


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run starts, before its first step."""

    run: str
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run has ended; ``error`` is one line, empty if it succeeded."""

    run: str
    state: RunState
    error: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step's function is about to be called (a cached step has no such event)."""

    run: str
    step: str
    attempt: int = 1
    cache_key: str = ""
    why: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class StepRetried:
    """An attempt failed and another follows after ``delay`` seconds."""

    run: str
    step: str
    attempt: int  # the one that failed, 1-based
    error: str
    delay: float
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Stored:
    """One artifact reference: what a step's output became, or what its input was."""

    digest: str
    format: str
    member: str = ""
    address: str = ""
    size: int = 0  # bytes
    type: str = ""
    preview: str = ""  # JSON
    note: str = ""

    @property
    def key(self) -> str:
        """What identifies the value for the cache."""
        return f"{self.format}:{self.digest}" + (f"#{self.member}" if self.member else "")


@dataclass(frozen=True, slots=True)
class UsedInput:
    """Where an input came from; ``source_step`` is empty for an object passed to the pipeline."""

    source_step: str
    source_output: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step has ended, in whatever state."""

    run: str
    step: str
    state: StepState
    attempt: int = 0
    started_at: float | None = None
    cache_key: str = ""
    outputs: tuple[tuple[str, Stored], ...] = ()
    inputs: tuple[tuple[str, UsedInput], ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()  # scalar outputs, by metric name
    error: str = ""
    traceback: str = ""
    why: str = ""
    cached_from: str = ""
    random_in: str = ""
    notes: tuple[str, ...] = ()
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Logged:
    """A step printed or logged something."""

    run: str
    step: str
    stream: str  # "stdout", "stderr" or "log"
    text: str
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Measured:
    """A step logged a metric's value."""

    run: str
    step: str
    name: str
    value: float
    index: int | None = None
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Progressed:
    """The progress of a running step. It is shown while the step runs, and not recorded.

    A ``total`` of None is unknown; ``label`` may also be all that is to be shown (a progress bar's own text).
    """

    run: str
    step: str
    done: float
    total: float | None = None
    label: str = ""
    at: float = field(default_factory=time.time)


Event = RunStarted | RunFinished | StepStarted | StepRetried | StepFinished | Logged | Measured | Progressed


class Listener(Protocol):
    """Receives the events of a run."""

    def on_event(self, event: Event) -> None:
        """Receive an event, in the thread in which it happened.

        Args:
            event: The event.
        """


@dataclass(frozen=True, slots=True)
class Listeners:
    """Several listeners as one, called in order."""

    each: tuple[Listener, ...]

    @classmethod
    def of(cls, listeners: Iterable[Listener | None]) -> Listeners:
        """Join listeners.

        Args:
            listeners: The listeners; None is left out.

        Returns:
            All of them as one.
        """
        return cls(tuple(listener for listener in listeners if listener is not None))

    def on_event(self, event: Event) -> None:
        """Pass an event on to all listeners.

        Args:
            event: The event.

        Raises:
            Exception: What the first listener raised that failed (the store cannot be reached), after all were called.
        """
        failure: Exception | None = None
        for listener in self.each:
            try:
                listener.on_event(event)
            except Exception as error:  # noqa: BLE001  # raised below
                failure = failure or error
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # an exception and the frame that holds it would keep each other
