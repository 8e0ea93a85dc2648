"""Make the plan that leaves the notebook from a traced pipeline."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from zenbook.core.capsule import Capsule
from zenbook.core.capture.capture import captured_function
from zenbook.core.events import Stored
from zenbook.core.graph import Json
from zenbook.core.plan import Code, Plan
from zenbook.core.tracing.trace import Traced
from zenbook.engine.artifact_io import store_value
from zenbook.engine.user_formats import captured_formats
from zenbook.errors import FormatError, WiringError
from zenbook.stack.artifact_store import ArtifactStore


def make_plan(
    traced: Traced, artifacts: ArtifactStore, *, pipeline: str, params: Mapping[str, Json], doc: str = ""
) -> Plan:
    """Capture every step, store the objects that were passed to the pipeline, and put the plan together.

    Args:
        traced: The traced pipeline.
        artifacts: Where objects that were passed to the pipeline are stored.
        pipeline: The pipeline's name.
        params: Its parameters, encoded.
        doc: Its docstring.

    Returns:
        The plan.

    Raises:
        CaptureError: Something that a step uses cannot travel.
        WiringError: An object that was passed to the pipeline cannot be stored.
    """
    known: dict[int, tuple[Code, Capsule]] = {}
    code: dict[str, Code] = {}
    capsules: dict[str, Capsule] = {}
    for node in traced.graph:
        step = traced.steps[node.name]
        if id(step.function) not in known:
            captured = captured_function(step.function, name=step.name)
            known[id(step.function)] = Code(captured.capsule.digest, captured.fingerprint), captured.capsule
        code[node.name], capsule = known[id(step.function)]
        capsules[code[node.name].capsule] = capsule
    formats = captured_formats()
    with artifacts.together():
        external_inputs = {
            name: store_external_input(artifacts, name, value) for name, value in traced.external_inputs.items()
        }
    return Plan(
        pipeline=pipeline,
        graph=traced.graph,
        code=code,
        capsules={**capsules, **formats},
        params=params,
        external_inputs=external_inputs,
        formats=tuple(formats),
        python=platform.python_version(),
        doc=doc,
    )


def store_external_input(artifacts: ArtifactStore, name: str, value: Any) -> Stored:
    """Store an object that was passed to a pipeline.

    Args:
        artifacts: Where to store it.
        name: The argument's name, for messages.
        value: The object.

    Returns:
        The artifact.

    Raises:
        WiringError: The object cannot be stored, or is a secret.
    """
    if hasattr(value, "get_secret_value"):  # as pydantic's SecretStr
        raise WiringError(
            f"The argument {name!r} is a secret, but arguments of a pipeline are recorded.",
            "Read it inside the step, from the environment or the system keyring.",
        )
    try:
        return store_value(artifacts, value)
    except FormatError as error:
        raise WiringError(f"The argument {name!r} cannot be stored: {error.message}", error.hint) from error
