"""Run one step of one plan: look the cache up, load inputs, call, store outputs, report what happened.

This is the only way in which a step runs: the local orchestrator calls it in the kernel's process, and the worker in a
process of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

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
from zenbook.core.graph import Node, StepKind
from zenbook.core.states import StepState
from zenbook.engine.run_context import HIDDEN, STATE, Attempt, RunContext, as_stored
from zenbook.engine.run_end import INTERRUPTED
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.cache_decision import CacheDecision, decide, key_of
from zenbook.engine.steps.call_step import call_step
from zenbook.engine.steps.failure_text import describe_failure, one_line
from zenbook.engine.steps.output_capture import recorded
from zenbook.engine.steps.step_context import StepContext, current_step
from zenbook.engine.steps.step_inputs import drop_unrelated_bundle_members, fill, find_inputs, library_settings_in
from zenbook.engine.steps.step_result import StepResult
from zenbook.errors import RunError, StepTimeoutError, StoreError, ZenbookError
from zenbook.interrupts import pause
from zenbook.stack.records import CachedStep

_capsule_lock = threading.RLock()  # a capsule's modules are the process's modules while it runs: one at a time


class AttemptFailedError(RunError):
    """An attempt failed, and another scheduler will start another attempt; the cause is the step's own exception."""


def run_step(context: RunContext, node: Node) -> StepFinished:
    """Run one step, or serve it from the cache, and report its end to the listeners.

    Args:
        context: The run.
        node: The step's node.

    Returns:
        The step's end.

    Raises:
        RunError: The step asked Python to exit.
        ZenbookError: Something around the step failed.
        Exception: What the step raised.
    """
    step_run = _StepRun(context, node)
    try:
        step_run.prepare()
        step_run.decision = decide(context, node, step_run.inputs, step_run.decision.key)
        if step_run.decision.hit is not None:
            finished = step_run.served(step_run.decision.hit)
            context.emit(finished)
            return finished
        return step_run.attempts()
    except SystemExit as error:
        asked_to_exit = RunError(
            f"Step {node.name!r} asked Python to exit ({one_line(error)}).", "Raise an exception to end a step instead."
        )
        _report_failure(step_run, asked_to_exit)
        raise asked_to_exit from error
    except BaseException as error:
        _report_failure(step_run, error)
        raise


def _report_failure(step_run: _StepRun, error: BaseException) -> None:
    context = step_run.context
    if step_run.node.name in context.finished or isinstance(error, AttemptFailedError):
        return
    try:
        context.emit(step_run.failed(error))
    except StoreError as unrecorded:  # the step's own exception matters more than that it could not be recorded
        error.add_note(f"and the metadata store failed: {unrecorded.message}")


