"""Steps of a revision that may be run again: MySQL keeps each of them, even if the client dies before the next."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op


def create_table(name: str, *columns: Any, **options: Any) -> None:
    """Make a table that is not there yet."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **options)


def create_index(name: str, table: str, columns: list[str]) -> None:
    """Make an index that is not there yet."""
    if name not in {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
