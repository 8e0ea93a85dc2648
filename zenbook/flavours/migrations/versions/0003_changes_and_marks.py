"""Give every run a revision, and let users put tags, notes and stars on runs."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

from zenbook.flavours.migrations.once import create_index, create_table
from zenbook.flavours.sql_tables import LongText, Name

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Make the tables; the runs that are there have all changed at revision 1."""
    create_table(
        "marks",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("kind", Name(16), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("text", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "clock",
        sa.Column("store", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "changes",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_index("changes_by_revision", "changes", ["revision"])
    op.execute(
        "INSERT INTO changes (run, revision, gone) SELECT id, 1, 0 FROM runs WHERE id NOT IN (SELECT run FROM changes)"
    )
    if op.get_bind().execute(sa.text("SELECT store FROM clock")).first() is None:
        # Above 1 by more than the newest changes that a mirror compares each time: all runs are no newest ones.
        op.get_bind().execute(
            sa.text("INSERT INTO clock (store, revision) VALUES (:store, 1000)"), {"store": uuid.uuid4().hex}
        )
