"""What differs between servers: how to connect, to send many statements at once, and what their errors mean."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from zenbook.metadata_stores.sql_store.database_interface import Row

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Engine

    from zenbook.errors import StoreError
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings

Statement = tuple[str, Sequence[tuple[Any, ...]]]  # and the rows for which it is executed
Query = tuple[str, tuple[Any, ...]]  # and the values of its parameters


class ErrorClass(Enum):
    """What can be done about an error."""

    LOST = auto()  # the server does not answer: wait for it
    UNKNOWN_HOST = auto()  # wait only if it was known before
    CONFLICT = auto()  # with another writer: do it again
    MISSING_TABLES = auto()  # they must be created
    OTHER = auto()


class Driver(ABC):
    """A server of one kind, reached with the library for it.

    Args:
        settings: Where the database is, and who logs in.
    """

    name: str  # of the kind of server, for people
    failures: tuple[type[Exception], ...]  # what the library raises
    holds_nul = True  # whether a text may have a character 0

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings

    @property
    def store(self) -> str:
        """The store's name in a sentence."""
        return f"The metadata store {self.name} at {self.settings.location}"

    @classmethod
    @abstractmethod
    def dialect(cls) -> Dialect:
        """For which statements are compiled, with ``%s`` for parameters."""

    @abstractmethod
    def connect(self) -> Any:
        """A connection that commits each statement by itself. Creates the database if it is missing."""

    @abstractmethod
    def is_alive(self, connection: Any) -> bool:
        """Whether the server still answers.

        Args:
            connection: One of `connect`.

        Returns:
            False for a connection that was lost.
        """

    @abstractmethod
    def reset(self, connection: Any) -> None:
        """End the transaction that an error left open.

        Args:
            connection: One of `connect`.
        """

    @abstractmethod
    def transact(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute statements in one transaction, in one round trip if they are not too long.

        Args:
            connection: One of `connect`.
            statements: SQL, each with its rows.
        """

    @abstractmethod
    def fetch(self, connection: Any, queries: Sequence[Query]) -> list[list[Row]]:
        """Execute queries in one round trip.

        Args:
            connection: One of `connect`.
            queries: SQL, each with its parameters.

        Returns:
            The rows of each.
        """

    @abstractmethod
    def version(self, connection: Any) -> str:
        """Kind and version of the server, for people.

        Args:
            connection: One of `connect`.

        Returns:
            Text like ``MariaDB 10.11.6``.
        """

    @abstractmethod
    def classify(self, error: BaseException) -> ErrorClass:
        """What can be done about an error.

        Args:
            error: One of `failures`.

        Returns:
            Its class.
        """

    @abstractmethod
    def to_store_error(self, error: BaseException) -> StoreError:
        """Say what an error means, and what to do.

        Args:
            error: One of `failures`.

        Returns:
            The error to raise.
        """

    @abstractmethod
    def engine(self) -> Engine:
        """SQLAlchemy on new connections of this driver, for migrations."""

    @abstractmethod
    @contextmanager
    def migration_lock(self, connection: Connection) -> Iterator[None]:
        """Only one client of the database is in this block at a time.

        Args:
            connection: One of `engine`.
        """


def clean_row(row: Sequence[Any], *, holds_nul: bool) -> tuple[Any, ...]:
    """A row as a server takes it: NaN is NULL, and characters that no text can hold are escaped.

    Args:
        row: Values of any type.
        holds_nul: Whether the server's texts may have a character 0.

    Returns:
        Values for the driver.
    """
    return tuple(_clean_value(value, holds_nul=holds_nul) for value in row)


def _clean_value(value: Any, *, holds_nul: bool) -> Any:
    if isinstance(value, str):
        if not value.isascii():
            value = value.encode("utf-8", "backslashreplace").decode()
        if not holds_nul and "\0" in value:
            value = value.replace("\0", "\\x00")
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value
