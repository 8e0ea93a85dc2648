"""Call a step's capsule with its inputs and store what it gives."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

from zenbook.core.annotations import conforms, describe, hints_of, output_hints
from zenbook.core.capsule import Capsule
from zenbook.core.capture.executed_cells import remember_cell
from zenbook.core.events import Stored
from zenbook.core.graph import Node, StepKind
from zenbook.core.parsing import parse
from zenbook.core.trace import call
from zenbook.engine.artifact_io import Reader, store_bundle, store_bytes, store_value
from zenbook.engine.steps import library_settings, random_state
from zenbook.engine.steps.capsule_loader import entry_of, future_flags, loaded
from zenbook.engine.steps.cell_display import SHOWN, CellDisplayRecorder, Entry, add_text
from zenbook.engine.steps.mutation import changed_content
from zenbook.engine.steps.open_figures import own_figures
from zenbook.engine.steps.output_capture import also
from zenbook.engine.steps.step_context import METRIC_NAME_LIMIT, as_metric
from zenbook.errors import FormatError, RunError
from zenbook.formats import groups_of_shared
from zenbook.interrupts import run_coroutine, time_limit

Arguments = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(slots=True)
class StepResult:
    """What a call gave: stored outputs, metrics of scalar outputs, and what is to be noted."""

    outputs: dict[str, Stored] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    random_in: str = ""
    notes: tuple[str, ...] = ()
    value: Any = None  # of a cell's last line
    live: dict[str, Any] = field(default_factory=dict)  # names of a cell that could not be stored


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

    ``seeded`` are the global random generators whose state an earlier step has left, ``settings`` those of libraries
    that earlier cells have made.

    Raises what the step raises, `FormatError` for an output that can't be stored, `RunError` for outputs of another
    number or type than the step says.
    """
    with loaded(capsule) as main:
        with random_state.preserve_random_state():
            objects = reader.read_all(stored)
        if node.kind is StepKind.CELL:
            mine = library_settings.watched(settings)
            cell = _Cell(node, capsule, reader, stored, objects, display_recorder, seeded, mine)
            try:
                return cell.run(main, arguments(objects))
            except BaseException:
                mine.take_back()  # when the cell is run again, it must be seen to set them
                raise
        function = entry_of(capsule, main)
        with (
            library_settings.taken_back() as own,
            random_state.watched(own.look) as watch,
            time_limit(node.options.timeout, node.name),
            own_figures(),
        ):
            value = call(function, arguments(objects))
            if inspect.iscoroutine(value):
                value = run_coroutine(value)
        del objects
        with random_state.preserve_random_state():
            called = _store_outputs(node, function, value, reader)
        called.notes = _random_notes(watch)
        return called


# --- function steps -----------------------------------------------------------------------------------------------


def _store_outputs(node: Node, function: Callable[..., Any], value: Any, reader: Reader) -> StepResult:
    hint = hints_of(function).get("return") if getattr(function, "__annotations__", None) else None
    hints = output_hints(hint, node.outputs)
    called = StepResult()
    with reader.artifacts.together():
        for name, one in _split(node, value).items():
            expected = hints.get(name)
            if expected is not None and not conforms(one, expected):
                raise RunError(
                    f"Step {node.name!r} says that its output {name!r} is {describe(expected)}, and gave "
                    f"{type(one).__name__}.",
                    "Mend the step or its annotation.",
                )
            called.outputs[name] = _store(node, name, one, reader, expected)
            metric = as_metric(one)
            if metric is not None:
                called.metrics[(node.step if name == "output" else name)[:METRIC_NAME_LIMIT]] = metric
    return called


def _split(node: Node, value: Any) -> dict[str, Any]:
    if len(node.outputs) == 1:
        return {node.outputs[0]: value}
    if not isinstance(value, tuple | list) or len(value) != len(node.outputs):
        given = f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__
        raise RunError(
            f"Step {node.name!r} has the outputs {', '.join(node.outputs)}, and returned {given}.",
            "Return a tuple with one value for each output.",
        )
    return dict(zip(node.outputs, value, strict=True))


def _store(node: Node, name: str, value: Any, reader: Reader, hint: Any = None) -> Stored:
    try:
        made = store_value(reader.artifacts, value, hint)
    except FormatError as error:
        raise FormatError(
            f"The output {name!r} of step {node.name!r} can't be stored: {error.message}", error.hint
        ) from error
    reader.keep(made, value)
    return made


_SPOKEN = {"random": "Python's `random`", "numpy": "`numpy.random`"}
_RANDOM_NOTE = (
    "draws from the global state of {} without a seed, so it can't be repeated: "
    "seed it in the step, or use a generator of its own"
)


