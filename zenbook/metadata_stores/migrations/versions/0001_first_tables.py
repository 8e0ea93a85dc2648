"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from zenbook.metadata_stores.migrations.idempotent import create_index, create_table
from zenbook.metadata_stores.sql_store.tables import LongText, Name

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Create the tables."""
    _create_runs_and_steps()
    _create_artifacts()
    _create_values()
    _create_texts()


def _create_runs_and_steps() -> None:
    create_table(
        "runs",
        sa.Column("id", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("pipeline", Name(100), nullable=False),
        sa.Column("stack", Name(100), nullable=False),
        sa.Column("state", Name(16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("host", Name(255), nullable=False),
        sa.Column("user", Name(255), nullable=False),
        sa.Column("process", Name(64), nullable=False),
        sa.Column("orchestrator", Name(64), nullable=False),
        sa.Column("environment", Name(64), nullable=False),
        sa.Column("kind", Name(16), nullable=False),
        sa.Column("error", LongText(), nullable=False),
        sa.Column("plan", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    create_index("runs_by_pipeline", "runs", ["pipeline", "id"])
    create_table(
        "steps",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", Name(16), nullable=False),
        sa.Column("fingerprint", Name(64), nullable=False),
        sa.Column("capsule", Name(64), nullable=False),
        sa.Column("cache_key", Name(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("cached_from", Name(24), nullable=False),
        sa.Column("random_in", Name(255), nullable=False),
        sa.Column("why", LongText(), nullable=False),
        sa.Column("notes", LongText(), nullable=False),
        sa.Column("error", LongText(), nullable=False),
        sa.Column("traceback", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    create_index("steps_by_cache_key", "steps", ["cache_key", "state", "run"])


def _create_artifacts() -> None:
    create_table(
        "artifacts",
        sa.Column("digest", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("format", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("address", Name(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "outputs",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("digest", Name(64), nullable=False),
        sa.Column("format", Name(64), nullable=False),
        sa.Column("member", Name(64), nullable=False),
        sa.Column("type", Name(255), nullable=False),
        sa.Column("note", LongText(), nullable=False),
        sa.Column("preview", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "inputs",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source_step", Name(100), nullable=False),
        sa.Column("source_output", Name(64), nullable=False),
        sa.Column("digest", Name(64), nullable=False),
        sa.Column("format", Name(64), nullable=False),
        sa.Column("member", Name(64), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )


def _create_values() -> None:
    create_table(
        "params",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("content", Name(64), nullable=False),
        sa.Column("value", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "metrics",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=True),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    create_table(
        "logs",
        sa.Column("run", Name(24), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("step", Name(100), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("stream", Name(16), nullable=False),
        sa.Column("text", LongText(), nullable=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )


def _create_texts() -> None:
    create_table(
        "code",
        sa.Column("digest", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("capsule", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
    create_table(
        "environments",
        sa.Column("digest", Name(64), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("description", LongText(), nullable=False),
        sqlite_with_rowid=True,
        **MYSQL,
    )
