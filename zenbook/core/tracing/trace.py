"""Tracing: call a pipeline's function once, with placeholders for what its steps will return, and record the graph."""

from __future__ import annotations

import inspect
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from zenbook.core.annotations import conforms, describe
from zenbook.core.graph import Graph, Input, Json, Node, OutputRef, StepKind, StepOptions
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.core.tracing.call_arguments import SPREAD, bind, call_with
from zenbook.core.tracing.placeholders import Output, Outputs, ParameterPlaceholder
from zenbook.errors import WiringError, ZenbookError

_active: ContextVar[Trace | None] = ContextVar("zenbook_trace", default=None)
_UNPLAIN: Any = object()


class TracedStep(Protocol):
    """What a trace asks of a step."""

    @property
    def name(self) -> str:
        """The step's name."""

    @property
    def function(self) -> Callable[..., Any]:
        """The user's function."""

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The function's parameters."""

    @property
    def hints(self) -> Mapping[str, Any]:
        """The function's annotations."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""

    @property
    def options_(self) -> StepOptions:
        """The step's options."""

    @property
    def after(self) -> Sequence[Any]:
        """The outputs to come of steps that must end before this one."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The result of a trace: the graph, the steps behind its nodes, and the objects that were passed in."""

    graph: Graph
    steps: Mapping[str, TracedStep]  # by node name
    external_inputs: Mapping[str, Any]  # by `Input.external_input`


def current_trace() -> Trace | None:
    """The trace of the pipeline whose function is being called in this context, if there is one."""
    return _active.get()


def trace_pipeline(function: Callable[..., Any], name: str, args: Mapping[str, Any]) -> Traced:
    """Call a pipeline's function with placeholders in place of results.

    Args:
        function: The pipeline's function.
        name: The pipeline's name.
        args: The function's arguments by name, all bound.

    Returns:
        The graph and what belongs to it.

    Raises:
        WiringError: The steps cannot be connected in this way; the message names the pipeline's line.
        ValueError: The pipeline's function raised it.
        TypeError: The pipeline's function raised it.
    """
    trace = Trace(function.__code__, name)
    with trace.active():
        try:
            call_with(function, args)
        except (ValueError, TypeError) as error:
            if "unpack" in str(error) and _raised_in(error, trace.code):
                raise WiringError(
                    f"A step in pipeline {name!r} is unpacked into a different number of outputs than it has: "
                    f"{error}.{trace.place(error)}",
                    "Name all outputs, or take one of them by its name.",
                ) from error
            raise
    if not trace.nodes:
        raise WiringError(
            f"The pipeline {name!r} has no steps.", "Call at least one function that is decorated with @step."
        )
    return Traced(Graph(tuple(trace.nodes)), trace.steps, trace.external_inputs)


