"""All about one step of a run, as JSON for the panel. Read from the stores, so it is asked for and not sent along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zenbook.core.events import Stored
from zenbook.core.plain_values import show
from zenbook.display.table import file_size, number
from zenbook.engine.artifact_io import Reader
from zenbook.engine.run_context import HIDDEN, as_stored
from zenbook.errors import ZenbookError
from zenbook.history.run import Run
from zenbook.history.step_runs import StepRun
from zenbook.notebook.panels.log_tail import cut_lines
from zenbook.stack.records import OutputRecord
from zenbook.stack.stack import OpenStack

_CODE = 40_000  # characters of a step's code, and of a traceback
_ARRAY = 64 << 20  # bytes of an array that is read for its statistics
_LINES = 500  # of a log, in one answer


def details(run: Run, name: str) -> dict[str, Any]:
    """Read all that is recorded about one step.

    Args:
        run: The run.
        name: The step's name.

    Returns:
        State, parameters, inputs and outputs with previews, code and traceback.
    """
    step = run.steps[name]
    records, stack = run._stack.metadata.outputs([run.id]), run._stack
    outputs = [record for record in records if _is_output(name, record)]
    return {
        "state": str(step.state),
        "why": step.why,
        "error": step.error,
        "traceback": step.traceback[-_CODE:],
        "notes": list(step.notes),
        "params": [[key, f"{value!r:.300}"] for key, value in step.params.items()],
        "metrics": [[key, number(value)] for key, value in step.metrics.items()],
        "inputs": _inputs(run, step, records, stack),
        "outputs": [_described(record.name, as_stored(record), stack) for record in outputs],
        "code": step.code[:_CODE],
    }


def log_lines(run: Run, name: str, first: int | None) -> dict[str, Any]:
    """Read at most 500 lines of a step's log from the store.

    Args:
        run: The run.
        name: The step's name.
        first: The number of the first line, from 0; None for the last lines.

    Returns:
        The number of the first line, how many lines there are in all, and the text.
    """
    text = "".join(chunk.text for chunk in run._stack.metadata.logs(run.id, name))
    total = text.count("\n") + bool(text and not text.endswith("\n"))
    start = max(0, total - _LINES) if first is None else first
    return {"first": start, "total": total, "text": cut_lines(text, start, start + _LINES)}


def _is_output(step: str, record: OutputRecord) -> bool:
    return record.step == step and record.name not in HIDDEN


def _inputs(run: Run, step: StepRun, records: list[OutputRecord], stack: OpenStack) -> list[dict[str, Any]]:
    external_inputs: Mapping[str, Stored] = run.plan.external_inputs
    described: list[dict[str, Any]] = []
    used = {record.name: record for record in stack.metadata.inputs([run.id]) if record.step == step.name}
    node = run.plan.graph[step.name]
    for name, node_input in node.inputs.items():
        if name in HIDDEN or node_input.optional:
            continue
        use = used.get(name)
        source = (use.source_step, use.source_output) if use is not None else None
        if source is None and node_input.sources:  # not recorded before the step's end
            source = node_input.sources[0].step, node_input.sources[0].output
        if node_input.external_input or source is None:
            stored, words = external_inputs.get(node_input.external_input), "given to the pipeline"
        else:
            record = next((r for r in records if (r.step, r.name) == source), None)
            stored, words = (as_stored(record) if record is not None else None), ".".join(source)
        if stored is None:
            described.append({"name": name, "source": words})
        else:
            described.append({**_described(name, stored, stack), "source": words})
    return described


def _described(name: str, stored: Stored, stack: OpenStack) -> dict[str, Any]:
    preview = json.loads(stored.preview) if stored.preview else {}
    if stored.format == "numpy" and stored.size <= _ARRAY:
        preview |= _statistics(stored, stack)
    return {
        "name": name,
        "type": stored.type,
        "size": file_size(stored.size),
        "note": stored.note,
        "preview": {key: _plain(value) for key, value in preview.items()},
    }


def _statistics(stored: Stored, stack: OpenStack) -> dict[str, Any]:
    """Smallest, largest, mean and standard deviation of an array of numbers."""
    try:
        array = Reader(stack.artifacts, stack.metadata).read(stored)
    except ZenbookError:  # the rest of the details is worth showing
        return {}
    if array.dtype.kind not in "iuf" or not array.size:
        return {}
    import numpy as np

    with np.errstate(all="ignore"):
        numbers = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        if not numbers.size:
            return {"missing": int(array.size)}
        facts: dict[str, Any] = {
            "min": number(float(numbers.min())),
            "max": number(float(numbers.max())),
            "mean": number(float(numbers.mean())),
            "std": number(float(numbers.std())),
        }
    return {**facts, "missing": int(array.size - numbers.size)} if numbers.size < array.size else facts


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | list | dict | None) else show(value)
