"""Where a step's inputs come from, and its arguments with the loaded inputs in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.core.events import Stored, UsedInput
from zenbook.core.graph import Json, Node
from zenbook.core.plain_values import decode
from zenbook.engine.run_context import STATE, RunContext
from zenbook.engine.steps import library_settings
from zenbook.errors import RunError


def find_inputs(context: RunContext, node: Node) -> Iterator[tuple[str, UsedInput]]:
    """Find the artifacts that a step takes.

    Args:
        context: The run.
        node: The step's node.

    Yields:
        The name of an input, and the artifact; optional inputs that this run does not have are left out.

    Raises:
        RunError: This run does not have an input that the step needs.
    """
    for name, source in node.inputs.items():
        used = _find_input(context, node, name)
        if used is not None:
            yield name, used
        elif not source.optional:
            missing = source.sources[0] if source.sources else None
            raise RunError(
                f"Step {node.name!r} needs {f'{missing.output!r} of step {missing.step!r}' if missing else name}, "
                "which this run does not have.",
                "Run the whole pipeline again; steps that have not changed come from the cache.",
            )


def _find_input(context: RunContext, node: Node, name: str) -> UsedInput | None:
    source = node.inputs[name]
    if source.external_input:
        return UsedInput("", source.external_input, context.plan.external_inputs[source.external_input])
    for ref in source.sources:
        stored = context.output(ref.step, ref.output)
        if stored is not None:
            return UsedInput(ref.step, ref.output, stored)
    return None


def drop_unrelated_bundle_members(node: Node, inputs: dict[str, UsedInput]) -> None:
    """Drop the inputs that a cell does not read and that share no object with one that it reads.

    Args:
        node: The step's node.
        inputs: Its inputs by name, from which those are removed that were not stored in one bundle with an input that
            the cell reads.
    """
    optional = {name for name, source in node.inputs.items() if source.optional} - STATE
    bundles = {used.stored.digest for name, used in inputs.items() if used.stored.member and name not in optional}
    for name in optional & inputs.keys():
        stored = inputs[name].stored
        if not stored.member or stored.digest not in bundles:
            del inputs[name]


def library_settings_in(context: RunContext, artifacts: Mapping[str, Stored]) -> library_settings.Values:
    """Read the settings of libraries that earlier cells have made.

    Args:
        context: The run.
        artifacts: The inputs or outputs of a step, by name.

    Returns:
        The settings by library; empty if there are none among the artifacts.
    """
    stored = artifacts.get(library_settings.OUTPUT)
    return {} if stored is None else library_settings.from_bytes(context.reader.read(stored))


def fill(template: Json, objects: Mapping[str, Any]) -> Any:
    """Decode an argument and put the loaded inputs into it.

    Args:
        template: The argument as the plan holds it.
        objects: The loaded inputs by name.

    Returns:
        What the step's function gets.
    """
    if isinstance(template, list):
        return [fill(part, objects) for part in template]
    if isinstance(template, Mapping):
        if len(template) == 1:
            tag, body = next(iter(template.items()))
            if tag == "$input":
                return objects[body]
            if tag == "$tuple":
                return tuple(fill(part, objects) for part in body)
            if tag == "$dict":
                return {decode(key): fill(part, objects) for key, part in body}
            if tag.startswith("$"):
                return decode(template)
        return {key: fill(part, objects) for key, part in template.items()}
    return decode(template)
