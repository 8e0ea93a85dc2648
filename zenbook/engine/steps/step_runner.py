"""Run one step of one plan: look the cache up, load inputs, call, store outputs, tell what happened.

This is the only way in which a step runs: the local orchestrator calls it in the kernel's process, and the worker in a
process of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from zenbook.core.digest import digest_of_bytes, digest_of_path
from zenbook.core.distributions import is_stdlib, project_file, version_of
from zenbook.core.events import (
    ATTEMPT_NOTE,
    Logged,
    Progressed,
    StepFinished,
    StepRetried,
    StepStarted,
    Stored,
    UsedInput,
)
from zenbook.core.fingerprint import cache_key
from zenbook.core.graph import Json, Node, StepKind
from zenbook.core.plain_values import decode, paths_in
from zenbook.core.states import StepState
from zenbook.engine.run_context import HIDDEN, RANDOM, STATE, Attempt, RunContext, as_stored
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.call_step import StepResult, call_step
from zenbook.engine.steps.failure_text import describe_failure, one_line
from zenbook.engine.steps.output_capture import recorded
from zenbook.engine.steps.step_context import StepContext, current_step
from zenbook.errors import RunError, StepTimeoutError, StoreError, ZenbookError
from zenbook.interrupts import pause
from zenbook.stack.records import CachedStep

_one_step = threading.RLock()  # a capsule's modules are the process's modules while it runs: one at a time


class AttemptFailedError(RunError):
    """An attempt that failed, and that another scheduler follows by another: its cause is the step's own exception."""


def run_step(context: RunContext, node: Node) -> StepFinished:
    """Run one step, or serve it from the cache, and tell the listener.

    Raises what the step itself raises, or a `ZenbookError` where something around it fails, after telling of the end.
    """
    call = _Call(context, node)
    try:
        call.prepare()
        hit = call.look_up()
        if hit is not None:
            finished = call.served(hit)
            context.emit(finished)
            return finished
        return call.attempts()
    except SystemExit as error:
        told = RunError(
            f"Step {node.name!r} asked Python to exit ({one_line(error)}).", "Raise an exception to end a step instead."
        )
        _tell_failure(call, told)
        raise told from error
    except BaseException as error:
        _tell_failure(call, error)
        raise


def _tell_failure(call: _Call, error: BaseException) -> None:
    context = call.context
    if call.node.name in context.finished or isinstance(error, AttemptFailedError):
        return
    try:
        context.emit(call.failed(error))
    except StoreError as unrecorded:  # the step's own exception matters more than that it could not be written down
        error.add_note(f"and the metadata store failed: {unrecorded.message}")


