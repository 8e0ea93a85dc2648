"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from zenbook.flavours.sql_tables import LongText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("pipeline", sa.String(100), nullable=False),
        sa.Column("stack", sa.String(100), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("process", sa.String(64), nullable=False),
        sa.Column("orchestrator", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("error", LongText(), nullable=False),
        sa.Column("plan", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    op.create_index("runs_by_pipeline", "runs", ["pipeline", "id"])
    op.create_table(
        "steps",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("capsule", sa.String(64), nullable=False),
        sa.Column("cache_key", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("cached_from", sa.String(24), nullable=False),
        sa.Column("random_in", sa.String(255), nullable=False),
        sa.Column("why", LongText(), nullable=False),
        sa.Column("notes", LongText(), nullable=False),
        sa.Column("error", LongText(), nullable=False),
        sa.Column("traceback", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    op.create_index("steps_by_cache_key", "steps", ["cache_key", "state", "run"])
    op.create_table(
        "artifacts",
        sa.Column("digest", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("format", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "outputs",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("note", LongText(), nullable=False),
        sa.Column("preview", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "inputs",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source_step", sa.String(100), nullable=False),
        sa.Column("source_output", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "params",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("value", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "metrics",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=True),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "logs",
        sa.Column("run", sa.String(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("text", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "code",
        sa.Column("digest", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("capsule", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    op.create_table(
        "environments",
        sa.Column("digest", sa.String(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("description", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
