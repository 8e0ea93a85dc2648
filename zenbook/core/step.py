"""``@step``: a function that can be a node of a pipeline. Called outside of one it is the plain function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Never, ParamSpec, Self, TypeVar, overload

from zenbook.core.annotations import hints_of, output_names
from zenbook.core.durations import Duration, seconds
from zenbook.core.graph import Retries, StepOptions
from zenbook.core.options import UNCHANGED, Unchanged, chosen, refuse_unknown
from zenbook.core.tracing.trace import current_trace
from zenbook.errors import DefinitionError

P = ParamSpec("P")
R = TypeVar("R")

STEP_NAME_LIMIT = 100  # characters: what every metadata store can index together with a run id
OUTPUT_NAME_LIMIT = 64
_OPTIONS = ("name", "outputs", "cache", "retries", "retry_delay", "timeout", "after")


@dataclass(frozen=True, eq=False)
class Step(Generic[P, R]):
    """A named function with options. It is immutable: `options` returns another step.

    Attributes:
        function: The user's function.
        name: The step's name.
        options_: What the user set, but for names and order.
        given_outputs: The names of the outputs where the return annotation does not give them. Stored pickles of steps
            have this name.
        after: The outputs to come of steps that must end before this one.
    """

    function: Callable[P, R]
    name: str
    options_: StepOptions = StepOptions()  # noqa: RUF009  # frozen
    given_outputs: tuple[str, ...] | None = None
    after: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        for attribute in functools.WRAPPER_ASSIGNMENTS:  # a frozen instance takes them in its dictionary
            if hasattr(self.function, attribute):
                vars(self)[attribute] = getattr(self.function, attribute)
        vars(self)["__wrapped__"] = self.function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function; within a pipeline, add a node to its graph and return its outputs to come."""
        trace = current_trace()
        if trace is None:
            return self.function(*args, **kwargs)
        return trace.add(self, args, kwargs)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<step {self.name}{inspect.signature(self.function)}>"

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """The function's annotations."""
        return hints_of(self.function)

    @functools.cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The function's parameters."""
        return dict(inspect.signature(self.function).parameters)

    @functools.cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        if self.given_outputs is not None:
            return self.given_outputs
        names = output_names(self.hints.get("return"), self.name)
        check_outputs(names, self.name)
        return names

    def options(
        self,
        *,
        name: str | Unchanged = UNCHANGED,
        outputs: str | Sequence[str] | Unchanged | None = UNCHANGED,
        cache: bool | Unchanged = UNCHANGED,
        retries: int | Unchanged = UNCHANGED,
        retry_delay: Duration | Unchanged = UNCHANGED,
        timeout: Duration | Unchanged | None = UNCHANGED,
        after: object = UNCHANGED,
        **_unknown: Never,
    ) -> Self:
        """Return the same step with other options; those that are not given stay as they are.

        Args:
            name: The step's name in runs, at most 100 characters.
            outputs: The names of the outputs; None takes them from the return annotation.
            cache: Whether the step may be served from the cache.
            retries: How often a failed step is tried again.
            retry_delay: The time before the second attempt, in seconds or as "30s"; doubled after each attempt.
            timeout: The time after which an attempt is ended, in seconds or as "10m"; None for no limit.
            after: Outputs of steps of the same pipeline that must end before this step starts.

        Returns:
            Another step.

        Raises:
            DefinitionError: An option does not exist, or cannot have this value.
        """
        refuse_unknown(_unknown, _OPTIONS, f" of step {self.name!r}")
        now = self.options_
        name = chosen(name, self.name)
        check_name(name)
        outputs = chosen(outputs, self.given_outputs)
        timeout = chosen(timeout, now.timeout)
        return replace(
            self,
            name=name,
            given_outputs=None if outputs is None else _checked_outputs(outputs, name),
            after=tuple(_as_sequence(chosen(after, self.after))),
            options_=StepOptions(
                cache=bool(chosen(cache, now.cache)),
                retries=Retries(
                    _checked_retries(chosen(retries, now.retries.count), name),
                    seconds(chosen(retry_delay, now.retries.delay), "retry_delay", name),
                ),
                timeout=None if timeout is None else _checked_timeout(timeout, name),
            ),
        )


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str = ...,
    outputs: str | Sequence[str] | None = None,
    cache: bool = True,
    retries: int = 0,
    retry_delay: Duration = 1.0,
    timeout: Duration | None = None,
    after: object = (),
    **_unknown: Never,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Any = None,
    /,
    *,
    name: str | Unchanged = UNCHANGED,
    outputs: str | Sequence[str] | Unchanged | None = UNCHANGED,
    cache: bool | Unchanged = UNCHANGED,
    retries: int | Unchanged = UNCHANGED,
    retry_delay: Duration | Unchanged = UNCHANGED,
    timeout: Duration | Unchanged | None = UNCHANGED,
    after: object = UNCHANGED,
    **_unknown: Never,
) -> Any:
    """Make a step of a function: ``@step``, or ``@step(retries=2, timeout="10m")``.

    Args:
        function: The function; it may be async, and not a generator.
        name: The step's name in runs, at most 100 characters; by default the function's.
        outputs: The names of the outputs, where the return annotation does not give them.
        cache: Whether the step may be served from the cache; by default it may.
        retries: How often a failed step is tried again; by default 0.
        retry_delay: The time before the second attempt, in seconds or as "30s"; doubled after each attempt. 1 s by
            default.
        timeout: The time after which an attempt is ended, in seconds or as "10m"; unlimited by default.
        after: Outputs of steps of the same pipeline that must end before this step starts.

    Returns:
        The step, or a decorator that makes it.

    Raises:
        DefinitionError: This cannot be a step, or an option does not exist or cannot have this value.
    """
    if function is None:
        refuse_unknown(_unknown, _OPTIONS, "")
        return lambda actual: _step_of(actual).options(
            name=name,
            outputs=outputs,
            cache=cache,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            after=after,
        )
    return _step_of(function)


