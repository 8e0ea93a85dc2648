"""``@pipeline``: a function that wires steps. Calling it runs them on the active stack and gives the run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from zenbook.core.annotations import conforms, describe, hints_of
from zenbook.core.events import Listeners
from zenbook.core.graph import Json
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.core.plan import Plan
from zenbook.core.step import Step, check_name
from zenbook.core.trace import Traced, bind, current_trace, trace_pipeline
from zenbook.display.run_view import RunView
from zenbook.engine.environment import EnvironmentSnapshot
from zenbook.engine.launcher import launch
from zenbook.engine.planning import make_plan
from zenbook.engine.progress_displays import listeners_for, trim_traceback
from zenbook.errors import DefinitionError, WiringError, did_you_mean
from zenbook.history.run import Run
from zenbook.stack.stack import OpenStack, open_stack

_OPTIONS = ("name", "stack", "cache", "background")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A named pipeline with options; immutable, `options` makes another one."""

    function: Callable[..., Any]
    name: str
    stack: str | None = None
    cache: bool = True
    background: bool = False

    def __post_init__(self) -> None:
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, attribute):
                vars(self)[attribute] = getattr(self.function, attribute)
        vars(self)["__wrapped__"] = self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Run:
        """Run the pipeline and wait for its end; with ``options(background=True)`` give the run at once.

        Raises what a step raises; `WiringError` for a mistake in the pipeline, `CaptureError` for what can't travel.
        Within another pipeline its steps join that pipeline's.
        """
        if current_trace() is not None:
            return self.function(*args, **kwargs)  # type: ignore[no-any-return]
        __tracebackhide__ = True
        snapshot = EnvironmentSnapshot()
        stack = open_stack(self.stack)
        plan = self._plan(stack, args, kwargs)
        try:
            if self.background:
                return in_background(plan, stack, use_cache=self.cache, snapshot=snapshot)
            return Run(launch(plan, stack, use_cache=self.cache, snapshot=snapshot), stack)
        except BaseException as error:
            trim_traceback(error)
            raise

    def __repr__(self) -> str:
        return f"<pipeline {self.name}{inspect.signature(self.function)}>"

    def options(self, **options: Any) -> Self:
        """The same pipeline with other options: ``name``, ``stack``, ``cache``, ``background``.

        A run in the background has a process of its own, which goes on when the kernel ends. Raises `DefinitionError`.
        """
        for option in options:
            if option not in _OPTIONS:
                raise DefinitionError(
                    f"There is no option {option!r} of pipeline {self.name!r}.",
                    did_you_mean(option, _OPTIONS, noun="option"),
                )
        check_name(options.get("name", self.name))
        return replace(self, **options)

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """The graph of a call, without running anything. Raises `WiringError`."""
        return trace_pipeline(self.function, self.name, self._bind(args, kwargs))

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan of a call on the active stack, without running anything. Raises `WiringError`, `CaptureError`."""
        return self._plan(open_stack(self.stack), args, kwargs)

    def _plan(self, stack: OpenStack, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Plan:
        arguments = self._bind(args, kwargs)
        traced = trace_pipeline(self.function, self.name, arguments)
        doc = inspect.getdoc(self.function) or ""
        return make_plan(traced, stack.artifacts, pipeline=self.name, params=_params(arguments), doc=doc)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        arguments = bind(self.function, args, kwargs, f"Pipeline {self.name!r}")
        hints = hints_of(self.function)
        parameters = inspect.signature(self.function).parameters
        for name, value in arguments.items():
            plain = parameters[name].kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            if plain and value is not parameters[name].default and not conforms(value, hints.get(name, Any)):
                raise WiringError(
                    f"Pipeline {self.name!r} takes {describe(hints[name])} as `{name}` and is given "
                    f"{type(value).__name__} {value!r:.40}.",
                    "Give a value of that type, or change the annotation.",
                )
        return arguments


def in_background(
    plan: Plan, stack: OpenStack, *, use_cache: bool = True, snapshot: EnvironmentSnapshot | None = None
) -> Run:
    """Execute a plan in a process of its own; its progress is shown as that of any run. Raises `RunError`."""
    from zenbook.engine.background import launch_in_background
    from zenbook.engine.follower import Follower

    record = launch_in_background(plan, stack, use_cache=use_cache, snapshot=snapshot)
    view = RunView.of_graph(plan.graph, record.id, record.pipeline, stack.stack.label, dict(plan.params))
    view.records = stack
    shown = tuple(listeners_for(view))
    if shown:
        Follower(record.id, stack, Listeners(shown)).start()
    return Run(record.id, stack)


def pipeline(function: Any = None, /, **options: Any) -> Any:
    """Make a pipeline of a function: ``@pipeline``, or ``@pipeline(name="training", stack="prod", cache=False)``.

    Raises `DefinitionError` for what can't be a pipeline.
    """
    if function is None:
        return lambda actual: pipeline(actual).options(**options)
    if isinstance(function, Pipeline):
        return function
    if isinstance(function, Step) or not inspect.isfunction(function):
        what = "a step" if isinstance(function, Step) else type(function).__name__
        raise DefinitionError(
            f"@pipeline needs a function, and got {what}.", "Options are named: @pipeline(name='training')."
        )
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"The pipeline {function.__name__!r} is a generator or async: it only connects steps.",
            "Write it as a plain function; steps may be async.",
        )
    check_name(function.__name__)
    return Pipeline(function, function.__name__)


def _params(arguments: Mapping[str, Any]) -> dict[str, Json]:
    """The arguments that are plain values; objects are inputs, and recorded as such."""
    found: dict[str, Json] = {}
    for name, value in arguments.items():
        try:
            found[name] = encode(value)
        except NotPlainError:
            continue
    return found
