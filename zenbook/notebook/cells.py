"""``%%step`` cells: each runs as a step at once, and together they are the notebook's pipeline.

All cells that run one after another belong to one run, which grows; running a cell again opens the next run, in which
the steps above it count as cached.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zenbook.core.graph import Graph, Json
from zenbook.core.plain_values import decode, encode
from zenbook.core.plan import Plan
from zenbook.core.step import check_name
from zenbook.core.tracing.parameter_targets import targets_by_name
from zenbook.display.table import Table
from zenbook.engine.launcher import launch
from zenbook.engine.run_context import STATE
from zenbook.errors import RunError, did_you_mean
from zenbook.history.runs import Run
from zenbook.notebook.cell_builder import CellBuilder
from zenbook.notebook.cell_session import CellRun
from zenbook.notebook.cell_steps import BuiltCell, CellStep, read_step
from zenbook.notebook.cell_summary import shown_step, summary
from zenbook.notebook.display_recorder import NotebookDisplayRecorder
from zenbook.notebook.namespace import Namespace
from zenbook.notebook.step_options import CellOptions
from zenbook.pipelines.pipeline import in_background
from zenbook.pipelines.sources import parse_param
from zenbook.stack.stack import open_stack


class NotebookSteps:
    """The step cells of one notebook, in order."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace = Namespace(shell)
        self._steps: dict[str, CellStep] = {}
        self._unnamed: dict[str, str] = {}  # cell id or text → name
        self._built: dict[str, BuiltCell] = {}
        self._run: CellRun | None = None

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def pipeline(self) -> str:
        """The name of the notebook's pipeline: the notebook's own."""
        return self.namespace.notebook_name()

    @property
    def name(self) -> str:
        """The pipeline's name, as something that can be run."""
        return self.pipeline

    # --- cells --------------------------------------------------------------------------------------------------

    def run_cell(self, options: CellOptions, text: str) -> Any:
        """Run a cell as a step, and put its outputs into the namespace.

        Raises what reading and building the step raise, before anything is executed, and what the cell itself raises.

        Args:
            options: What was written behind ``%%step``.
            text: The cell below that line.

        Returns:
            The value of the cell's last line; None if it is not shown.
        """
        step = self._read(options, text)
        before = self._steps.get(step.name)
        self._steps[step.name] = step
        try:
            built = self._build(step)
        except BaseException:
            self._restore(step.name, before)
            raise
        self._built[step.name] = built
        stack = open_stack()
        if self._run is None or not self._run.can_take(step.name, stack):
            self._run = CellRun(self.pipeline, stack, self._run)
        above = [name for name in self._order_above(step.name) if name in self._built]
        plan = self._plan({name: self._built[name] for name in (*above, step.name)})
        recorder = NotebookDisplayRecorder(self.shell, quiet=step.code.quiet)
        self.namespace.refuse_changes(self._run.reader, built.node)
        with shown_step(self._run.record.id, built.node.name) as line:
            finished, called = self._run.run(plan, built.node, recorder, line.listener, use_cache=True)
            line.show(summary(built.node, finished, self._run.stale(plan, built.node), stack.stack))
        self.namespace.define(step.code, step.origin)
        self.namespace.place(self._run.reader, step.name, finished, {} if called is None else called.live)
        self.namespace.remove(step.code.names.deleted - set(step.outputs))
        if called is None:
            recorder.replay(self._run.shown(finished))
            return None
        return None if step.code.quiet else called.value

    def define(self, options: CellOptions, text: str) -> None:
        """Add a cell to the notebook's pipeline without running it.

        Args:
            options: What was written behind ``%%step``.
            text: The cell below that line.
        """
        step = self._read(options, text)
        self._steps[step.name] = step
        self.namespace.define(step.code, step.origin)

    def drop(self, name: str) -> None:
        """Remove a step.

        Args:
            name: Its name.

        Raises:
            RunError: The notebook has no such step.
        """
        if name not in self._steps:
            raise RunError(f"The notebook has no step {name!r}.", did_you_mean(name, self._steps, noun="step"))
        self._restore(name, None)
        self._built.pop(name, None)
        self._run = None

    def params(self) -> dict[str, Json]:
        """The parameters of all steps that were built, with their encoded values."""
        return _params_of(self._built)

    def table(self) -> Table:
        """The steps in order, with their inputs and outputs."""
        rows = []
        for name in self._steps:
            node = self._built[name].node if name in self._built else None
            takes = [*node.inputs, *node.params] if node is not None else []
            rows.append(
                (
                    name,
                    ", ".join(name for name in takes if name not in STATE),
                    ", ".join(self._steps[name].outputs),
                )
            )
        return Table("Step cells", ("step", "takes", "makes"), rows, empty="(no cell begins with %%step)")

    # --- the whole notebook -------------------------------------------------------------------------------------

    def run(self, params: Mapping[str, str], *, stack: str | None, cache: bool, background: bool = False) -> Run:
        """Run all steps on a stack.

        Args:
            params: Texts of parameters by name; the others keep the notebook's values.
            stack: The stack's name; None for the active stack.
            cache: Whether steps may be served from the cache.
            background: Whether they run in a process of their own.

        Returns:
            The run.
        """
        plan = self._whole(params)
        opened = open_stack(stack)
        if background:
            return in_background(plan, opened, use_cache=cache)
        return Run(launch(plan, opened, use_cache=cache), opened)

    def plan(self, params: Mapping[str, str], *, stack: str | None) -> Plan:
        """Make the plan that `run` would execute.

        Args:
            params: Texts of parameters by name; the others keep the notebook's values.
            stack: Not used: the plan is the same for all stacks.

        Returns:
            The plan.
        """
        plan = self._whole(params)
        return replace(plan, bindings=targets_by_name(plan))

    def _whole(self, params: Mapping[str, str]) -> Plan:
        for step in self._steps.values():
            self._built[step.name] = self._build(step)
        built = {name: self._built[name] for name in self._steps}
        known = _params_of(built)
        defaults = {name: decode(value) for name, value in known.items()}
        values = {name: encode(parse_param(self.pipeline, name, text, None, defaults)) for name, text in params.items()}
        return self._plan({name: cell.with_params(values) for name, cell in built.items()}, {**known, **values})

    def _plan(self, built: Mapping[str, BuiltCell], params: Mapping[str, Json] | None = None) -> Plan:
        return Plan(
            pipeline=self.pipeline,
            graph=Graph(tuple(cell.node for cell in built.values())),
            code={name: cell.code for name, cell in built.items()},
            capsules={cell.capsule.digest: cell.capsule for cell in built.values()},
            params=_params_of(built) if params is None else params,
            python=platform.python_version(),
        )

    # --- reading and building -----------------------------------------------------------------------------------

    def _read(self, options: CellOptions, text: str) -> CellStep:
        name = options.name or self._name_of_unnamed(text)
        check_name(name)
        return read_step(name, options, text, self.namespace.origin_of(text, name))

    def _name_of_unnamed(self, text: str) -> str:
        key = self.namespace.cell_id() or text
        if key not in self._unnamed:
            self._unnamed[key] = f"cell_{len(self._unnamed) + 1}"
        return self._unnamed[key]

    def _restore(self, name: str, before: CellStep | None) -> None:
        if before is None:
            self._steps.pop(name, None)
        else:
            self._steps[name] = before

    def _order_above(self, name: str) -> list[str]:
        names = list(self._steps)
        return names[: names.index(name)]

    def _build(self, step: CellStep) -> BuiltCell:
        return CellBuilder(self.namespace, list(self._steps.values()), self._built, self._run).build(step)


def _params_of(built: Mapping[str, BuiltCell]) -> dict[str, Json]:
    return {name: value for cell in built.values() for name, value in cell.node.params.items()}