def _step_of(function: Any) -> Step[..., Any]:
    if isinstance(function, Step):
        return function
    if isinstance(function, staticmethod | classmethod):
        raise DefinitionError(
            "A static or class method cannot be a step.",
            "Put @step on a function at the top level of a cell or module.",
        )
    if not callable(function):
        raise DefinitionError(
            f"@step needs a function, and got {type(function).__name__}.",
            "Pass options by name: @step(retries=2).",
        )
    name = getattr(function, "__name__", type(function).__name__)
    name = "step" if name == "<lambda>" else name
    check_name(name)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"Step {name!r} is a generator: it yields its rows one by one, but an artifact is stored as a whole.",
            "Return a list, an array or a DataFrame instead of using `yield`.",
        )
    return Step(function, name)


def check_outputs(names: tuple[Any, ...], step: str) -> None:
    """Check the names of a step's outputs.

    Args:
        names: The names.
        step: The step's name, for the message.

    Raises:
        DefinitionError: A name is not an identifier, is too long or occurs twice, or the list is empty.
    """
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > OUTPUT_NAME_LIMIT:
            raise DefinitionError(
                f"Step {step!r} has an output named {name!r}.",
                f"An output's name is an identifier of at most {OUTPUT_NAME_LIMIT} characters.",
            )
    if len(set(names)) < len(names) or not names:
        raise DefinitionError(
            f"Step {step!r} needs outputs with different names, and has {names!r}.", "Give each output its own name."
        )


def check_name(name: object) -> None:
    """Check the name of a step or pipeline.

    Args:
        name: The name.

    Raises:
        DefinitionError: The name is empty, too long or not printable.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > STEP_NAME_LIMIT:
        shown = f"{name[:40]}…" if isinstance(name, str) and len(name) > STEP_NAME_LIMIT else name
        raise DefinitionError(
            f"A step or pipeline cannot have the name {shown!r}.",
            f"A name has 1 to {STEP_NAME_LIMIT} printable characters.",
        )


def _checked_timeout(value: object, step: str) -> float:
    timeout = seconds(value, "timeout", step)
    if timeout == 0:
        raise DefinitionError(f"The timeout of step {step!r} is 0.", "Leave it out, or give a time above 0.")
    return timeout


def _checked_retries(value: object, step: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DefinitionError(
            f"The option retries of step {step!r} is {value!r}.", "Give how often to try again: 0, 1, 2…"
        )
    return value


def _checked_outputs(value: object, step: str) -> tuple[str, ...]:
    names = tuple(_as_sequence(value))
    check_outputs(names, step)
    return names


def _as_sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) and type(value) in (list, tuple) else (value,)
