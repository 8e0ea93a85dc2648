"""Load a step's inputs, call its capsule, and store the outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from zenbook.core.annotations import conforms, describe, hints_of, output_hints
from zenbook.core.capsule import Capsule
from zenbook.core.events import Stored
from zenbook.core.graph import Node, StepKind
from zenbook.core.tracing.call_arguments import call_with
from zenbook.engine.artifact_io import Reader
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.capsule_loader import entry_of, loaded
from zenbook.engine.steps.cell_call import CellCall
from zenbook.engine.steps.cell_display import CellDisplayRecorder
from zenbook.engine.steps.open_figures import own_figures
from zenbook.engine.steps.step_context import METRIC_NAME_LIMIT, as_metric
from zenbook.engine.steps.step_result import StepResult, random_state_note, store_output
from zenbook.errors import RunError
from zenbook.interrupts import run_coroutine, time_limit

Arguments = Callable[[Mapping[str, Any]], dict[str, Any]]  # loaded inputs by name → arguments of the call


def call_step(
    node: Node,
    capsule: Capsule,
    reader: Reader,
    stored: Mapping[str, Stored],
    arguments: Arguments,
    *,
    display_recorder: CellDisplayRecorder | None,
    seeded: Collection[str],
    settings: library_settings.Values,
) -> StepResult:
    """Load the inputs, call the step's capsule, store the outputs.

    Args:
        node: The step's node.
        capsule: Its code.
        reader: What reads the inputs.
        stored: The inputs as they are stored, by name.
        arguments: Makes the arguments of the call from the loaded inputs.
        display_recorder: How a cell's displays are shown and recorded; None outside of a notebook.
        seeded: The global random generators whose state an earlier cell has left.
        settings: The settings of libraries that earlier cells have made.

    Returns:
        The stored outputs and what else the call gave.

    Raises:
        FormatError: An output cannot be stored.
        RunError: The outputs are of another number or type than the step says.
        Exception: What the step raised.
    """
    with loaded(capsule) as main:
        with random_state.preserve_random_state():
            objects = reader.read_all(stored)
        if node.kind is StepKind.CELL:
            tracker = library_settings.track_cell(settings)
            cell = CellCall(node, capsule, reader, stored, objects, display_recorder, seeded, tracker)
            try:
                return cell.run(main, arguments(objects))
            except BaseException:
                tracker.restore()  # when the cell is run again, it must be seen to set them
                raise
        return _call_function(node, entry_of(capsule, main), reader, arguments, objects)


def _call_function(
    node: Node, function: Callable[..., Any], reader: Reader, arguments: Arguments, objects: dict[str, Any]
) -> StepResult:
    with (
        library_settings.restored_after() as own_settings,
        random_state.tracked(own_settings.look) as draws,
        time_limit(node.options.timeout, node.name),
        own_figures(),
    ):
        value = call_with(function, arguments(objects))
        if inspect.iscoroutine(value):
            value = run_coroutine(value)
    objects.clear()  # the inputs need no memory while the outputs are stored
    with random_state.preserve_random_state():
        result = _store_outputs(node, function, value, reader)
    result.notes = random_state_note(draws.unseeded_draws)
    return result


def _store_outputs(node: Node, function: Callable[..., Any], value: Any, reader: Reader) -> StepResult:
    hint = hints_of(function).get("return") if getattr(function, "__annotations__", None) else None
    hints = output_hints(hint, node.outputs)
    result = StepResult()
    with reader.artifacts.together():
        for name, output in _split(node, value).items():
            expected = hints.get(name)
            if expected is not None and not conforms(output, expected):
                raise RunError(
                    f"Step {node.name!r} returned {type(output).__name__} as its output {name!r}, but its annotation "
                    f"says {describe(expected)}.",
                    "Fix the step or its annotation.",
                )
            result.outputs[name] = store_output(node, name, output, reader, expected)
            metric = as_metric(output)
            if metric is not None:
                result.metrics[(node.step if name == "output" else name)[:METRIC_NAME_LIMIT]] = metric
    return result


def _split(node: Node, value: Any) -> dict[str, Any]:
    if len(node.outputs) == 1:
        return {node.outputs[0]: value}
    if not isinstance(value, tuple | list) or len(value) != len(node.outputs):
        returned = f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__
        raise RunError(
            f"Step {node.name!r} has the outputs {', '.join(node.outputs)}, but returned {returned}.",
            "Return a tuple with one value for each output.",
        )
    return dict(zip(node.outputs, value, strict=True))
