"""Builds the node of a step cell: its inputs from the steps above, its parameters from plain values of the notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from zenbook.core.capture.capture import capture_cell
from zenbook.core.fingerprint import fingerprint
from zenbook.core.graph import Input, Node, OutputRef, StepKind
from zenbook.core.plain_values import encode
from zenbook.core.plan import Code
from zenbook.engine.run_context import STATE
from zenbook.notebook.cell_roles import name_roles
from zenbook.notebook.cell_session import CellRun, bundle_companions
from zenbook.notebook.cell_steps import BuiltCell, CellStep
from zenbook.notebook.namespace import Namespace


class CellBuilder:
    """Builds one cell, knowing the cells around it.

    Args:
        namespace: The notebook's names.
        steps: All steps of the notebook, in order.
        built: The steps that were built before, by name.
        run: The run to which the cells belong; None before the first.
    """

    def __init__(
        self, namespace: Namespace, steps: Sequence[CellStep], built: Mapping[str, BuiltCell], run: CellRun | None
    ) -> None:
        self._namespace = namespace
        self._steps = steps
        self._built = built
        self._run = run

    def build(self, step: CellStep) -> BuiltCell:
        """Build a step.

        Args:
            step: One of the notebook's steps.

        Returns:
            Its node, capsule and fingerprint. Raises what `name_roles` and the capture of its code raise.
        """
        above = self._steps[: self._steps.index(step)]
        others = [other for other in self._steps if other.name != step.name]
        roles = name_roles(step, above, others, self._namespace)
        space = self._namespace.shell.user_ns
        capsule, used = capture_cell(
            step.code.text, step.code.names, space, name=step.name, roles=roles, origin=step.origin
        )
        available = {name for cell in above for name in cell.outputs}
        read = used & available
        inputs = {name: Input(tuple(self._sources(above, name))) for name in sorted(read)}
        companions = self._companions(above, inputs) - read - set(step.code.assigned)
        optional = {name: Input(tuple(self._sources(above, name)), optional=True) for name in sorted(companions)}
        state = {
            name: Input(tuple(OutputRef(cell.name, name) for cell in reversed(above)), optional=True)
            for name in sorted(STATE)
            if above
        }
        params = {name: encode(space[name]) for name in sorted((used & roles.parameters) - available)}
        node = Node(
            name=step.name,
            step=step.name,
            kind=StepKind.CELL,
            outputs=step.outputs,
            arguments={**{name: {"$input": name} for name in sorted(read)}, **params},
            inputs={**inputs, **optional, **state},
            options=step.options,
            inferred=step.declared_outputs is None,
        )
        return BuiltCell(node, capsule, Code(capsule.digest, fingerprint(capsule)))

    def _companions(self, above: Sequence[CellStep], inputs: Mapping[str, Input]) -> set[str]:
        """Names whose objects may share parts with the inputs: a change of one may change the other."""
        # Of a step that has run, they are the members of the same bundle; of another, all its outputs.
        outputs = {cell.name: cell.outputs for cell in above}
        names: set[str] = set()
        for ref in {ref for node_input in inputs.values() for ref in node_input.sources}:
            finished = self._run.end_of(ref.step) if self._run is not None else None
            if finished is None:
                names.update(outputs[ref.step])
            else:
                names.update(bundle_companions(finished, ref.output))
        space = self._namespace.shell.user_ns
        return {name for name in names if name not in space or self._namespace.was_placed(name)}

    def _sources(self, above: Sequence[CellStep], name: str) -> Iterator[OutputRef]:
        """The steps that may have the name's latest version, the nearest first: those that make it or take it."""
        for cell in reversed(above):
            if name in cell.outputs:
                yield OutputRef(cell.name, name)
                if name in cell.code.names.always_bound:
                    return
            elif cell.name in self._built and name in self._built[cell.name].node.inputs:
                yield OutputRef(cell.name, name)
            elif cell.name not in self._built and name in cell.code.names.unbound_reads:
                yield OutputRef(cell.name, name)
