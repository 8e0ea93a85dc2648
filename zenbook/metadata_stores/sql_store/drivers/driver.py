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
Question = tuple[str, tuple[Any, ...]]


class ErrorClass(Enum):
    """What can be done about an error."""

    LOST = auto()  # the server is away: wait for it
    ABSENT = auto()  # there is no such host: wait only for one that was there before
    CONFLICT = auto()  # with another writer: do it again
    MISSING_TABLES = auto()  # none are there yet
    OTHER = auto()


class Driver(ABC):
    """A server of one kind, reached with the library for it."""

    name: str  # of the kind of server, for people
    failures: tuple[type[Exception], ...]  # what the library raises
    holds_nul = True  # whether a text may have a character 0

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings

    @property
    def store(self) -> str:
        """The store's name in a sentence."""
        return f"The metadata store {self.name} at {self.settings.place}"

    @classmethod
    @abstractmethod
    def dialect(cls) -> Dialect:
        """For which statements are compiled, with ``%s`` for parameters."""

    @abstractmethod
    def connect(self) -> Any:
        """A connection that commits each statement by itself. Makes the database if it is missing."""

    @abstractmethod
    def is_alive(self, connection: Any) -> bool:
        """Whether the server still answers on a connection."""

    @abstractmethod
    def reset(self, connection: Any) -> None:
        """End the transaction that an error left open."""

    @abstractmethod
    def transact(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute statements in one transaction, in one round trip where they are not too long."""

    @abstractmethod
    def answer(self, connection: Any, questions: Sequence[Question]) -> list[list[Row]]:
        """The rows that answer each question, in one round trip."""

    @abstractmethod
    def version(self, connection: Any) -> str:
        """Kind and version of the server, for people."""

    @abstractmethod
    def trouble(self, error: BaseException) -> ErrorClass:
        """What can be done about an error."""

    @abstractmethod
    def told(self, error: BaseException) -> StoreError:
        """An error in plain words."""

    @abstractmethod
    def engine(self) -> Engine:
        """SQLAlchemy on new connections of this driver, for migrations."""

    @abstractmethod
    @contextmanager
    def migrating(self, connection: Connection) -> Iterator[None]:
        """Only one client of the database is in this block at a time."""


def clean(row: Sequence[Any], *, holds_nul: bool) -> tuple[Any, ...]:
    """A row as a server takes it: NaN is NULL; what no text can hold is spelt out."""
    return tuple(_clean(value, holds_nul=holds_nul) for value in row)


def _clean(value: Any, *, holds_nul: bool) -> Any:
    if isinstance(value, str):
        if not value.isascii():
            value = value.encode("utf-8", "backslashreplace").decode()
        if not holds_nul and "\0" in value:
            value = value.replace("\0", "\\x00")
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value
