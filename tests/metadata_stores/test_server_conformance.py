"""Stores on servers pass the conformance tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notebooks.servers import Server
from tests.servers.databases import KINDS, new_database, store_at
from tests.servers.object_stores import ALL, Servers, make_store
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.metadata_store import MetadataStore
from zenbook.testing import ArtifactStoreTests, MetadataStoreTests


class TestStoresOnServers(MetadataStoreTests):
    @pytest.fixture(params=KINDS)
    def url(self, request: pytest.FixtureRequest) -> str:
        server: Server = request.getfixturevalue(request.param)
        return server.url(new_database())

    @pytest.fixture
    def store(self, url: str) -> Iterator[MetadataStore]:
        store = store_at(url)
        yield store
        store.close()

    @pytest.fixture
    def other_store(self, store: MetadataStore, url: str) -> Iterator[MetadataStore]:
        other = store_at(url)
        yield other
        other.close()


class TestObjectStores(ArtifactStoreTests):
    @pytest.fixture(params=ALL)
    def store(self, request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> ArtifactStore:
        return make_store(request.param, tmp_path / "home", **servers.options(request.param, tmp_path))
