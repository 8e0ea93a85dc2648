"""Conformance tests for components of your own, as pytest classes: inherit one and give it your component.

```python
import pytest
from zenbook.testing import ArtifactStoreTests


class TestMyStore(ArtifactStoreTests):
    @pytest.fixture
    def store(self, tmp_path):
        return MyStore(tmp_path)
```

They hold a component to what `zenbook.stack` promises; zenbook's own pass them. This package alone imports
pytest: ``pip install "zenbook[testing]"``.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"zenbook.testing.{one}" for one in ("artifacts", "metadata", "metadata_reading", "metadata_writing")),
    "zenbook.testing.orchestrator_tests",
)  # so that a failing assert shows its values, as it does in a test's own file

from zenbook.testing.artifact_store_tests import ArtifactStoreTests  # noqa: E402
from zenbook.testing.metadata_store_tests import MetadataStoreTests  # noqa: E402
from zenbook.testing.orchestrator_tests import OrchestratorTests, WorkerOrchestratorTests  # noqa: E402

__all__ = ["ArtifactStoreTests", "MetadataStoreTests", "OrchestratorTests", "WorkerOrchestratorTests"]
