"""What a format is: how objects of a type become bytes and come back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Protocol


class Source(Protocol):
    """Stored bytes to read from."""

    @property
    def name(self) -> str:
        """For error messages: which artifact this is."""

    def open(self) -> BinaryIO:
        """A new binary file at the start of the bytes; the caller closes it."""

    def map(self) -> memoryview:
        """The bytes as a writable copy-on-write memory map: what is written to it no other reader sees."""


class Format(ABC):
    """How objects of some types are stored. A user's own format is a subclass of this with four members.

    ``types`` are dotted names (``"pandas.DataFrame"``), so that nothing is imported before it is needed: an object is
    of such a type if the named class is among its class's bases.
    """

    name: ClassVar[str]  # recorded with each artifact; never changes
    suffix: ClassVar[str]  # of the file, with the dot
    types: ClassVar[tuple[str, ...]] = ()
    note: ClassVar[str] = ""  # recorded with the output, for a format that has a drawback

    def accepts(self, value: Any) -> bool:
        """Whether this very value comes back exactly as it was; asked only of values of its ``types``."""
        return True

    @abstractmethod
    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the value. The bytes must depend on nothing but the value."""

    @abstractmethod
    def read(self, source: Source) -> Any:
        """Make a new value that shares nothing mutable with any other reader."""

    def preview(self, value: Any) -> dict[str, Any]:
        """A few facts for people as JSON: shape, columns, first rows. Cheap even for large values."""
        return {}


Writer = Callable[[BinaryIO], object]
