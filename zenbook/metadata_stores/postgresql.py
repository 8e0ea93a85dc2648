"""The flavour `postgresql`: metadata in a database of PostgreSQL (from 10 on)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from zenbook.errors import StackError
from zenbook.metadata_stores.sql_store.server_settings import ServerSettings
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.metadata_store import MetadataStore


class PostgresqlSettings(ServerSettings):
    """Where the database is, and who logs in."""

    port: int = Field(5432, ge=1, le=65535, description="Port of the server.")


class PostgresqlFlavour(Flavour):
    """Metadata in PostgreSQL."""

    kind = ComponentKind.METADATA_STORE
    name = "postgresql"
    settings = PostgresqlSettings
    schemes = ("postgresql", "postgres")
    extra = "postgresql"
    packages = ("psycopg",)

    def make(self, settings: PostgresqlSettings, home: Path) -> MetadataStore:
        """The store; it connects on first use. Raises `StackError` if a package is missing."""
        from zenbook.metadata_stores.sql_store.server_database import ServerDatabase
        from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore

        try:
            from zenbook.metadata_stores.sql_store.drivers.postgresql_driver import PostgresqlDriver
        except ImportError as error:
            raise StackError(
                "The metadata store 'postgresql' needs psycopg.", 'pip install "zenbook[postgresql]"'
            ) from error
        return SqlMetadataStore(ServerDatabase(PostgresqlDriver(settings)))