class _Call:
    """One step run, from its inputs to its end."""

    def __init__(self, context: RunContext, node: Node) -> None:
        self.context = context
        self.node = node
        self.inputs: dict[str, UsedInput] = {}
        self.key = ""
        self.attempt = context.attempt.attempt - 1 if context.attempt is not None else 0
        self.started_at: float | None = None
        self.why = ""
        self.notes: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Find the inputs and make the cache key."""
        plan, node = self.context.plan, self.node
        for name, wanted in node.inputs.items():
            found = self._find_input(name)
            if found is not None:
                self.inputs[name] = found
            elif not wanted.optional:
                missing = wanted.sources[0] if wanted.sources else None
                raise RunError(
                    f"Step {node.name!r} needs {f'{missing.output!r} of step {missing.step!r}' if missing else name}, "
                    "which this run does not have.",
                    "Run the whole pipeline again; what is unchanged comes from the cache.",
                )
        self._drop_unrelated_bundle_members()
        contents = tuple(digest_of_path(path) for value in node.arguments.values() for path in paths_in(value))
        keys = {name: _keyed(used.stored) for name, used in self.inputs.items() if name not in RANDOM}
        self.key = cache_key(plan.code[node.name].fingerprint, node.arguments, keys, node.outputs, contents)

    def _drop_unrelated_bundle_members(self) -> None:
        """Keep of the inputs that a cell does not read those that were stored in one bundle with one that it reads."""
        optional = {name for name, wanted in self.node.inputs.items() if wanted.optional} - STATE
        bundles = {one.stored.digest for name, one in self.inputs.items() if one.stored.member and name not in optional}
        for name in optional & self.inputs.keys():
            stored = self.inputs[name].stored
            if not stored.member or stored.digest not in bundles:
                del self.inputs[name]

    def _find_input(self, name: str) -> UsedInput | None:
        wanted = self.node.inputs[name]
        if wanted.external_input:
            return UsedInput("", wanted.external_input, self.context.plan.external_inputs[wanted.external_input])
        for ref in wanted.sources:
            stored = self.context.output(ref.step, ref.output)
            if stored is not None:
                return UsedInput(ref.step, ref.output, stored)
        return None

    # --- cache --------------------------------------------------------------------------------------------------

    def look_up(self) -> CachedStep | None:
        """The step run whose outputs can be served, if there is one."""
        context, node = self.context, self.node
        used = [one for one, _ in context.plan.capsule_of(node.name).requirements]
        given = self._settings(self._stored_inputs) if node.kind is StepKind.CELL else None
        outside = library_settings.outside(used, given) if used else ""
        if outside:
            self.key = ""
            self.why = f"{outside} was set outside of steps, so it is not cached"
            self.notes = (f"{outside} was set outside of steps, and does not travel: set it in a step",)
            return None
        if not context.use_cache or not node.options.cache:
            self.why = "the cache is off for this run" if node.options.cache else "the cache is off for this step"
            return None
        for hit in context.metadata.find_cached(self.key):
            if not all(self._random_is(one) for one in hit.step.random_in.split()):
                self.why = "it draws from the global random state, which is another now"
            elif not all(context.reader.exists(as_stored(one)) for one in hit.outputs):
                self.why = "an artifact that it made is gone from the store"
            else:
                return hit
        return None

    def _random_is(self, found: str) -> bool:
        """Whether a generator's state is the one from which a cached cell drew."""
        generator, _, digest = found.partition(":")
        given = self.inputs.get(random_state.OUTPUTS[generator])
        if given is not None:
            return digest_of_bytes(self.context.reader.read(given.stored)) == digest
        return random_state.digest(random_state.state_of(generator)) == digest

    def served(self, hit: CachedStep) -> StepFinished:
        """The end of a step that is served from the cache."""
        outputs = tuple((one.name, as_stored(one)) for one in hit.outputs)
        self._restore_random(dict(outputs))
        library_settings.apply(self._settings(dict(outputs)))
        return self._finished(
            StepState.CACHED,
            outputs=outputs,
            metrics=tuple((one.name, one.value) for one in hit.metrics),
            why=f"unchanged since run {hit.step.run}",
            cached_from=hit.step.run,
            random_in=hit.step.random_in,
            notes=tuple(one for one in hit.step.notes if not one.startswith(ATTEMPT_NOTE)),
        )

    # --- running ------------------------------------------------------------------------------------------------

    def attempts(self) -> StepFinished:
        """Call the step, again after a failure as often as its options say."""
        context, node = self.context, self.node
        retries = node.options.retries
        if context.attempt is not None:
            return self._one_attempt(context.attempt)
        while True:
            self.attempt += 1
            self.started_at = time.time()
            context.emit(StepStarted(context.run, node.name, self.attempt, self.key, self.why, at=self.started_at))
            try:
                finished = self._attempt()
            except Exception as error:
                if self.attempt > retries.count or _is_final(error):
                    raise
                delay = retries.delay * 2 ** (self.attempt - 1)
                context.emit(StepRetried(context.run, node.name, self.attempt, one_line(error), delay))
                pause(delay)
            else:
                context.emit(finished)
                return finished

    def _one_attempt(self, attempt: Attempt) -> StepFinished:
        """Call the step once. One that failed and will be tried again by others has no end yet."""
        context, node = self.context, self.node
        self.attempt = attempt.attempt
        self.started_at = time.time()
        context.emit(StepStarted(context.run, node.name, self.attempt, self.key, self.why, at=self.started_at))
        try:
            finished = self._attempt()
        except Exception as error:
            if attempt.last:
                raise
            context.emit(StepRetried(context.run, node.name, self.attempt, one_line(error), 0.0))
            raise AttemptFailedError(f"Attempt {attempt.attempt} failed.") from error
        context.emit(finished)
        return finished

    def _attempt(self) -> StepFinished:
        context, node = self.context, self.node
        capsule = context.plan.capsule_of(node.name)
        stored = {name: used.stored for name, used in self.inputs.items() if name not in STATE}
        self._restore_random(self._stored_inputs)
        within = current_step.get() is not None  # a step that calls a pipeline holds the lock already
        token = current_step.set(StepContext(context.run, node.name, context.listener))
        try:
            with nullcontext() if within else _one_step, recorded(self._log, self._passing):
                called = call_step(
                    node,
                    capsule,
                    context.reader,
                    stored,
                    self._arguments,
                    display_recorder=context.display_recorder,
                    seeded=[one for one, name in random_state.OUTPUTS.items() if name in self.inputs],
                    settings=self._settings(self._stored_inputs),
                )
        finally:
            current_step.reset(token)
        if node.kind is StepKind.CELL:
            context.cell_results[node.name] = called
        return self._succeeded(called)

    def _restore_random(self, states: Mapping[str, Stored]) -> None:
        for generator, name in random_state.OUTPUTS.items():
            if name in states:
                random_state.restore(generator, self.context.reader.read(states[name]))

    @property
    def _stored_inputs(self) -> dict[str, Stored]:
        return {name: used.stored for name, used in self.inputs.items()}

    def _settings(self, states: Mapping[str, Stored]) -> library_settings.Values:
        stored = states.get(library_settings.OUTPUT)
        return {} if stored is None else library_settings.from_bytes(self.context.reader.read(stored))

    def _arguments(self, objects: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the call, with the loaded inputs in their places."""
        return {name: _filled(template, objects) for name, template in self.node.arguments.items()}

    def _log(self, stream: str, text: str) -> None:
        self.context.listener.on_event(Logged(self.context.run, self.node.name, stream, text))

    def _passing(self, line: str) -> None:
        self.context.listener.on_event(Progressed(self.context.run, self.node.name, 0, None, line))

    def _succeeded(self, called: StepResult) -> StepFinished:
        if called.live:
            self.key = ""  # served from the cache, the cell would lack those names
        return self._finished(
            StepState.SUCCEEDED,
            outputs=tuple(called.outputs.items()),
            metrics=tuple(called.metrics.items()),
            random_in=called.random_in,
            notes=(*self.notes, *called.notes),
            why=self.why,
        )

    def failed(self, error: BaseException) -> StepFinished:
        """The end of a step that failed or was interrupted."""
        cancelled = isinstance(error, KeyboardInterrupt)
        line, text = describe_failure(error)
        return self._finished(
            StepState.CANCELLED if cancelled else StepState.FAILED,
            error="interrupted" if cancelled else line,
            traceback="" if cancelled else text,
            why=self.why,
        )

    def _finished(self, state: StepState, **facts: Any) -> StepFinished:
        return StepFinished(
            run=self.context.run,
            step=self.node.name,
            state=state,
            attempt=self.attempt,
            started_at=self.started_at,
            cache_key=self.key,
            inputs=tuple(self.inputs.items()),
            **{**facts, "notes": (*facts.get("notes", ()), *self._attempt_notes())},
        )

    def _attempt_notes(self) -> tuple[str, ...]:
        attempt = self.context.attempt
        return attempt.notes if attempt is not None else ()


def _keyed(stored: Stored) -> str:
    """What identifies an input for the cache: its content, and the package whose methods a step calls on it.

    A step that only receives a frame uses pandas without importing it.
    """
    top, dot, _ = stored.type.partition(".")
    package = version_of(top) if dot and not is_stdlib(top) and project_file(top) is None else None
    return f"{stored.key} {'=='.join(package)}" if package is not None else stored.key


def _is_final(error: Exception) -> bool:
    """Whether trying again can't help: the mistake is in how the step is made, not in what it met."""
    return isinstance(error, ZenbookError) and not isinstance(error, StepTimeoutError)


def _filled(template: Json, objects: Mapping[str, Any]) -> Any:
    if isinstance(template, list):
        return [_filled(one, objects) for one in template]
    if isinstance(template, Mapping):
        if len(template) == 1:
            tag, body = next(iter(template.items()))
            if tag == "$input":
                return objects[body]
            if tag == "$tuple":
                return tuple(_filled(one, objects) for one in body)
            if tag == "$dict":
                return {decode(key): _filled(one, objects) for key, one in body}
            if tag.startswith("$"):
                return decode(template)
        return {key: _filled(one, objects) for key, one in template.items()}
    return decode(template)


__all__ = ["HIDDEN", "RunContext", "as_stored", "run_step"]
