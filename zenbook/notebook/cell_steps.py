"""One step cell: its code, options and outputs, and the node of the notebook's plan that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zenbook.core.capsule import Capsule, Piece
from zenbook.core.capture.cell import CellCode, read_cell
from zenbook.core.durations import seconds
from zenbook.core.graph import Json, Node, Retries, StepOptions
from zenbook.core.plan import Code
from zenbook.core.step import check_outputs
from zenbook.errors import DefinitionError, did_you_mean
from zenbook.notebook.step_options import CellOptions


@dataclass(frozen=True, slots=True)
class CellStep:
    """One step cell as it was last run or read."""

    name: str
    code: CellCode
    origin: Piece
    options: StepOptions
    declared_outputs: tuple[str, ...] | None  # as `-o` says; None if they are inferred

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return self.code.assigned if self.declared_outputs is None else self.declared_outputs


@dataclass(frozen=True, slots=True)
class BuiltCell:
    """A cell's node and what it runs."""

    node: Node
    capsule: Capsule
    code: Code

    def with_params(self, values: Mapping[str, Json]) -> BuiltCell:
        """The same cell with other values of its parameters.

        Args:
            values: Encoded values by name; names that are not parameters of this cell are ignored.

        Returns:
            A cell whose node has the values as arguments.
        """
        own = {name: value for name, value in values.items() if name in self.node.params}
        return replace(self, node=replace(self.node, arguments={**self.node.arguments, **own}))


def read_step(name: str, options: CellOptions, text: str, origin: Piece) -> CellStep:
    """Read a cell as a step.

    Args:
        name: The step's name.
        options: What was written behind ``%%step``.
        text: The cell below the line with ``%%step``.
        origin: Where the text is from, for tracebacks.

    Returns:
        The step.

    Raises:
        SyntaxError: The text is not Python. It names the cell and the line.
    """
    try:
        code = read_cell(text, name)
    except SyntaxError as error:
        _move(error, origin)
        raise
    outputs = None
    if options.outputs is not None:
        outputs = tuple(output.strip() for output in options.outputs.split(",") if output.strip())
        check_outputs(outputs, name)
        _check_assigned(outputs, code, name)
    step_options = StepOptions(
        cache=not options.no_cache,
        retries=Retries(max(options.retries, 0), seconds(options.retry_delay, "retry_delay", name)),
        timeout=None if options.timeout is None else seconds(options.timeout, "timeout", name),
    )
    return CellStep(name, code, origin, step_options, outputs)


def _check_assigned(outputs: tuple[str, ...], code: CellCode, step: str) -> None:
    for output in outputs:
        if output not in code.assigned and output not in code.names.unbound_reads:
            raise DefinitionError(
                f"Step {step!r} does not assign its output `{output}`.",
                did_you_mean(output, code.assigned, noun="name"),
            )


def _move(error: SyntaxError, origin: Piece) -> None:
    """Let a syntax error name the cell and the line in which it stands."""
    error.filename = origin.file
    error.lineno = (error.lineno or 1) + origin.line - 1
    if error.end_lineno:
        error.end_lineno += origin.line - 1