@dataclass(eq=False)
class Trace:
    """A graph that is being recorded.

    Attributes:
        code: The code of the pipeline's function.
        pipeline: The pipeline's name.
        nodes: The nodes so far, in the order of the calls.
        steps: The steps behind them, by node name.
        external_inputs: The objects that were passed in and are not plain values, by `Input.external_input`.
    """

    code: types.CodeType
    pipeline: str
    nodes: list[Node] = field(default_factory=list)
    steps: dict[str, TracedStep] = field(default_factory=dict)
    external_inputs: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let calls of steps add nodes to this trace while the block runs."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def add(self, step: TracedStep, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Add a node for a call of a step.

        Args:
            step: The step that is called.
            args: The positional arguments of the call.
            kwargs: The named arguments.

        Returns:
            Its outputs to come: one `Output`, or `Outputs` where the step has several.

        Raises:
            WiringError: The step cannot take these arguments.
        """
        what = f"Step {step.name!r}"
        try:
            arguments = bind(step.function, args, kwargs, what)
        except ZenbookError as error:
            raise WiringError(error.message + self.place(), error.hint) from None
        name = self._unique(step.name)
        inputs: dict[str, Input] = {}
        encoded: dict[str, Json] = {}
        supplied = set(kwargs) | set(list(step.parameters)[: len(args)])
        for key, value in arguments.items():
            self._check_type(step, key, value)
            template = self._template(value, key, inputs, name)
            if template is not _UNPLAIN:
                encoded[key] = template
            elif key in supplied or step.parameters[key].kind in SPREAD:
                encoded[key] = self._add_external_input(value, key, inputs, name)
        after = tuple(dict.fromkeys(self._node_of(output) for output in step.after))
        doc = inspect.cleandoc(step.function.__doc__ or "")
        node = Node(name, step.name, StepKind.FUNCTION, step.outputs, encoded, inputs, after, step.options_, doc)
        self.nodes.append(node)
        self.steps[name] = step
        outputs = [Output(self, name, output) for output in step.outputs]
        return outputs[0] if len(outputs) == 1 else Outputs(outputs, step.outputs)

    def place(self, error: BaseException | None = None) -> str:
        """Name the line of the pipeline's function that is being called.

        Args:
            error: An exception that left the function, whose traceback names the line.

        Returns:
            The place as the end of a sentence.
        """
        line = _line_of(error, self.code) if error is not None else None
        if line is None:
            frame: types.FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code is not self.code:
                frame = frame.f_back
            if frame is None:
                return f" (pipeline {self.pipeline!r})"
            line = frame.f_lineno
        text = linecache.getline(self.code.co_filename, line).strip()
        return f" (pipeline {self.pipeline!r}, line {line - self.code.co_firstlineno + 1}: `{text}`)"

    def _unique(self, name: str) -> str:
        if name not in self.steps:
            return name
        number = 2
        while f"{name}_{number}" in self.steps:
            number += 1
        return f"{name}_{number}"

    def _template(self, value: Any, key: str, inputs: dict[str, Input], node: str) -> Json:
        """An argument as JSON in which outputs of other steps are ``{"$input": name}``; ``node`` is who takes it."""
        if isinstance(value, Output):
            if value._trace is not self:
                raise WiringError(
                    f"Step {node!r} gets an output of {value._step!r} that belongs to another call of a "
                    f"pipeline{self.place()}.",
                    "Do not keep outputs in globals or defaults: call the step in this pipeline.",
                )
            inputs[key] = Input((OutputRef(value._step, value._output),))
            return {"$input": key}
        if type(value) in (list, tuple, Outputs) and _holds_output(value):
            parts = [self._part(part, f"{key}[{position}]", inputs, node) for position, part in enumerate(value)]
            return parts if type(value) is list else {"$tuple": parts}
        if type(value) is dict and _holds_output(list(value.values())):
            return {
                "$dict": [[encode(k), self._part(part, f"{key}[{k!r}]", inputs, node)] for k, part in value.items()]
            }
        try:
            return encode(value)
        except NotPlainError:
            return _UNPLAIN

    def _part(self, value: Any, key: str, inputs: dict[str, Input], node: str) -> Json:
        template = self._template(value, key, inputs, node)
        return self._add_external_input(value, key, inputs, node) if template is _UNPLAIN else template

    def _add_external_input(self, value: Any, key: str, inputs: dict[str, Input], node: str) -> Json:
        if inspect.isroutine(value) or isinstance(value, type) or hasattr(value, "options_"):
            raise WiringError(
                f"Step {node!r} gets the {'class' if isinstance(value, type) else 'function'} "
                f"`{getattr(value, '__name__', value)}` as `{key}`{self.place()}; code cannot be a parameter.",
                "Call it in the step by its name, or choose it by a text parameter.",
            )
        known = next((name for name, other in self.external_inputs.items() if other is value), None)
        name = known or f"{node}.{key}"
        self.external_inputs[name] = value
        inputs[key] = Input(external_input=name)
        return {"$input": key}

    def _check_type(self, step: TracedStep, key: str, value: Any) -> None:
        hint = step.hints.get(key)
        if hint is None or type(value) in (Output, Outputs, ParameterPlaceholder):
            return
        if step.parameters[key].default is value or step.parameters[key].kind in SPREAD:
            return
        if not conforms(value, hint):
            raise WiringError(
                f"Step {step.name!r} takes {describe(hint)} as `{key}`, but gets {type(value).__name__} "
                f"{_short(value)}{self.place()}.",
                "Pass a value of that type, or change the annotation.",
            )

    def _node_of(self, value: Any) -> str:
        first = value[0] if isinstance(value, Outputs) else value
        if isinstance(first, Output) and first._trace is self:
            return first._step
        raise WiringError(
            f"`after` takes outputs of steps of this pipeline{self.place()}.", "Pass what the step returned."
        )


def _holds_output(values: Any) -> bool:
    return any(
        isinstance(value, Output)
        or (type(value) in (list, tuple, Outputs) and _holds_output(value))
        or (type(value) is dict and _holds_output(list(value.values())))
        for value in values
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _line_of(error: BaseException, code: types.CodeType) -> int | None:
    line, tb = None, error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code is code:
            line = tb.tb_lineno
        tb = tb.tb_next
    return line


def _raised_in(error: BaseException, code: types.CodeType) -> bool:
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and tb.tb_frame.f_code is code
