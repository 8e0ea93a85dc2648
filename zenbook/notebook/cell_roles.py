"""What the names of the notebook are to one step cell: objects of steps above, parameters, or not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zenbook.core.capture.cell import NameRoles
from zenbook.core.capture.executed_cells import import_of
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.errors import CaptureError
from zenbook.notebook.cell_steps import CellStep
from zenbook.notebook.namespace import Namespace

_LITERALS = (bool, int, float, str, type(None))
_MAX_ELEMENTS = 100  # of a literal that still counts as a parameter
_MAX_DEPTH = 3  # of literals in literals


def name_roles(
    step: CellStep, above: Sequence[CellStep], others: Sequence[CellStep], namespace: Namespace
) -> NameRoles:
    """Decide what each name of the notebook is to a step.

    Args:
        step: The step.
        above: The steps above it, in order.
        others: All other steps of the notebook, in order.
        namespace: The notebook's names.

    Returns:
        The names by their role.

    Raises:
        CaptureError: The step reads what only a later step provides.
    """
    space, names = namespace.shell.user_ns, step.code.names
    objects = {name for cell in above for name in cell.outputs} | set(step.code.assigned)
    read_now = {chain[0] for chain in names.reads_on_definition}
    bound_first = names.binds.keys() - names.unbound_reads
    later = {name for name in read_now - bound_first - objects if name in space and namespace.was_placed(name)}
    _refuse_later(step, later, others)
    # When this cell ran first, a function above had nothing to read where only this or a later cell provides the name.
    bound_above = {name for cell in above for name in cell.code.names.binds}
    hidden = {name for name in namespace.names_of_steps() - bound_above if name in bound_first or name not in read_now}
    parameters = {name for name in space if name not in hidden and _is_parameter(name, space, namespace)}
    return NameRoles(frozenset(objects), frozenset(parameters), frozenset(hidden))


def _refuse_later(step: CellStep, names: set[str], others: Sequence[CellStep]) -> None:
    for name in sorted(names):
        for other in others:
            if name in other.outputs:
                raise CaptureError(
                    f"Step {step.name!r} uses `{name}`, but step {other.name!r}, which produces it, comes after it in "
                    "the notebook.",
                    f"Drop this step (%zen step drop {step.name}) and run the cells in their order.",
                )


def _is_parameter(name: str, space: Mapping[str, Any], namespace: Namespace) -> bool:
    if name.startswith("__") or namespace.was_placed(name):
        return False
    if not _is_literal(space[name]) or any(True for _ in import_of(name)):
        return False
    try:
        encode(space[name])
    except NotPlainError:
        return False
    return True


def _is_literal(value: Any, depth: int = 0) -> bool:
    if type(value) in _LITERALS:
        return True
    if depth > _MAX_DEPTH:
        return False
    if type(value) in (list, tuple):
        return len(value) <= _MAX_ELEMENTS and all(_is_literal(element, depth + 1) for element in value)
    if type(value) is dict:
        parts = (part for pair in value.items() for part in pair)
        return len(value) <= _MAX_ELEMENTS and all(_is_literal(part, depth + 1) for part in parts)
    return type(value).__module__.startswith("pathlib")
