"""A store in a new SQLite file, whose path has characters that URLs escape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "with space % and ?" / "metadata.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlMetadataStore]:
    store = sqlite_store(path)
    yield store
    store.close()
