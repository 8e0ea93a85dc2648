"""Tracing: call a pipeline's function once, with placeholders for what its steps will give, and read off the graph."""

from __future__ import annotations

import inspect
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from zenbook.core.annotations import conforms, describe
from zenbook.core.graph import Graph, Input, Json, Node, OutputRef, StepKind
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.errors import WiringError, ZenbookError, did_you_mean

if TYPE_CHECKING:
    from zenbook.core.step import Step

_active: ContextVar[Trace | None] = ContextVar("zenbook_trace", default=None)


def current_trace() -> Trace | None:
    """The trace that is going on, if a pipeline's function is being called."""
    return _active.get()


@dataclass(frozen=True, slots=True)
class Traced:
    """What a trace gives: the graph, the steps behind its nodes, and the objects that were passed in."""

    graph: Graph
    steps: Mapping[str, Step[..., Any]]  # by node name
    external_inputs: Mapping[str, Any]  # by `Input.external_input`


def trace_pipeline(function: Callable[..., Any], name: str, args: Mapping[str, Any]) -> Traced:
    """Call a pipeline's function with placeholders in place of results.

    ``args`` are its arguments by name, all bound. Raises `WiringError`, which names the pipeline's line.
    """
    trace = Trace(function.__code__, name)
    with trace.active():
        try:
            call(function, args)
        except (ValueError, TypeError) as error:
            if "unpack" in str(error) and _raised_in(error, trace.code):
                message = (
                    f"A step in pipeline {name!r} has another number of outputs than it is unpacked into: {error}."
                )
                raise WiringError(message + trace.place(error), "Name them all, or take one by its name.") from error
            raise
    if not trace.nodes:
        raise WiringError(
            f"The pipeline {name!r} has no steps.", "Call at least one function that has @step in it, by its name."
        )
    return Traced(Graph(tuple(trace.nodes)), trace.steps, trace.external_inputs)


def call(function: Callable[..., Any], args: Mapping[str, Any]) -> Any:
    """Call a function with arguments by name, whatever kinds its parameters are of."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    spread = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in _parameters(function))
    for parameter in _parameters(function):
        if parameter.name not in args:
            continue
        value = args[parameter.name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY or (
            spread and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ):
            positional.append(value)
        else:
            named[parameter.name] = value
    return function(*positional, **named)


def bind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str) -> dict[str, Any]:
    """All arguments of a call by name, defaults included.

    Raises `WiringError` for an unknown, missing or surplus argument; ``what`` is "Step 'fit'".
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        names = list(signature.parameters)
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names, noun="argument") if names else "It takes no arguments."
            raise WiringError(f"{what} has no argument {unknown[0]!r}.", hint) from None
        raise WiringError(
            f"{what}: {error}.", f"It is called as {what.rsplit(' ', maxsplit=1)[-1].strip(chr(39))}{signature}."
        ) from None
    bound.apply_defaults()
    return dict(bound.arguments)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


@dataclass(eq=False)
class Trace:
    """The graph in the making."""

    code: types.CodeType
    pipeline: str
    nodes: list[Node] = field(default_factory=list)
    steps: dict[str, Step[..., Any]] = field(default_factory=dict)
    external_inputs: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let calls of steps add nodes to this trace."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def add(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Add a node and give its outputs: one `Output`, or `Outputs` where the step has several."""
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
            elif key in supplied or step.parameters[key].kind in _SPREAD:
                encoded[key] = self._give(value, key, inputs, name)
        after = tuple(dict.fromkeys(self._node_of(one) for one in step.after))
        doc = inspect.cleandoc(step.function.__doc__ or "")
        node = Node(name, step.name, StepKind.FUNCTION, step.outputs, encoded, inputs, after, step.options_, doc)
        self.nodes.append(node)
        self.steps[name] = step
        made = [Output(self, name, output) for output in step.outputs]
        return made[0] if len(made) == 1 else Outputs(made, step.outputs)

    def place(self, error: BaseException | None = None) -> str:
        """Where in the pipeline's function we are, as the end of a sentence."""
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
                    f"Step {node!r} is given an output of {value._step!r} that belongs to another trace of a "
                    f"pipeline{self.place()}.",
                    "Don't keep outputs in globals or defaults: call the step in this pipeline.",
                )
            inputs[key] = Input((OutputRef(value._step, value._output),))
            return {"$input": key}
        if type(value) in (list, tuple, Outputs) and _holds_output(value):
            parts = [self._part(one, f"{key}[{place}]", inputs, node) for place, one in enumerate(value)]
            return parts if type(value) is list else {"$tuple": parts}
        if type(value) is dict and _holds_output(list(value.values())):
            return {"$dict": [[encode(k), self._part(one, f"{key}[{k!r}]", inputs, node)] for k, one in value.items()]}
        try:
            return encode(value)
        except NotPlainError:
            return _UNPLAIN

    def _part(self, value: Any, key: str, inputs: dict[str, Input], node: str) -> Json:
        template = self._template(value, key, inputs, node)
        return self._give(value, key, inputs, node) if template is _UNPLAIN else template

    def _give(self, value: Any, key: str, inputs: dict[str, Input], node: str) -> Json:
        if inspect.isroutine(value) or isinstance(value, type) or hasattr(value, "options_"):
            raise WiringError(
                f"Step {node!r} is given the {'class' if isinstance(value, type) else 'function'} "
                f"`{getattr(value, '__name__', value)}` as `{key}`{self.place()}; code can't be a parameter.",
                "Call it in the step by its name, or choose it by a text parameter.",
            )
        known = next((name for name, one in self.external_inputs.items() if one is value), None)
        name = known or f"{node}.{key}"
        self.external_inputs[name] = value
        inputs[key] = Input(external_input=name)
        return {"$input": key}

    def _check_type(self, step: Step[..., Any], key: str, value: Any) -> None:
        hint = step.hints.get(key)
        if hint is None or isinstance(value, Output | Outputs) or step.parameters[key].default is value:
            return
        if step.parameters[key].kind in _SPREAD:
            return
        if not conforms(value, hint):
            raise WiringError(
                f"Step {step.name!r} takes {describe(hint)} as `{key}` and is given {type(value).__name__} "
                f"{_short(value)}{self.place()}.",
                "Give a value of that type, or change the annotation.",
            )

    def _node_of(self, value: Any) -> str:
        first = value[0] if isinstance(value, Outputs) else value
        if isinstance(first, Output) and first._trace is self:
            return first._step
        raise WiringError(f"`after` takes outputs of steps of this pipeline{self.place()}.", "Pass what the step gave.")


