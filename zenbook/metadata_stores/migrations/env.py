"""Alembic runs this file; the connection, its transaction and its lock are those of the caller of `upgrade`."""

from __future__ import annotations

from alembic import context

from zenbook.metadata_stores.sql_store.tables import metadata, version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=version.name,
)
context.run_migrations()
