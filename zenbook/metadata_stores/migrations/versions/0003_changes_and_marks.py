"""Give every run a revision, and let users put tags, notes and stars on runs."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

from zenbook.metadata_stores.migrations.idempotent import create_index, create_table
from zenbook.metadata_stores.sql_store.tables import LongText, Name

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Create the tables, and give the existing runs revisions in their order."""
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
    connection = op.get_bind()
    connection.execute(sa.text("DELETE FROM changes"))  # rows of a client that died here
    names = [row[0] for row in connection.execute(sa.text("SELECT id FROM runs ORDER BY id"))]
    changes = sa.table("changes", sa.column("run"), sa.column("revision"), sa.column("gone"))
    for start in range(0, len(names), BATCH_ROWS):
        numbered = enumerate(names[start : start + BATCH_ROWS], start=start + 1)
        op.bulk_insert(changes, [{"run": run, "revision": number, "gone": 0} for number, run in numbered])
    connection.execute(sa.text("DELETE FROM clock"))
    now = {"store": uuid.uuid4().hex, "revision": len(names)}
    connection.execute(sa.text("INSERT INTO clock (store, revision) VALUES (:store, :revision)"), now)
