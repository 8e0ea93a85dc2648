"""Execute a cell in its capsule's main module, and store the names that it leaves."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

from zenbook.core.capsule import Capsule
from zenbook.core.capture.executed_cells import remember_cell
from zenbook.core.events import Stored
from zenbook.core.graph import Node
from zenbook.core.parsing import parse
from zenbook.engine.artifact_io import Reader, store_bundle, store_bytes, store_value
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.capsule_loader import future_flags
from zenbook.engine.steps.cell_display import SHOWN, CellDisplayRecorder, Entry, add_text
from zenbook.engine.steps.mutation import changed_content
from zenbook.engine.steps.open_figures import own_figures
from zenbook.engine.steps.output_capture import also
from zenbook.engine.steps.step_context import METRIC_NAME_LIMIT, as_metric
from zenbook.engine.steps.step_result import StepResult, random_state_note, store_output
from zenbook.errors import FormatError
from zenbook.formats import groups_of_shared
from zenbook.interrupts import run_coroutine, time_limit


@dataclass(slots=True)
class CellCall:
    """One call of a cell.

    Attributes:
        node: The cell's node.
        capsule: Its code.
        reader: What reads the inputs.
        stored: The inputs as they are stored, by name.
        objects: The loaded inputs by name.
        display_recorder: How displays are shown and recorded; None outside of a notebook.
        seeded: The generators whose state an earlier cell has left.
        settings: The settings of libraries, tracked since before the call.
    """

    node: Node
    capsule: Capsule
    reader: Reader
    stored: Mapping[str, Stored]
    objects: dict[str, Any]
    display_recorder: CellDisplayRecorder | None
    seeded: Collection[str]
    settings: library_settings.SettingsTracker

    def run(self, main: ModuleType, arguments: dict[str, Any]) -> StepResult:
        """Execute the cell and store what it leaves.

        Args:
            main: The capsule's main module, in which the cell runs.
            arguments: The inputs and parameters by name.

        Returns:
            The stored names, metrics, random states, settings and displays.
        """
        namespace = vars(main)
        namespace.update(arguments)
        entries: list[Entry] = []
        recorder = self.display_recorder
        showing = recorder.showing(entries) if recorder is not None else nullcontext()
        result = StepResult()
        limit = time_limit(self.node.options.timeout, self.node.name)
        with random_state.tracked(self.settings.look) as tracker, limit:
            noting = also(lambda stream, text: add_text(entries, stream, text) if stream != "log" else None)
            with own_figures(), noting, showing:
                result.value = _execute(self.capsule, namespace)
        if recorder is not None:
            recorder.result(result.value, entries)
        with random_state.preserve_random_state(), self.reader.artifacts.together():
            self._store_names(namespace, result)
            self._store_random_states(tracker, result)
            self._store_settings(result)
            if entries:
                result.outputs[SHOWN] = store_value(self.reader.artifacts, entries)
        return result

    def _store_names(self, namespace: dict[str, Any], result: StepResult) -> None:
        values = {name: namespace[name] for name in self.node.outputs if name in namespace}
        untouched = {name: stored for name, stored in self.stored.items() if name not in values}
        values |= changed_content(self.reader, untouched, self.objects)
        groups = groups_of_shared(values) if len(values) > 1 else [(name,) for name in values]
        refused: list[str] = []
        for group in groups:
            members = {name: values[name] for name in group}
            try:
                result.outputs |= self._store_group(members)
            except FormatError as error:
                if not self.node.inferred:
                    raise
                refused += self._store_each(members, result, error)
        for name in values:
            metric = as_metric(values[name])
            if metric is not None and len(name) <= METRIC_NAME_LIMIT:
                result.metrics[name] = metric
        result.notes += tuple(refused)
        result.live = {name: value for name, value in values.items() if name not in result.outputs}

    def _store_group(self, values: dict[str, Any]) -> dict[str, Stored]:
        if len(values) > 1:
            return store_bundle(self.reader.artifacts, values)
        return {name: store_output(self.node, name, value, self.reader) for name, value in values.items()}

    def _store_each(self, values: dict[str, Any], result: StepResult, error: FormatError) -> list[str]:
        """Store those names that can be stored, and say which cannot: the user has not asked for them by name."""
        if len(values) == 1:
            return [f"`{next(iter(values))}` is not stored: {error.message}"]
        refused = []
        for name, value in values.items():
            try:
                result.outputs[name] = store_output(self.node, name, value, self.reader)
            except FormatError as refusal:
                refused.append(f"`{name}` is not stored: {refusal.message}")
        return refused

    def _store_random_states(self, tracker: random_state.RandomStateTracker, result: StepResult) -> None:
        for generator in tracker.changed:
            state = random_state.to_bytes(tracker.final_state(generator))
            result.outputs[random_state.OUTPUTS[generator]] = store_bytes(self.reader.artifacts, state)
        result.random_in = tracker.initial_states
        result.notes += random_state_note(name for name in tracker.unseeded_draws if name not in self.seeded)

    def _store_settings(self, result: StepResult) -> None:
        changes = self.settings.changes()
        if changes:
            data = library_settings.to_bytes(changes)
            result.outputs[library_settings.OUTPUT] = store_bytes(self.reader.artifacts, data)


def _execute(capsule: Capsule, namespace: dict[str, Any]) -> Any:
    """Execute a cell's code; the value of its last line, if that is an expression."""
    origin = capsule.cell_origin
    file = origin.file if origin is not None and origin.file else f"<zenbook-cell-{capsule.digest[:12]}>"
    if origin is None or not origin.file:
        remember_cell(file, capsule.cell)
    main = next((module for module in capsule.modules if module.name == "__main__"), None)
    flags = future_flags(main) if main is not None else 0
    body, last = _compile_cell(capsule.cell, file, origin.line if origin is not None else 1, flags)
    for code in (body, last):
        if code is None:
            continue
        value = eval(code, namespace)  # noqa: S307
        if inspect.iscoroutine(value):
            value = run_coroutine(value)
        if code is last:
            return value
    return None


@lru_cache(maxsize=512)
def _compile_cell(text: str, file: str, line: int, flags: int) -> tuple[CodeType | None, CodeType | None]:
    tree = parse(text)
    if line > 1:
        ast.increment_lineno(tree, line - 1)
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body = compile(tree, file, "exec", flags=flags, dont_inherit=True) if tree.body else None
    if last is None:
        return body, None
    assert isinstance(last, ast.Expr)
    return body, compile(ast.Expression(last.value), file, "eval", flags=flags, dont_inherit=True)
