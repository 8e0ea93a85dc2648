"""``@step``: a function that can be a node of a pipeline. Called outside of one it is the plain function."""

from __future__ import annotations

import datetime
import functools
import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from zenbook.core.annotations import hints_of, output_names
from zenbook.core.graph import Retries, StepOptions
from zenbook.core.trace import current_trace
from zenbook.errors import DefinitionError, did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

STEP_NAME_LIMIT = 100  # characters: what every metadata store can index together with a run id
OUTPUT_NAME_LIMIT = 64
_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_OPTIONS = ("name", "outputs", "cache", "retries", "retry_delay", "timeout", "after")


@dataclass(frozen=True, eq=False)
class Step(Generic[P, R]):
    """A named function with options; immutable, `options` makes another one."""

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
        """Call the plain function; within a pipeline, add a node to its graph and give its outputs to come."""
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

    def options(self, **options: Any) -> Self:
        """The same step with other options: name, outputs, cache, retries, retry_delay, timeout, after.

        Raises `DefinitionError` for an option that there is not, or a value that it can't have.
        """
        _refuse_unknown(options, self.name)
        now = self.options_
        delay = options.get("retry_delay", now.retries.delay)
        outputs = options.get("outputs", self.given_outputs)
        name = options.get("name", self.name)
        check_name(name)
        return replace(
            self,
            name=name,
            given_outputs=None if outputs is None else _outputs(outputs, name),
            after=tuple(_as_sequence(options.get("after", self.after))),
            options_=StepOptions(
                cache=bool(options.get("cache", now.cache)),
                retries=Retries(
                    _count(options.get("retries", now.retries.count), name), seconds(delay, "retry_delay", name)
                ),
                timeout=_timeout(options.get("timeout", now.timeout), name),
            ),
        )


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    outputs: str | Sequence[str] | None = None,
    cache: bool = True,
    retries: int = 0,
    retry_delay: float | str | datetime.timedelta = 1.0,
    timeout: float | str | datetime.timedelta | None = None,
    **unknown: Any,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Any = None, /, **options: Any) -> Any:
    """Make a step of a function: ``@step``, or ``@step(retries=2, timeout="10m")``.

    ``outputs`` names the outputs where the return annotation doesn't; ``cache=False`` runs the step each time;
    ``retries`` is how often a failed step is tried again, after ``retry_delay`` (seconds or text as ``"30s"``),
    doubled each time; ``timeout`` ends an attempt that takes longer. Raises `DefinitionError` for what can't be a step.
    """
    if function is None:
        _refuse_unknown(options, "")
        return lambda actual: step(actual).options(**options)
    if isinstance(function, Step):
        return function
    if isinstance(function, staticmethod | classmethod):
        raise DefinitionError(
            "A step can't be a static or class method.", "Put @step on a function at the top level of a cell or module."
        )
    if not callable(function):
        raise DefinitionError(
            f"@step needs a function, and got {type(function).__name__}.", "Options are named: @step(retries=2)."
        )
    name = getattr(function, "__name__", type(function).__name__)
    name = "step" if name == "<lambda>" else name
    check_name(name)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"Step {name!r} is a generator: it yields its rows one by one, and an artifact is stored as a whole.",
            "Return a list, an array or a DataFrame instead of using `yield`.",
        )
    return Step(function, name)


def seconds(value: object, option: str, step: str) -> float:
    """A duration in seconds: a number, a `timedelta`, or text as '90s', '10m', '1h30m'. Raises `DefinitionError`."""
    result: float | None = None
    if isinstance(value, datetime.timedelta):
        result = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        result = float(value)
    elif isinstance(value, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
        whole = "".join(number + unit for number, unit in parts)
        known = all(unit in _UNITS for _, unit in parts) or (len(parts) == 1 and not parts[0][1])
        if parts and known and whole == re.sub(r"\s+", "", value.lower()):
            result = sum(float(number) * _UNITS.get(unit, 1.0) for number, unit in parts)
    if result is None or not math.isfinite(result) or result < 0:
        raise DefinitionError(
            f"The option {option} of step {step!r} is {value!r}, which is no duration.",
            "Give seconds as a number, or a text as '90s', '10m' or '1h30m'.",
        )
    return result


def _timeout(value: object, step: str) -> float | None:
    if value is None:
        return None
    found = seconds(value, "timeout", step)
    if found == 0:
        raise DefinitionError(f"The timeout of step {step!r} is 0.", "Leave it out, or give a time above 0.")
    return found


def _count(value: object, step: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DefinitionError(
            f"The option retries of step {step!r} is {value!r}.", "Give how often to try again: 0, 1, 2…"
        )
    return value


def _outputs(value: object, step: str) -> tuple[str, ...]:
    names = tuple(_as_sequence(value))
    check_outputs(names, step)
    return names


def _as_sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) and type(value) in (list, tuple) else (value,)


def check_outputs(names: tuple[Any, ...], step: str) -> None:
    """Raise `DefinitionError` for names that can't be those of a step's outputs."""
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > OUTPUT_NAME_LIMIT:
            raise DefinitionError(
                f"Step {step!r} has an output named {name!r}.",
                f"An output's name is an identifier of at most {OUTPUT_NAME_LIMIT} characters.",
            )
    if len(set(names)) < len(names) or not names:
        raise DefinitionError(
            f"Step {step!r} needs outputs with different names, and has {names!r}.", "Give each its own name."
        )


def check_name(name: object) -> None:
    """Raise `DefinitionError` for what can't be the name of a step or pipeline."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > STEP_NAME_LIMIT:
        shown = f"{name[:40]}…" if isinstance(name, str) and len(name) > STEP_NAME_LIMIT else name
        raise DefinitionError(
            f"A step or pipeline can't be named {shown!r}.", f"A name has 1 to {STEP_NAME_LIMIT} printable characters."
        )


def _refuse_unknown(options: dict[str, Any], step: str) -> None:
    for option in options:
        if option not in _OPTIONS:
            owner = f" of step {step!r}" if step else ""
            raise DefinitionError(
                f"There is no option {option!r}{owner}.", did_you_mean(option, _OPTIONS, noun="option")
            )
