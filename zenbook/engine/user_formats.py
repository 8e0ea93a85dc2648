"""A user's own formats travel with the plan, as capsules, and are registered where its steps run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from zenbook.core.capsule import Capsule
from zenbook.core.plan import Plan
from zenbook.engine.steps.capsule_loader import entry_of, loaded
from zenbook.formats.format import Format
from zenbook.formats.registry import register_format, registered_formats


def captured_formats() -> dict[str, Capsule]:
    """The capsules of the formats that were registered in this process, by digest."""
    from zenbook.core.capture.capture import captured_function  # a worker captures nothing

    classes = [type(registered) for registered in registered_formats()]
    capsules = [captured_function(kind, name=kind.__name__).capsule for kind in classes]
    return {capsule.digest: capsule for capsule in capsules}


@contextmanager
def user_formats(plan: Plan) -> Iterator[None]:
    """Register the formats of a plan that this process does not know yet.

    Args:
        plan: The plan.

    Yields:
        Nothing.
    """
    for digest in plan.formats:
        capsule = plan.capsules[digest]
        if capsule.entry.rpartition(":")[2] not in {type(known).__name__ for known in registered_formats()}:
            with loaded(capsule) as main:
                register_format(cast("type[Format]", entry_of(capsule, main)))
    yield
