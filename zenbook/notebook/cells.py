"""``%%step`` cells: each runs as a step at once, and together they are the notebook's pipeline.

All cells that run one after another belong to one run, which grows; running a cell again opens the next run, in which
the steps above it count as cached.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zenbook.core.capsule import Capsule, Piece
from zenbook.core.capture.capture import capture_cell
from zenbook.core.capture.cell import CellCode, read_cell
from zenbook.core.capture.executed_cells import import_of
from zenbook.core.fingerprint import fingerprint
from zenbook.core.graph import Graph, Input, Json, Node, OutputRef, Retries, StepKind, StepOptions
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.core.plan import Code, Plan
from zenbook.core.plan_parameters import targets_by_name
from zenbook.core.step import check_name, check_outputs, seconds
from zenbook.display.table import Table
from zenbook.engine.launcher import launch
from zenbook.engine.run_context import STATE
from zenbook.errors import CaptureError, DefinitionError, RunError, did_you_mean
from zenbook.history.runs import Run
from zenbook.notebook.cell_session import CellRun, companions
from zenbook.notebook.cell_summary import shown_step, summary
from zenbook.notebook.display_recorder import NotebookShower
from zenbook.notebook.namespace import Namespace
from zenbook.notebook.step_options import CellOptions
from zenbook.pipelines.pipeline import in_background
from zenbook.pipelines.sources import parse_param
from zenbook.stack.stack import open_stack

_PLAIN = (bool, int, float, str, type(None))
_FEW = 100  # elements of a literal that still counts as a parameter


@dataclass(frozen=True, slots=True)
class CellStep:
    """One step cell as it was last run or read."""

    name: str
    code: CellCode
    origin: Piece
    options: StepOptions
    outputs: tuple[str, ...] | None  # as `-o` says; None if they are inferred

    @property
    def made(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return self.code.assigned if self.outputs is None else self.outputs


@dataclass(frozen=True, slots=True)
class _Built:
    """A cell's node and what it runs."""

    node: Node
    capsule: Capsule
    code: Code


