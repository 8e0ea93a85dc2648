"""What the SQL metadata store asks of its database, be it a file or a server."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from zenbook.metadata_stores.sql_store.compiled_statements import Prepared, StatementName

Row = Sequence[Any]


@dataclass(frozen=True)
class Writer:
    """A prepared statement that writes one kind of record."""

    sql: str
    values: Callable[[Any], tuple[Any, ...]]


Writes = Iterable[tuple[Writer, Sequence[Any]]]


class SqlDatabase(ABC):
    """A database that is opened on first use, for any thread and for forked children.

    Every method raises `StoreError` when the database can't be reached, read or written.
    """

    has_clock = True  # whether revisions are counted by a row that a transaction locks

    @abstractmethod
    def write(self, works: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, in this order; runs that are ``changed`` or ``gone`` get a new revision."""

    @abstractmethod
    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """All rows that answer a question."""

    @abstractmethod
    def rows_of_all(self, name: StatementName, parameter: str, several: Sequence[Any], **values: Any) -> list[Row]:
        """All rows that answer a question in which one parameter is a list of values."""

    @abstractmethod
    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """All rows that answer two questions with the same parameters; none of the second if none of the first."""

    @abstractmethod
    def prepared(self, name: StatementName) -> Prepared:
        """A statement in this database's SQL."""

    @abstractmethod
    def describe(self) -> str:
        """Kind, place and schema revision."""

    @abstractmethod
    def close(self) -> None:
        """Let go of this process's connections; the next use opens new ones."""

    def revised(self, changed: Collection[str], gone: Collection[str]) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """The statements, each with its rows, that end a transaction which changed or deleted runs."""
        tick, put, drop = self._revising
        ticked: list[tuple[str, list[tuple[Any, ...]]]] = [(tick, [()])] if self.has_clock else []
        statements: list[tuple[str, list[tuple[Any, ...]]]] = []
        for run in changed:
            statements += [*ticked, (put, [(run,)])]
        for run in gone:
            statements += [*ticked, (drop, [(run,)])]
        return statements

    @cached_property
    def _revising(self) -> tuple[str, ...]:
        return tuple(
            self.prepared(one).sql for one in (StatementName.TICK, StatementName.PUT_CHANGE, StatementName.MARK_GONE)
        )

    def writer(self, name: StatementName) -> Writer:
        """What executes a statement for records whose fields have the names of its parameters."""
        prepared = self.prepared(name)
        # `_value_` is an enum's value without the 0.2 µs of its property.
        pick = attrgetter(*("state._value_" if name == "state" else name for name in prepared.names))
        if len(prepared.names) == 1:
            return Writer(prepared.sql, lambda record: (pick(record),))
        if "notes" not in prepared.names:
            return Writer(prepared.sql, pick)
        at = prepared.names.index("notes")

        def with_notes(record: Any) -> tuple[Any, ...]:
            row = pick(record)
            return (*row[:at], json.dumps(row[at]) if row[at] else "[]", *row[at + 1 :])

        return Writer(prepared.sql, with_notes)


def encodable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without halves of surrogate pairs, from a file's name or a print: no database takes them."""
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in row
    )
