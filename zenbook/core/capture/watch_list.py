"""What a capture looked at: as long as all of it is unchanged, a new capture would give the same capsule."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

from zenbook.core.capture.live_values import MISSING


@dataclass(frozen=True, slots=True)
class WatchedFunction:
    """A function that travels, and what of it can be replaced."""

    function: types.FunctionType
    code: types.CodeType
    defaults: object
    keyword_defaults: object
    attributes: int

    @classmethod
    def of(cls, function: types.FunctionType) -> WatchedFunction:
        """Note the present state of a function.

        Args:
            function: The function.

        Returns:
            The function with its code, its defaults and the number of its attributes.
        """
        defaults, keyword_defaults = function.__defaults__, function.__kwdefaults__
        return cls(function, function.__code__, defaults, keyword_defaults, len(vars(function)))

    @property
    def is_unchanged(self) -> bool:
        """Whether the function is still as it was noted."""
        function = self.function
        return (
            function.__code__ is self.code
            and function.__defaults__ is self.defaults
            and function.__kwdefaults__ is self.keyword_defaults
            and len(vars(function)) == self.attributes
        )


@dataclass(slots=True)
class WatchList:
    """The bindings and functions that a capture has read."""

    bindings: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list)  # (namespace, name, value)
    functions: list[WatchedFunction] = field(default_factory=list)
    stable: bool = True  # whether nothing was read that can change while its name stays bound to it

    def add_binding(self, namespace: dict[str, Any], name: str, value: Any) -> None:
        """Note a name that was read.

        Args:
            namespace: The globals that it was read from.
            name: The name.
            value: What it stood for; `MISSING` if it was not bound.
        """
        self.bindings.append((namespace, name, value))

    def add_function(self, function: types.FunctionType) -> None:
        """Note a function that travels.

        Args:
            function: The function.
        """
        self.functions.append(WatchedFunction.of(function))

    @property
    def is_unchanged(self) -> bool:
        """Whether all that was read is certainly as it was."""
        return (
            self.stable
            and all(space.get(name, MISSING) is value for space, name, value in self.bindings)
            and all(function.is_unchanged for function in self.functions)
        )
