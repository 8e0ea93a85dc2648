"""A store of each flavour of object storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.servers.object_stores import ALL, Servers, make_store
from zenbook.artifact_stores.object_storage.object_store import ObjectStore


@pytest.fixture(params=ALL)
def options(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """A flavour, and the options of a new and empty store."""
    return request.param, servers.options(request.param, tmp_path)


@pytest.fixture
def store(options: tuple[str, dict[str, Any]], tmp_path: Path) -> ObjectStore:
    return make_store(options[0], tmp_path / ".zen", **options[1])