class NotebookSteps:
    """The step cells of one notebook, in order."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace = Namespace(shell)
        self._steps: dict[str, CellStep] = {}
        self._unnamed: dict[str, str] = {}  # cell id or text → name
        self._built: dict[str, _Built] = {}
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
        """Run a cell as a step, put its outputs into the namespace, and give the value of its last line.

        Raises `DefinitionError` and `CaptureError` before anything runs, and what the cell itself raises.
        """
        step = self._read(options, text)
        before = self._steps.get(step.name)
        self._steps[step.name] = step
        try:
            built = self._build(step)
        except BaseException:
            self._forget(step.name, before)
            raise
        self._built[step.name] = built
        stack = open_stack()
        if self._run is None or not self._run.can_take(step.name, stack):
            self._run = CellRun(self.pipeline, stack, self._run)
        above = [name for name in self._order_above(step.name) if name in self._built]
        plan = self._plan({name: self._built[name] for name in (*above, step.name)})
        shower = NotebookShower(self.shell, quiet=step.code.quiet)
        self.namespace.refuse_changes(self._run.reader, built.node)
        with shown_step(self._run.record.id, built.node.name) as line:
            finished, called = self._run.run(plan, built.node, shower, line.listener, use_cache=True)
            line.show(summary(built.node, finished, self._run.stale(plan, built.node), stack.stack))
        self.namespace.define(step.code, step.origin)
        self.namespace.place(self._run.reader, step.name, finished, {} if called is None else called.live)
        self.namespace.remove(step.code.names.deleted - set(step.made))
        if called is None:
            shower.replay(self._run.shown(finished))
            return None
        return None if step.code.quiet else called.value

    def define(self, options: CellOptions, text: str) -> None:
        """Take a cell into the notebook's pipeline without running it. Raises `DefinitionError`."""
        step = self._read(options, text)
        self._steps[step.name] = step
        self.namespace.define(step.code, step.origin)

    def drop(self, name: str) -> None:
        """Take a step out. Raises `RunError` when there is none of that name."""
        if name not in self._steps:
            raise RunError(f"The notebook has no step {name!r}.", did_you_mean(name, self._steps, noun="step"))
        self._forget(name, None)
        self._built.pop(name, None)
        self._run = None

    def params(self) -> dict[str, Json]:
        """The parameters of all steps that have been seen, with their values."""
        return {name: value for one in self._built.values() for name, value in one.node.params.items()}

    def table(self) -> Table:
        """The steps in order: what they take and what they make."""
        rows = []
        for name in self._steps:
            node = self._built[name].node if name in self._built else None
            takes = [*node.inputs, *node.params] if node is not None else []
            rows.append(
                (
                    name,
                    ", ".join(one for one in takes if one not in STATE),
                    ", ".join(self._steps[name].made),
                )
            )
        return Table("Step cells", ("step", "takes", "makes"), rows, empty="(no cell begins with %%step)")

    # --- the whole notebook -------------------------------------------------------------------------------------

    def run(self, params: Mapping[str, str], *, stack: str | None, cache: bool, background: bool = False) -> Run:
        """Run all steps on a stack, in a process of their own if ``background`` says so.

        Raises `RunError` for an unknown parameter, `CaptureError` for what can't travel.
        """
        plan = self._whole(params)
        opened = open_stack(stack)
        if background:
            return in_background(plan, opened, use_cache=cache)
        return Run(launch(plan, opened, use_cache=cache), opened)

    def plan(self, params: Mapping[str, str], *, stack: str | None) -> Plan:
        """What `run` would run. Raises as it does."""
        plan = self._whole(params)
        return replace(plan, bindings=targets_by_name(plan))

    def _whole(self, params: Mapping[str, str]) -> Plan:
        for step in self._steps.values():
            self._built[step.name] = self._build(step)
        built = {name: self._built[name] for name in self._steps}
        known = {name: value for one in built.values() for name, value in one.node.params.items()}
        values = {name: encode(parse_param(self.pipeline, name, text, None, known)) for name, text in params.items()}
        return self._plan(
            {name: replace(one, node=_with_params(one.node, values)) for name, one in built.items()},
            {**known, **values},
        )

    def _plan(self, built: Mapping[str, _Built], params: Mapping[str, Json] | None = None) -> Plan:
        known = {name: value for one in built.values() for name, value in one.node.params.items()}
        return Plan(
            pipeline=self.pipeline,
            graph=Graph(tuple(one.node for one in built.values())),
            code={name: one.code for name, one in built.items()},
            capsules={one.capsule.digest: one.capsule for one in built.values()},
            params=known if params is None else params,
            python=platform.python_version(),
        )

    # --- reading and building -----------------------------------------------------------------------------------

    def _read(self, options: CellOptions, text: str) -> CellStep:
        name = options.name or self._name_of_unnamed(text)
        check_name(name)
        origin = self.namespace.origin_of(text, name)
        try:
            code = read_cell(text, name)
        except SyntaxError as error:
            _move(error, origin)
            raise
        outputs = None
        if options.outputs is not None:
            outputs = tuple(one.strip() for one in options.outputs.split(",") if one.strip())
            check_outputs(outputs, name)
            self._check_assigned(outputs, code, name)
        return CellStep(
            name,
            code,
            origin,
            StepOptions(
                cache=not options.no_cache,
                retries=Retries(max(options.retries, 0), seconds(options.retry_delay, "retry_delay", name)),
                timeout=None if options.timeout is None else seconds(options.timeout, "timeout", name),
            ),
            outputs,
        )

    def _check_assigned(self, outputs: tuple[str, ...], code: CellCode, name: str) -> None:
        for one in outputs:
            if one not in code.assigned and one not in code.names.unbound_reads:
                raise DefinitionError(
                    f"Step {name!r} does not assign its output `{one}`.", did_you_mean(one, code.assigned, noun="name")
                )

    def _name_of_unnamed(self, text: str) -> str:
        key = self.namespace.cell_id() or text
        if key not in self._unnamed:
            self._unnamed[key] = f"cell_{len(self._unnamed) + 1}"
        return self._unnamed[key]

    def _forget(self, name: str, before: CellStep | None) -> None:
        if before is None:
            self._steps.pop(name, None)
        else:
            self._steps[name] = before

    def _order_above(self, name: str) -> list[str]:
        names = list(self._steps)
        return names[: names.index(name)]

    def _build(self, step: CellStep) -> _Built:
        """The cell's node: its inputs from the steps above, its parameters from plain values of the notebook."""
        space = self.shell.user_ns
        above = [self._steps[name] for name in self._order_above(step.name)]
        available = {name for one in above for name in one.made}
        own = set(step.code.assigned)

        read_now = {chain[0] for chain in step.code.names.reads_on_definition}
        bound = {name for one in above for name in one.code.names.binds}
        certain = step.code.names.binds.keys() - step.code.names.unbound_reads

        def provided(name: str) -> bool:
            if name in read_now:
                self._refuse_later(step, name, available | own)
            return name in available or name in own or (self._is_parameter(name, space) and not absent(name))

        def absent(name: str) -> bool:
            """Whether only this or a later cell makes it: a function above had nothing to read when this ran first."""
            others = name in certain or name not in read_now
            return others and name not in bound and self.namespace.is_of_steps(name)

        capsule, used = capture_cell(
            step.code.text, step.code.names, space, name=step.name, provided=provided, absent=absent, origin=step.origin
        )
        read = used & available
        inputs = {name: Input(tuple(self._sources(above, name))) for name in sorted(read)}
        inputs |= {
            name: Input(tuple(self._sources(above, name)), optional=True)
            for name in sorted(self._companions(above, inputs) - read - own)
        }
        params = {
            name: encode(space[name])
            for name in sorted(used - available)
            if name in space and self._is_parameter(name, space)
        }
        state = {
            name: Input(tuple(OutputRef(one.name, name) for one in reversed(above)), optional=True)
            for name in sorted(STATE)
            if above
        }
        node = Node(
            name=step.name,
            step=step.name,
            kind=StepKind.CELL,
            outputs=step.made,
            arguments={**{name: {"$input": name} for name in sorted(read)}, **params},
            inputs={**inputs, **state},
            options=step.options,
            inferred=step.outputs is None,
        )
        return _Built(node, capsule, Code(capsule.digest, fingerprint(capsule)))

    def _companions(self, above: list[CellStep], inputs: Mapping[str, Input]) -> set[str]:
        """Names whose objects may share parts with the inputs: what the cell changes in one, it changes in the other.

        Of a step that has run, they are the members of the same bundle; of another, all that it makes.
        """
        made = {one.name: one.made for one in above}
        found: set[str] = set()
        for ref in {ref for wanted in inputs.values() for ref in wanted.sources}:
            done = self._run.end_of(ref.step) if self._run is not None else None
            if done is None:
                found.update(made[ref.step])
            else:
                found.update(companions(done, ref.output))
        return {name for name in found if name not in self.shell.user_ns or self.namespace.was_placed(name)}

    def _sources(self, above: list[CellStep], name: str) -> Iterator[OutputRef]:
        """The steps that may have made the name's latest version, the nearest first: makers, and those that take it."""
        for one in reversed(above):
            if name in one.made:
                yield OutputRef(one.name, name)
                if name in one.code.names.always_bound:
                    return
            elif one.name in self._built and name in self._built[one.name].node.inputs:
                yield OutputRef(one.name, name)
            elif one.name not in self._built and name in one.code.names.unbound_reads:
                yield OutputRef(one.name, name)

    def _refuse_later(self, step: CellStep, name: str, known: set[str]) -> None:
        if name in known or name not in self.shell.user_ns:
            return
        later = [one for one in self._steps.values() if name in one.made and one.name != step.name]
        if later and self.namespace.was_placed(name):
            raise CaptureError(
                f"Step {step.name!r} reads `{name}`, which step {later[0].name!r} makes, and that step comes later.",
                f"Drop this step (%zen step drop {step.name}) and run the cells in their order.",
            )

    def _is_parameter(self, name: str, space: Mapping[str, Any]) -> bool:
        if name not in space or name.startswith("__") or self.namespace.was_placed(name):
            return False
        if not _is_literal(space[name]) or any(True for _ in import_of(name)):
            return False
        try:
            encode(space[name])
        except NotPlainError:
            return False
        return True


def _is_literal(value: Any, depth: int = 0) -> bool:
    if type(value) in _PLAIN:
        return True
    if depth > 3:
        return False
    if type(value) in (list, tuple):
        return len(value) <= _FEW and all(_is_literal(one, depth + 1) for one in value)
    if type(value) is dict:
        return len(value) <= _FEW and all(_is_literal(one, depth + 1) for pair in value.items() for one in pair)
    return type(value).__module__.startswith("pathlib")


def _move(error: SyntaxError, origin: Piece) -> None:
    """Let a syntax error name the cell and the line in which it stands."""
    error.filename = origin.file
    error.lineno = (error.lineno or 1) + origin.line - 1
    if error.end_lineno:
        error.end_lineno += origin.line - 1


def _with_params(node: Node, values: Mapping[str, Json]) -> Node:
    own = {name: value for name, value in values.items() if name in node.params}
    return replace(node, arguments={**node.arguments, **own})