_UNPLAIN: Any = object()
_SPREAD = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _holds_output(values: Any) -> bool:
    return any(
        isinstance(one, Output)
        or (type(one) in (list, tuple, Outputs) and _holds_output(one))
        or (type(one) is dict and _holds_output(list(one.values())))
        for one in values
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _line_of(error: BaseException, code: types.CodeType) -> int | None:
    found, tb = None, error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code is code:
            found = tb.tb_lineno
        tb = tb.tb_next
    return found


def _raised_in(error: BaseException, code: types.CodeType) -> bool:
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and tb.tb_frame.f_code is code


class Outputs(tuple[Any, ...]):
    """The outputs to come of a step that has several: unpack them, or take one by name."""

    names: tuple[str, ...]

    def __new__(cls, values: list[Output], names: tuple[str, ...]) -> Outputs:
        """A tuple with names."""
        """The outputs with their names, in order."""
        made = super().__new__(cls, values)
        made.names = names
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "names":
            raise AttributeError(name)
        if name in self.names:
            return self[self.names.index(name)]
        first = self[0]
        raise WiringError(
            f"Step {first._step!r} has no output {name!r}{first._trace.place()}.",
            did_you_mean(name, self.names, noun="output"),
        )


class Output:
    """An output to come: it can be passed to other steps, and nothing else, for there is no value yet."""

    __slots__ = ("_output", "_step", "_trace")

    def __init__(self, trace: Trace, step: str, output: str) -> None:
        self._trace, self._step, self._output = trace, step, output

    def __repr__(self) -> str:
        return f"<output {self._output!r} of step {self._step!r}, not there yet>"

    def _refuse(self, use: str) -> NoReturn:
        raise WiringError(
            f"The output of step {self._step!r} is {use} in the pipeline's function{self._trace.place()}, "
            "where it is not there yet.",
            "A pipeline only connects steps: do this inside a step.",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(f"asked for `.{name}`")

    def __iter__(self) -> Iterator[Any]:
        raise WiringError(
            f"Step {self._step!r} has one output, which is unpacked or looped over{self._trace.place()}.",
            'Name its outputs, as in @step(outputs=("train", "test")), or loop inside a step.',
        )

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        self._refuse("used as a condition")

    def __len__(self) -> NoReturn:  # noqa: PLE0303
        self._refuse("asked for its length")

    def __getitem__(self, key: Any) -> Any:
        self._refuse(f"indexed by {key!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise `WiringError`."""
        """There is nothing to call yet."""
        self._refuse("called")

    def __float__(self) -> float:
        self._refuse("turned into a number")

    __int__ = __index__ = __complex__ = __float__

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        self._refuse("compared")

    def __str__(self) -> NoReturn:  # noqa: PLE0307
        self._refuse("put into a text")

    def __format__(self, spec: str) -> NoReturn:
        self._refuse("put into a text")


def _refused(self: Output, *_: Any) -> NoReturn:
    self._refuse("used as a value")


for _operator in "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split():
    setattr(Output, f"__{_operator}__", _refused)
    setattr(Output, f"__r{_operator}__", _refused)
for _operator in "lt le gt ge ne neg pos abs invert round trunc floor ceil contains".split():
    setattr(Output, f"__{_operator}__", _refused)
