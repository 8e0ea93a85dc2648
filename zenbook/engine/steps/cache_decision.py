"""Decide whether a step is served from the cache: its key, the earlier step run with that key, the reason for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zenbook.core.digest import digest_of_bytes, digest_of_path
from zenbook.core.distributions import is_stdlib, project_file, version_of
from zenbook.core.events import Stored, UsedInput
from zenbook.core.fingerprint import cache_key
from zenbook.core.graph import Node, StepKind
from zenbook.core.plain_values import paths_in
from zenbook.engine.run_context import RANDOM, RunContext, as_stored
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.step_inputs import library_settings_in
from zenbook.stack.records import CachedStep


@dataclass(frozen=True, slots=True)
class CacheDecision:
    """What the cache has for one step run.

    Attributes:
        key: The key under which the step run is recorded; empty if no later run may be served from it.
        hit: The step run whose outputs are served; None if the step has to run.
        reason: Why the step has to run, if more is known than that no step run has the key.
        notes: What the user is to know about the step run.
    """

    key: str = ""
    hit: CachedStep | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


def key_of(context: RunContext, node: Node, inputs: Mapping[str, UsedInput]) -> str:
    """Compute the cache key of a step.

    Args:
        context: The run.
        node: The step's node.
        inputs: Its inputs by name.

    Returns:
        64 hex digits.

    Raises:
        DefinitionError: A path argument names a file that cannot be read.
    """
    contents = tuple(digest_of_path(path) for value in node.arguments.values() for path in paths_in(value))
    keys = {name: _input_key(used.stored) for name, used in inputs.items() if name not in RANDOM}
    return cache_key(context.plan.code[node.name].fingerprint, node.arguments, keys, node.outputs, contents)


def decide(context: RunContext, node: Node, inputs: Mapping[str, UsedInput], key: str) -> CacheDecision:
    """Look for a step run whose outputs can be served.

    Args:
        context: The run.
        node: The step's node.
        inputs: Its inputs by name.
        key: The step's cache key.

    Returns:
        What was found, or why the step has to run.
    """
    outside = _settings_changed_outside(context, node, inputs)
    if outside:
        return CacheDecision(
            reason=f"not cached: {outside} was changed outside a step. Set it inside a step",
            notes=(f"{outside} was set outside a step, so other processes do not get it: set it inside a step",),
        )
    miss = CacheDecision(key)
    if not node.options.cache:
        return replace(miss, reason="the cache is off for this step")
    if not context.use_cache:
        return replace(miss, reason="the cache is off for this run")
    for hit in context.metadata.find_cached(key):
        if not all(_is_same_random_state(context, inputs, state) for state in hit.step.random_in.split()):
            miss = replace(miss, reason="it uses the global random state, and that state has changed since")
        elif not all(context.reader.exists(as_stored(output)) for output in hit.outputs):
            miss = replace(miss, reason="an artifact that it produced is missing from the store")
        else:
            return replace(miss, hit=hit)
    return miss


def _settings_changed_outside(context: RunContext, node: Node, inputs: Mapping[str, UsedInput]) -> str:
    distributions = [name for name, _ in context.plan.capsule_of(node.name).requirements]
    stored = {name: used.stored for name, used in inputs.items()}
    inherited = library_settings_in(context, stored) if node.kind is StepKind.CELL else None
    return library_settings.changed_outside_steps(distributions, inherited) if distributions else ""


def _is_same_random_state(context: RunContext, inputs: Mapping[str, UsedInput], recorded: str) -> bool:
    """Whether a generator is in the state from which a cached cell drew, recorded as ``numpy:digest``."""
    generator, _, digest = recorded.partition(":")
    used = inputs.get(random_state.OUTPUTS[generator])
    if used is not None:
        return digest_of_bytes(context.reader.read(used.stored)) == digest
    return random_state.digest(random_state.state_of(generator)) == digest


def _input_key(stored: Stored) -> str:
    """What identifies an input for the cache: its content, and the package whose methods a step calls on it."""
    # A step that only receives a frame uses pandas without importing it.
    top, dot, _ = stored.type.partition(".")
    package = version_of(top) if dot and not is_stdlib(top) and project_file(top) is None else None
    return f"{stored.key} {'=='.join(package)}" if package is not None else stored.key