class _StepRun:
    """One step run, from its inputs to its end."""

    def __init__(self, context: RunContext, node: Node) -> None:
        self.context = context
        self.node = node
        self.inputs: dict[str, UsedInput] = {}
        self.decision = CacheDecision()
        self.attempt = context.outer_attempt.number - 1 if context.outer_attempt is not None else 0
        self.started_at: float | None = None

    def prepare(self) -> None:
        """Find the inputs and compute the cache key."""
        for name, used in find_inputs(self.context, self.node):
            self.inputs[name] = used
        drop_unrelated_bundle_members(self.node, self.inputs)
        self.decision = CacheDecision(key_of(self.context, self.node, self.inputs))

    def served(self, hit: CachedStep) -> StepFinished:
        """The end of a step that is served from the cache."""
        outputs = {output.name: as_stored(output) for output in hit.outputs}
        self._restore_random_state(outputs)
        library_settings.apply(library_settings_in(self.context, outputs))
        return self._finished(
            StepState.CACHED,
            outputs=tuple(outputs.items()),
            metrics=tuple((metric.name, metric.value) for metric in hit.metrics),
            why=f"unchanged since run {hit.step.run}",
            cached_from=hit.step.run,
            random_in=hit.step.random_in,
            notes=tuple(note for note in hit.step.notes if not note.startswith(ATTEMPT_NOTE)),
        )

    # --- attempts -----------------------------------------------------------------------------------------------

    def attempts(self) -> StepFinished:
        """Call the step, again after a failure as often as its options say."""
        context, retries = self.context, self.node.options.retries
        if context.outer_attempt is not None:
            return self._only_attempt(context.outer_attempt)
        while True:
            self.attempt += 1
            self._start()
            try:
                finished = self._attempt()
            except Exception as error:
                if self.attempt > retries.count or _is_final(error):
                    raise
                delay = retries.delay * 2 ** (self.attempt - 1)
                context.emit(StepRetried(context.run, self.node.name, self.attempt, one_line(error), delay))
                pause(delay)
            else:
                context.emit(finished)
                return finished

    def _only_attempt(self, outer: Attempt) -> StepFinished:
        """Call the step once. If it fails and others will try it again, it has not ended yet."""
        context = self.context
        self.attempt = outer.number
        self._start()
        try:
            finished = self._attempt()
        except Exception as error:
            if outer.last:
                raise
            context.emit(StepRetried(context.run, self.node.name, self.attempt, one_line(error), 0.0))
            raise AttemptFailedError(f"Attempt {outer.number} failed.") from error
        context.emit(finished)
        return finished

    def _start(self) -> None:
        context, decision = self.context, self.decision
        self.started_at = time.time()
        context.emit(
            StepStarted(context.run, self.node.name, self.attempt, decision.key, decision.reason, at=self.started_at)
        )

    def _attempt(self) -> StepFinished:
        result = self._call()
        if self.node.kind is StepKind.CELL:
            self.context.cell_results[self.node.name] = result
        return self._succeeded(result)

    def _call(self) -> StepResult:
        context, node = self.context, self.node
        artifacts = {name: used.stored for name, used in self.inputs.items()}
        self._restore_random_state(artifacts)
        nested = current_step.get() is not None  # a step that calls a pipeline holds the lock already
        token = current_step.set(StepContext(context.run, node.name, context.listener))
        try:
            with nullcontext() if nested else _capsule_lock, recorded(self._log, self._show_progress):
                return call_step(
                    node,
                    context.plan.capsule_of(node.name),
                    context.reader,
                    {name: stored for name, stored in artifacts.items() if name not in STATE},
                    self._arguments,
                    display_recorder=context.display_recorder,
                    seeded=[generator for generator, name in random_state.OUTPUTS.items() if name in self.inputs],
                    settings=library_settings_in(context, artifacts),
                )
        finally:
            current_step.reset(token)

    def _restore_random_state(self, artifacts: Mapping[str, Stored]) -> None:
        for generator, name in random_state.OUTPUTS.items():
            if name in artifacts:
                random_state.restore(generator, self.context.reader.read(artifacts[name]))

    def _arguments(self, objects: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the call, with the loaded inputs in their places."""
        return {name: fill(template, objects) for name, template in self.node.arguments.items()}

    def _log(self, stream: str, text: str) -> None:
        self.context.listener.on_event(Logged(self.context.run, self.node.name, stream, text))

    def _show_progress(self, line: str) -> None:
        self.context.listener.on_event(Progressed(self.context.run, self.node.name, 0, None, line))

    # --- ends ---------------------------------------------------------------------------------------------------

    def _succeeded(self, result: StepResult) -> StepFinished:
        return self._finished(
            StepState.SUCCEEDED,
            outputs=tuple(result.outputs.items()),
            metrics=tuple(result.metrics.items()),
            random_in=result.random_in,
            notes=(*self.decision.notes, *result.notes),
            why=self.decision.reason,
            # A cell served from the cache would lack the names that could not be stored.
            cache_key="" if result.live else self.decision.key,
        )

    def failed(self, error: BaseException) -> StepFinished:
        """The end of a step that failed or was interrupted."""
        cancelled = isinstance(error, KeyboardInterrupt)
        line, text = describe_failure(error)
        return self._finished(
            StepState.CANCELLED if cancelled else StepState.FAILED,
            error=INTERRUPTED if cancelled else line,
            traceback="" if cancelled else text,
            why=self.decision.reason,
        )

    def _finished(self, state: StepState, *, notes: tuple[str, ...] = (), **facts: Any) -> StepFinished:
        outer = self.context.outer_attempt
        return StepFinished(
            run=self.context.run,
            step=self.node.name,
            state=state,
            attempt=self.attempt,
            started_at=self.started_at,
            inputs=tuple(self.inputs.items()),
            notes=(*notes, *(outer.notes if outer is not None else ())),
            **{"cache_key": self.decision.key, **facts},
        )


def _is_final(error: Exception) -> bool:
    """Whether another attempt cannot help: the mistake is in how the step is written, not in what it met."""
    return isinstance(error, ZenbookError) and not isinstance(error, StepTimeoutError)


__all__ = ["HIDDEN", "RunContext", "as_stored", "run_step"]
