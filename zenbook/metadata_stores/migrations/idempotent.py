"""Operations of a migration that can be repeated: MySQL commits each of them, so a client may die between two."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op


def create_table(name: str, *columns: Any, **options: Any) -> None:
    """Create a table, unless it exists.

    Args:
        name: Of the table.
        *columns: SQLAlchemy's columns and constraints.
        **options: Of the table, by dialect.
    """
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **options)


def create_index(name: str, table: str, columns: list[str]) -> None:
    """Create an index, unless it exists.

    Args:
        name: Of the index.
        table: Name of its table.
        columns: Their names, in the order of the index.
    """
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
