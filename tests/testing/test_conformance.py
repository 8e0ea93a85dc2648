"""The built-in components keep what the conformance tests ask of a component."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zenbook
from zenbook.artifact_stores.local_files import LocalArtifactStore
from zenbook.metadata_stores.sql_store.sql_store import sqlite_store
from zenbook.orchestrators.local import LocalOrchestrator
from zenbook.orchestrators.process import ProcessOrchestrator
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.orchestrator import Orchestrator
from zenbook.testing import ArtifactStoreTests, MetadataStoreTests, OrchestratorTests, WorkerOrchestratorTests


def test_nothing_but_the_conformance_tests_imports_pytest() -> None:
    """It comes with an extra, and whoever runs pipelines has no need of it."""
    package = Path(zenbook.__file__).parent
    importing = {one.parent for one in package.rglob("*.py") if re.search(r"\bimport pytest\b", one.read_text("utf-8"))}
    assert importing == {package / "testing"}


class TestLocalArtifactStore(ArtifactStoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        return LocalArtifactStore(tmp_path / "with space" / "artifacts")


class TestSqliteStore(MetadataStoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[MetadataStore]:
        made = sqlite_store(tmp_path / "metadata.sqlite")
        yield made
        made.close()

    @pytest.fixture
    def other_store(self, store: MetadataStore, tmp_path: Path) -> Iterator[MetadataStore]:
        made = sqlite_store(tmp_path / "metadata.sqlite")
        yield made
        made.close()


class TestLocalOrchestrator(OrchestratorTests):
    @pytest.fixture
    def orchestrator(self) -> Orchestrator:
        return LocalOrchestrator()


class TestProcessOrchestrator(WorkerOrchestratorTests):
    @pytest.fixture
    def orchestrator(self) -> Orchestrator:
        return ProcessOrchestrator(Path(sys.executable))
