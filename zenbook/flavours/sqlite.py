"""The flavour `sqlite`: metadata in one file, by default in the workspace."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zenbook.stack.components import MetadataStore
from zenbook.stack.flavour import ComponentKind, Flavour


class SqliteSettings(BaseModel):
    """``path``: the file; a relative path counts from the workspace's folder."""

    model_config = ConfigDict(extra="forbid")
    path: Path = Path("metadata.sqlite")


class SqliteFlavour(Flavour):
    """Metadata in an SQLite file."""

    kind = ComponentKind.METADATA_STORE
    name = "sqlite"
    settings = SqliteSettings

    def make(self, settings: SqliteSettings, home: Path) -> MetadataStore:
        """Open the file; it is made on first use."""
        from zenbook.flavours.sql import sqlite_store

        return sqlite_store(home / settings.path)
