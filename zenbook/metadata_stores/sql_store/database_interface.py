"""What the SQL metadata store needs from its database, which is a file or a server."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from zenbook.metadata_stores.sql_store.compiled_statements import PreparedStatement, StatementName

Row = Sequence[Any]


@dataclass(frozen=True)
class Writer:
    """A prepared statement that writes one kind of record."""

    sql: str
    values: Callable[[Any], tuple[Any, ...]]


Writes = Iterable[tuple[Writer, Sequence[Any]]]  # each with its records
StatementRows = list[tuple[str, list[tuple[Any, ...]]]]  # SQL, each with the rows for which it is executed


class SqlDatabase(ABC):
    """A database that is opened on first use, for any thread and for forked children.

    Every method raises `StoreError` when the database could not be reached, read or written.
    """

    has_clock = True  # whether revisions are counted by a row that a transaction locks

    @abstractmethod
    def write(self, writes: Writes, *, changed: Collection[str] = (), gone: Collection[str] = ()) -> None:
        """Write records in one transaction, in this order.

        Args:
            writes: Writers, each with its records; nothing happens without any records.
            changed: Ids of runs that get a new revision.
            gone: Ids of runs that get a new revision as deleted ones.
        """

    @abstractmethod
    def rows(self, name: StatementName, **values: Any) -> list[Row]:
        """Execute a query.

        Args:
            name: Of the query.
            **values: Its parameters, by name.

        Returns:
            All rows.
        """

    @abstractmethod
    def rows_in(self, name: StatementName, parameter: str, items: Sequence[Any], **values: Any) -> list[Row]:
        """Execute a query in which one parameter is a list of values.

        Args:
            name: Of the query.
            parameter: Name of that parameter.
            items: Its values.
            **values: The other parameters, by name.

        Returns:
            All rows.
        """

    @abstractmethod
    def query_two(self, name: StatementName, other: StatementName, **values: Any) -> tuple[list[Row], list[Row]]:
        """Execute two queries with the same parameters.

        Args:
            name: Of the first query.
            other: Of the second; it may be skipped if the first has no rows.
            **values: The parameters, by name.

        Returns:
            All rows of each.
        """

    @abstractmethod
    def prepared(self, name: StatementName) -> PreparedStatement:
        """A statement in this database's SQL.

        Args:
            name: Of the statement.

        Returns:
            Text, and names of the parameters.
        """

    @abstractmethod
    def describe(self) -> str:
        """Kind, location and schema revision."""

    @abstractmethod
    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""

    def revision_statements(self, changed: Collection[str], gone: Collection[str]) -> StatementRows:
        """The statements at the end of a transaction which changed or deleted runs.

        Args:
            changed: Ids of runs that were written.
            gone: Ids of runs that were deleted.

        Returns:
            SQL with rows, in the order of execution.
        """
        tick, put_change, mark_gone = self._revision_sql
        ticks: StatementRows = [(tick, [()])] if self.has_clock else []
        statements: StatementRows = []
        for run in changed:
            statements += [*ticks, (put_change, [(run,)])]
        for run in gone:
            statements += [*ticks, (mark_gone, [(run,)])]
        return statements

    @cached_property
    def _revision_sql(self) -> tuple[str, ...]:
        names = (StatementName.TICK, StatementName.PUT_CHANGE, StatementName.MARK_GONE)
        return tuple(self.prepared(name).sql for name in names)

    def writer(self, name: StatementName) -> Writer:
        """A statement for records.

        Args:
            name: Of a statement whose parameters have the names of the record's fields.

        Returns:
            What `write` takes with the records.
        """
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


def encodable_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Replace lone surrogates, as they occur in names of files: no database takes them.

    Args:
        row: Values of any type.

    Returns:
        The row with escapes in their place.
    """
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in row
    )
