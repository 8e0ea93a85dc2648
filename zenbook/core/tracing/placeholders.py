"""Values that stand for others while a pipeline's function is traced: outputs of steps, and parameters.

Nothing has run yet then. So an output can only be passed to other steps. A parameter has a value, but whoever looks at
it makes the graph depend on it, which is what a `ParameterPlaceholder` finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol

from zenbook.errors import WiringError, did_you_mean

_OPERATORS = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split()
_OTHERS = "lt le gt ge ne neg pos abs invert round trunc floor ceil contains".split()
_HINT = "A pipeline only connects steps: do this inside a step."


class PipelineTrace(Protocol):
    """The trace to which an output belongs."""

    def place(self) -> str:
        """The line of the pipeline's function that is being called, as the end of a sentence."""


class Outputs(tuple[Any, ...]):
    """The outputs to come of a step that has several: unpack them, or take one by its name."""

    names: tuple[str, ...]

    def __new__(cls, values: list[Output], names: tuple[str, ...]) -> Outputs:
        """The outputs with their names, in order."""
        outputs = super().__new__(cls, values)
        outputs.names = names
        return outputs

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
    """An output to come. It can be passed to other steps, and used for nothing else: it has no value yet."""

    __slots__ = ("_output", "_step", "_trace")

    def __init__(self, trace: PipelineTrace, step: str, output: str) -> None:
        self._trace, self._step, self._output = trace, step, output

    def __repr__(self) -> str:
        return f"<output {self._output!r} of step {self._step!r}, not computed yet>"

    def _refuse(self, use: str) -> NoReturn:
        raise WiringError(
            f"Step {self._step!r} has not run yet when the pipeline's function is called, so its output cannot be "
            f"{use}{self._trace.place()}.",
            _HINT,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(f"asked for `.{name}`")

    def __iter__(self) -> Iterator[Any]:
        raise WiringError(
            f"Step {self._step!r} has one output, which cannot be unpacked or looped over{self._trace.place()}.",
            'Name its outputs, as in @step(outputs=("train", "test")), or loop inside a step.',
        )

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        self._refuse("used as a condition")

    def __len__(self) -> NoReturn:  # noqa: PLE0303
        self._refuse("asked for its length")

    def __getitem__(self, key: Any) -> Any:
        self._refuse(f"indexed by {key!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise `WiringError`: there is nothing to call yet."""
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


class ParameterPlaceholder:
    """A parameter of a pipeline while it is found out where its value goes.

    It behaves as its value, and notes whenever anything but passing it to a step is done with it: the graph then
    depends on the value.

    Attributes:
        parameter: The parameter's name.
        value: Its value.
        is_used: Whether the pipeline's function did anything with it but pass it on.
    """

    __slots__ = ("is_used", "parameter", "value")

    def __init__(self, parameter: str, value: Any) -> None:
        self.parameter, self.value, self.is_used = parameter, value, False

    @property  # type: ignore[misc]  # for `isinstance`
    def __class__(self) -> type:
        """The class of the value."""
        return type(self.value)

    def _used_value(self) -> Any:
        self.is_used = True
        return self.value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._used_value(), name)

    def __bool__(self) -> bool:
        return bool(self._used_value())

    def __str__(self) -> str:
        return str(self._used_value())

    def __repr__(self) -> str:
        return repr(self._used_value())

    def __format__(self, spec: str) -> str:
        return format(self._used_value(), spec)

    def __hash__(self) -> int:
        return hash(self._used_value())

    def __eq__(self, other: object) -> bool:
        return bool(self._used_value() == other)


def _refused(self: Output, *_: Any) -> NoReturn:
    self._refuse("used as a value")


def _delegated(name: str) -> Callable[..., Any]:
    def method(self: ParameterPlaceholder, *args: Any) -> Any:
        return getattr(self._used_value(), name)(*args)

    return method


for _operator in _OPERATORS:
    setattr(Output, f"__{_operator}__", _refused)
    setattr(Output, f"__r{_operator}__", _refused)
for _operator in _OTHERS:
    setattr(Output, f"__{_operator}__", _refused)
for _operator in (
    *_OPERATORS,
    *(f"r{name}" for name in _OPERATORS),
    *_OTHERS,
    *"float int index complex len iter reversed getitem fspath".split(),
):
    setattr(ParameterPlaceholder, f"__{_operator}__", _delegated(f"__{_operator}__"))