def _random_notes(watch: random_state.Watch) -> tuple[str, ...]:
    drew = [_SPOKEN[one] for one in watch.drew]
    return (_RANDOM_NOTE.format(" and ".join(drew)),) if drew else ()


# --- cells --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cell:
    """A cell that runs in its capsule's main module."""

    node: Node
    capsule: Capsule
    reader: Reader
    stored: Mapping[str, Stored]
    objects: dict[str, Any]
    display_recorder: CellDisplayRecorder | None
    seeded: Collection[str]
    settings: library_settings.Watch

    def run(self, main: ModuleType, arguments: dict[str, Any]) -> StepResult:
        space = vars(main)
        space.update(arguments)
        entries: list[Entry] = []
        showing = self.display_recorder.showing(entries) if self.display_recorder is not None else nullcontext()
        called = StepResult()
        limit = time_limit(self.node.options.timeout, self.node.name)
        with random_state.watched(self.settings.look) as watch, limit:
            noting = also(lambda stream, text: add_text(entries, stream, text) if stream != "log" else None)
            with own_figures(), noting, showing:
                called.value = _execute(self.capsule, space)
        if self.display_recorder is not None:
            self.display_recorder.result(called.value, entries)
        with random_state.preserve_random_state(), self.reader.artifacts.together():
            self._store_names(space, called)
            self._store_random(watch, called)
            self._store_settings(called)
            if entries:
                called.outputs[SHOWN] = store_value(self.reader.artifacts, entries)
        return called

    def _store_names(self, space: dict[str, Any], called: StepResult) -> None:
        values = {name: space[name] for name in self.node.outputs if name in space}
        values |= changed_content(
            self.reader, {name: one for name, one in self.stored.items() if name not in values}, self.objects
        )
        groups = groups_of_shared(values) if len(values) > 1 else [(name,) for name in values]
        refused: list[str] = []
        for group in groups:
            try:
                called.outputs |= self._store_group({name: values[name] for name in group})
            except FormatError as error:
                if not self.node.inferred:
                    raise
                refused += self._store_each({name: values[name] for name in group}, called, error)
        for name in values:
            metric = as_metric(values[name])
            if metric is not None and len(name) <= METRIC_NAME_LIMIT:
                called.metrics[name] = metric
        called.notes += tuple(refused)
        called.live = {name: value for name, value in values.items() if name not in called.outputs}

    def _store_group(self, values: dict[str, Any]) -> dict[str, Stored]:
        if len(values) > 1:
            return store_bundle(self.reader.artifacts, values)
        return {name: _store(self.node, name, value, self.reader) for name, value in values.items()}

    def _store_each(self, values: dict[str, Any], called: StepResult, error: FormatError) -> list[str]:
        """Store what can be stored of names that the user did not ask for; say of the rest that it is not."""
        if len(values) == 1:
            return [f"`{next(iter(values))}` is not stored: {error.message}"]
        refused = []
        for name, value in values.items():
            try:
                called.outputs[name] = _store(self.node, name, value, self.reader)
            except FormatError as one:
                refused.append(f"`{name}` is not stored: {one.message}")
        return refused

    def _store_random(self, watch: random_state.Watch, called: StepResult) -> None:
        for generator in watch.changed:
            state = random_state.to_bytes(watch.left(generator))
            called.outputs[random_state.OUTPUTS[generator]] = store_bytes(self.reader.artifacts, state)
        called.random_in = watch.found
        unseeded = [one for one in watch.drew if one not in self.seeded]
        if unseeded:
            called.notes += (_RANDOM_NOTE.format(" and ".join(_SPOKEN[one] for one in unseeded)),)

    def _store_settings(self, called: StepResult) -> None:
        left = self.settings.left()
        if left:
            data = library_settings.to_bytes(left)
            called.outputs[library_settings.OUTPUT] = store_bytes(self.reader.artifacts, data)


def _execute(capsule: Capsule, space: dict[str, Any]) -> Any:
    """Execute a cell's code; the value of its last line, if that is an expression."""
    origin = capsule.cell_origin
    file = origin.file if origin is not None and origin.file else f"<zenbook-cell-{capsule.digest[:12]}>"
    if origin is None or not origin.file:
        remember_cell(file, capsule.cell)
    main = next((one for one in capsule.modules if one.name == "__main__"), None)
    flags = future_flags(main) if main is not None else 0
    body, last = _compile_cell(capsule.cell, file, origin.line if origin is not None else 1, flags)
    for code in (body, last):
        if code is None:
            continue
        value = eval(code, space)  # noqa: S307
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
