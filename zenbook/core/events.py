"""What happens during a run, told to listeners. Everything that shows or records progress listens to events.

An event is one of a few frozen kinds; a listener is anything with ``on_event``. The engine never asks who listens.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from zenbook.core.states import RunState, StepState

ATTEMPT_NOTE = "ran by "  # how a step's note begins that says where it ran: a fact, and nothing to look into


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run's first step is about to be looked at."""

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
    """How far a running step has come. Shown while it runs, and not recorded.

    A ``total`` of None is unknown; ``label`` may also be the whole of what is to be shown (a progress bar's own text).
    """

    run: str
    step: str
    done: float
    total: float | None = None
    label: str = ""
    at: float = field(default_factory=time.time)


Event = RunStarted | RunFinished | StepStarted | StepRetried | StepFinished | Logged | Measured | Progressed


class Listener(Protocol):
    """Something that wants to know what happens during a run."""

    def on_event(self, event: Event) -> None:
        """Take one event; called in the thread in which it happened."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Several listeners as one, told in order."""

    each: tuple[Listener, ...]

    @classmethod
    def of(cls, listeners: Iterable[Listener | None]) -> Listeners:
        """The listeners that are there."""
        return cls(tuple(one for one in listeners if one is not None))

    def on_event(self, event: Event) -> None:
        """Pass the event on. When one can't take it (the store is away), the others hear of it before it raises."""
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
