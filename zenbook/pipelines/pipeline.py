"""``@pipeline``: a function that wires steps. Calling it runs them on the active stack and returns the run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Never, Self, overload

from zenbook.core.annotations import conforms, describe, hints_of
from zenbook.core.events import Listeners
from zenbook.core.graph import Json
from zenbook.core.options import UNCHANGED, Unchanged, chosen, refuse_unknown
from zenbook.core.plain_values import NotPlainError, encode
from zenbook.core.plan import Plan
from zenbook.core.step import Step, check_name
from zenbook.core.tracing.call_arguments import SPREAD, bind
from zenbook.core.tracing.trace import Traced, current_trace, trace_pipeline
from zenbook.display.run_view import RunView
from zenbook.engine.environment import EnvironmentSnapshot
from zenbook.engine.launcher import launch
from zenbook.engine.planning import make_plan
from zenbook.engine.progress_displays import listeners_for, trim_traceback
from zenbook.errors import DefinitionError, WiringError
from zenbook.history.run import Run
from zenbook.stack.stack import OpenStack, open_stack

_OPTIONS = ("name", "stack", "cache", "background")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A named pipeline with options. It is immutable: `options` returns another pipeline.

    Attributes:
        function: The user's function.
        name: The pipeline's name.
        stack: The stack to run on; None for the active one.
        cache: Whether steps may be served from the cache.
        background: Whether a run gets a process of its own.
    """

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
        """Run the pipeline and wait for its end; with ``options(background=True)`` return the run at once.

        Within another pipeline its steps join that pipeline's.

        Args:
            *args: The arguments of the pipeline's function.
            **kwargs: Its named arguments.

        Returns:
            The run.

        Raises:
            WiringError: The steps cannot be connected in this way.
            CaptureError: Something that a step uses cannot travel.
            Exception: What a step raised.
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

    def options(
        self,
        *,
        name: str | Unchanged = UNCHANGED,
        stack: str | Unchanged | None = UNCHANGED,
        cache: bool | Unchanged = UNCHANGED,
        background: bool | Unchanged = UNCHANGED,
        **_unknown: Never,
    ) -> Self:
        """Return the same pipeline with other options; those that are not given stay as they are.

        Args:
            name: The pipeline's name in runs, at most 100 characters.
            stack: The name of the stack to run on; None for the active one.
            cache: Whether steps may be served from the cache.
            background: Whether a run gets a process of its own, which keeps running when the kernel ends.

        Returns:
            Another pipeline.

        Raises:
            DefinitionError: An option does not exist, or cannot have this value.
        """
        refuse_unknown(_unknown, _OPTIONS, f" of pipeline {self.name!r}")
        name = chosen(name, self.name)
        check_name(name)
        return replace(
            self,
            name=name,
            stack=chosen(stack, self.stack),
            cache=chosen(cache, self.cache),
            background=chosen(background, self.background),
        )

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Make the graph of a call, without running anything.

        Args:
            *args: The arguments of the pipeline's function.
            **kwargs: Its named arguments.

        Returns:
            The graph and its steps.

        Raises:
            WiringError: The steps cannot be connected in this way.
        """
        return trace_pipeline(self.function, self.name, self.bind(args, kwargs))

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Make the plan of a call on the active stack, without running anything.

        Args:
            *args: The arguments of the pipeline's function.
            **kwargs: Its named arguments.

        Returns:
            The plan.

        Raises:
            WiringError: The steps cannot be connected in this way.
            CaptureError: Something that a step uses cannot travel.
        """
        return self._plan(open_stack(self.stack), args, kwargs)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bind and check the arguments of a call.

        Args:
            args: The arguments of the pipeline's function.
            kwargs: Its named arguments.

        Returns:
            All arguments by name, defaults included.

        Raises:
            WiringError: An argument is unknown, missing, or not of its annotation's type.
        """
        arguments = bind(self.function, args, kwargs, f"Pipeline {self.name!r}")
        hints = hints_of(self.function)
        parameters = inspect.signature(self.function).parameters
        for name, value in arguments.items():
            if parameters[name].kind in SPREAD or value is parameters[name].default:
                continue
            if not conforms(value, hints.get(name, Any)):
                raise WiringError(
                    f"Pipeline {self.name!r} takes {describe(hints[name])} as `{name}`, but gets "
                    f"{type(value).__name__} {value!r:.40}.",
                    "Pass a value of that type, or change the annotation.",
                )
        return arguments

    def _plan(self, stack: OpenStack, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Plan:
        arguments = self.bind(args, kwargs)
        traced = trace_pipeline(self.function, self.name, arguments)
        doc = inspect.getdoc(self.function) or ""
        return make_plan(traced, stack.artifacts, pipeline=self.name, params=_params(arguments), doc=doc)


def in_background(
    plan: Plan, stack: OpenStack, *, use_cache: bool = True, snapshot: EnvironmentSnapshot | None = None
) -> Run:
    """Execute a plan in a process of its own; its progress is shown like that of any run.

    Args:
        plan: What to run.
        stack: The stack to run it on.
        use_cache: Whether steps may be served from the cache.
        snapshot: The description of the environment, if it is being collected already.

    Returns:
        The run, which has just been started.
    """
    from zenbook.engine.background import launch_in_background
    from zenbook.engine.follower import Follower

    record = launch_in_background(plan, stack, use_cache=use_cache, snapshot=snapshot)
    view = RunView.of_graph(plan.graph, record.id, record.pipeline, stack.stack.label, dict(plan.params))
    view.records = stack
    displays = tuple(listeners_for(view))
    if displays:
        Follower(record.id, stack, Listeners(displays)).start()
    return Run(record.id, stack)


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(
    *,
    name: str = ...,
    stack: str | None = None,
    cache: bool = True,
    background: bool = False,
    **_unknown: Never,
) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(
    function: Any = None,
    /,
    *,
    name: str | Unchanged = UNCHANGED,
    stack: str | Unchanged | None = UNCHANGED,
    cache: bool | Unchanged = UNCHANGED,
    background: bool | Unchanged = UNCHANGED,
    **_unknown: Never,
) -> Any:
    """Make a pipeline of a function: ``@pipeline``, or ``@pipeline(name="training", stack="prod", cache=False)``.

    Args:
        function: The function, which calls steps and connects them.
        name: The pipeline's name in runs, at most 100 characters; by default the function's.
        stack: The name of the stack to run on; by default the active one.
        cache: Whether steps may be served from the cache; by default they may.
        background: Whether a run gets a process of its own, which keeps running when the kernel ends; by default it
            does not.

    Returns:
        The pipeline, or a decorator that makes it.

    Raises:
        DefinitionError: This cannot be a pipeline, or an option does not exist or cannot have this value.
    """
    if function is None:
        return lambda actual: pipeline(actual).options(
            name=name, stack=stack, cache=cache, background=background, **_unknown
        )
    if isinstance(function, Pipeline):
        return function
    if isinstance(function, Step) or not inspect.isfunction(function):
        what = "a step" if isinstance(function, Step) else type(function).__name__
        raise DefinitionError(
            f"@pipeline needs a function, and got {what}.", "Pass options by name: @pipeline(name='training')."
        )
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"The pipeline {function.__name__!r} is a generator or async, but a pipeline only connects steps.",
            "Write it as a plain function; steps may be async.",
        )
    check_name(function.__name__)
    return Pipeline(function, function.__name__)


def _params(arguments: Mapping[str, Any]) -> dict[str, Json]:
    """The arguments that are plain values; objects are inputs, and recorded as such."""
    params: dict[str, Json] = {}
    for name, value in arguments.items():
        try:
            params[name] = encode(value)
        except NotPlainError:
            continue
    return params
