"""The run to which the step cells of a notebook belong: it grows with every cell."""

from __future__ import annotations

import time
from dataclasses import replace

from zenbook.core.events import Listener, Listeners, StepFinished
from zenbook.core.graph import Node
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.engine.artifact_io import Reader
from zenbook.engine.environment import EnvironmentSnapshot
from zenbook.engine.run_context import RunContext
from zenbook.engine.run_end import RunEnd, write_end
from zenbook.engine.run_records import RunRows, new_run_record
from zenbook.engine.steps.cell_display import SHOWN, Entry
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.engine.steps.step_result import StepResult
from zenbook.engine.steps.step_runner import run_step
from zenbook.interrupts import interrupts_can_wait, uninterrupted
from zenbook.notebook.display_recorder import NotebookDisplayRecorder
from zenbook.stack.records import Batch
from zenbook.stack.stack import OpenStack


class CellRun:
    """One growing run of a notebook's step cells on one stack.

    Args:
        pipeline: The name of the notebook's pipeline.
        stack: The stack.
        before: The notebook's run before this one, if there is one.
    """

    def __init__(self, pipeline: str, stack: OpenStack, before: CellRun | None) -> None:
        self.stack = stack
        self.reader = Reader(stack.artifacts, stack.metadata)
        self.finished: dict[str, StepFinished] = {}
        self.earlier: dict[str, StepFinished] = {}
        if before is not None and before.stack is stack:
            self.earlier = {**before.earlier, **before.finished}
        self.record = new_run_record(pipeline, stack, orchestrator="cells")

    def can_take(self, step: str, stack: OpenStack) -> bool:
        """Whether a step can join this run.

        Args:
            step: The step's name.
            stack: The stack on which it is to run.

        Returns:
            True if the run does not have the step yet, and the stack is the same.
        """
        return step not in self.finished and stack is self.stack

    def run(
        self, plan: Plan, node: Node, recorder: NotebookDisplayRecorder, listener: Listener | None, *, use_cache: bool
    ) -> tuple[StepFinished, StepResult | None]:
        """Run one step of the notebook's plan within this run. Raises what the step raises.

        Args:
            plan: The plan of this step and the steps above it.
            node: The step's node.
            recorder: Records what the cell displays.
            listener: Gets the events; None for nobody.
            use_cache: Whether the step may be served from the cache.

        Returns:
            How the step ended, and the result of the call if the step was executed.
        """
        with interrupts_can_wait():
            with uninterrupted():
                self._grow(plan)
            failing: BaseException | None = None
            try:
                return self._run(plan, node, recorder, Listeners.of((listener,)), use_cache=use_cache)
            except BaseException as error:
                failing = error
                raise
            finally:
                with uninterrupted():
                    self._end(failing)
                failing = None  # an exception and the frame that holds it would keep each other

    def _run(
        self, plan: Plan, node: Node, recorder: NotebookDisplayRecorder, listener: Listener, *, use_cache: bool
    ) -> tuple[StepFinished, StepResult | None]:
        with (
            proxied_streams(),
            RunContext.recorded(plan, self.record.id, self.stack, listener, use_cache=use_cache) as context,
        ):
            context.display_recorder = recorder
            context.finished = self.finished
            self._take_over(context, plan, node)
            finished = run_step(context, node)
            return finished, context.cell_results.get(node.name)

    def _end(self, failing: BaseException | None) -> None:
        end, now = RunEnd.of_error(failing), time.time()
        self.record = replace(self.record, state=end.state, ended_at=now, error=end.error)
        batch = Batch(runs=[end.update(self.record.id, self.record.started_at, now)])
        write_end(batch, self.stack, failing, what=f"the end of run {self.record.id}")

    def _grow(self, plan: Plan) -> None:
        environment = EnvironmentSnapshot().collect()
        self.record = replace(self.record, state=RunState.RUNNING, ended_at=None)
        rows = RunRows.of(plan, self.record, environment, recorded_steps=self.finished)
        self.record = rows.run
        rows.create_run(self.stack.metadata)

    def _take_over(self, context: RunContext, plan: Plan, node: Node) -> None:
        """Let the steps above, which ran in an earlier run, count as cached in this one."""
        for above in plan.graph:
            if above.name == node.name:
                return
            done = self.earlier.get(above.name)
            if above.name not in self.finished and done is not None and done.state.has_outputs:
                context.emit(
                    replace(
                        done,
                        run=self.record.id,
                        state=StepState.CACHED,
                        cached_from=done.cached_from or done.run,
                        why=f"not run again since run {done.run}",
                        at=time.time(),
                    )
                )

    def stale(self, plan: Plan, node: Node) -> list[str]:
        """Find steps above whose inputs have changed since they ran: the user has not run their cells again.

        Args:
            plan: The plan of this step and the steps above it.
            node: The step's node.

        Returns:
            Their names, in order.
        """
        names = []
        for above in plan.graph:
            done = self.finished.get(above.name)
            for name, used in done.inputs if done is not None and above.name != node.name else ():
                node_input = above.inputs.get(name)
                sources = node_input.sources if node_input is not None and not node_input.optional else ()
                now = next((key for ref in sources for key in self._output(ref.step, ref.output)), None)
                if now is not None and now != used.stored.key:
                    names.append(above.name)
                    break
        return names

    def _output(self, step: str, output: str) -> list[str]:
        done = self.finished.get(step)
        return [artifact.key for name, artifact in done.outputs if name == output] if done is not None else []

    def end_of(self, step: str) -> StepFinished | None:
        """Find how a step last ended, in this run or in an earlier one of the notebook.

        Args:
            step: The step's name.

        Returns:
            Its end; None if it has no outputs.
        """
        done = self.finished.get(step) or self.earlier.get(step)
        return done if done is not None and done.state.has_outputs else None

    def shown(self, finished: StepFinished) -> list[Entry]:
        """Read what a cached cell showed when it was executed.

        Args:
            finished: How the step ended.

        Returns:
            What it displayed, in order.
        """
        stored = dict(finished.outputs).get(SHOWN)
        return self.reader.read(stored) if stored is not None else []


def bundle_companions(finished: StepFinished, output: str) -> set[str]:
    """Find what was stored together with an output because it shares objects with it.

    Args:
        finished: The end of the step that has the output.
        output: The output's name.

    Returns:
        The names of the other outputs in its bundle.
    """
    bundle = next((artifact for name, artifact in finished.outputs if name == output and artifact.member), None)
    if bundle is None:
        return set()
    return {
        name
        for name, artifact in finished.outputs
        if artifact.member and artifact.digest == bundle.digest and name != output
    }
