"""The flavour `sqlite`: metadata in one file, by default in the workspace."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.metadata_store import MetadataStore


class SqliteSettings(BaseModel):
    """Where the file is."""

    model_config = ConfigDict(extra="forbid")
    path: Path = Field(Path("metadata.sqlite"), description="The file; a relative path counts from the .zen folder.")


class SqliteFlavour(Flavour):
    """Metadata in an SQLite file."""

    kind = ComponentKind.METADATA_STORE
    name = "sqlite"
    settings = SqliteSettings

    def make(self, settings: SqliteSettings, home: Path) -> MetadataStore:
        """The store of that file, which is created on first use."""
        from zenbook.metadata_stores.sql_store.sql_store import sqlite_store

        return sqlite_store(home / settings.path)
