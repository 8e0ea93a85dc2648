"""What a call of a step gave, and how its values are stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.events import Stored
from zenbook.core.graph import Node
from zenbook.engine.artifact_io import Reader, store_value
from zenbook.errors import FormatError

_GENERATOR_NAMES = {"random": "Python's `random`", "numpy": "`numpy.random`"}


@dataclass(slots=True)
class StepResult:
    """What a call of a step gave.

    Attributes:
        outputs: The stored outputs by name.
        metrics: The values of scalar outputs by metric name.
        random_in: The random states from which the step drew, as `RandomStateTracker.initial_states` gives them.
        notes: What the user is to know.
        value: The value of a cell's last line.
        live: The names of a cell whose values could not be stored, with these values.
    """

    outputs: dict[str, Stored] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    random_in: str = ""
    notes: tuple[str, ...] = ()
    value: Any = None
    live: dict[str, Any] = field(default_factory=dict)


def store_output(node: Node, name: str, value: Any, reader: Reader, hint: Any = None) -> Stored:
    """Store one output of a step.

    Args:
        node: The step's node.
        name: The output's name.
        value: The object to store.
        reader: What reads the step's inputs; it remembers small values.
        hint: The output's annotation, which may choose the format.

    Returns:
        The artifact.

    Raises:
        FormatError: No format can store the object.
    """
    try:
        stored = store_value(reader.artifacts, value, hint)
    except FormatError as error:
        raise FormatError(
            f"The output {name!r} of step {node.name!r} cannot be stored: {error.message}", error.hint
        ) from error
    reader.keep(stored, value)
    return stored


def random_state_note(generators: Iterable[str]) -> tuple[str, ...]:
    """Say that a step used global random states without a seed.

    Args:
        generators: Those that it used: "random", "numpy".

    Returns:
        One note; none if it used none.
    """
    names = [_GENERATOR_NAMES[generator] for generator in generators]
    if not names:
        return ()
    note = (
        f"draws from the global state of {' and '.join(names)} without a seed, so its results cannot be repeated: "
        "seed it in the step, or use a generator of its own"
    )
    return (note,)
