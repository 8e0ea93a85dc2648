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
        """Whether a value can be stored so that it comes back exactly as it was.

        Args:
            value: A value of one of the format's ``types``.

        Returns:
            True if this format can store it.
        """
        return True

    @abstractmethod
    def write(self, value: Any, file: BinaryIO) -> None:
        """Write a value. The bytes must depend on nothing but the value.

        Args:
            value: A value that `accepts` has accepted.
            file: The binary file to write to.
        """

    @abstractmethod
    def read(self, source: Source) -> Any:
        """Read a value.

        Args:
            source: The stored bytes.

        Returns:
            A new value that shares nothing mutable with any other reader.
        """

    def preview(self, value: Any) -> dict[str, Any]:
        """Describe a value for people: shape, columns, first rows. It must be quick even for large values.

        Args:
            value: The value.

        Returns:
            A few facts that JSON can hold.
        """
        return {}


Writer = Callable[[BinaryIO], object]
