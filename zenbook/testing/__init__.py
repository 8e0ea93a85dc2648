"""Conformance tests for your own components, as pytest classes: inherit from one and give it your component.

```python
import pytest
from zenbook.testing import ArtifactStoreTests


class TestMyStore(ArtifactStoreTests):
    @pytest.fixture
    def store(self, tmp_path):
        return MyStore(tmp_path)
```

They check that a component does what `zenbook.stack` promises; zenbook's own components pass them. Only this package
imports pytest: ``pip install "zenbook[testing]"``.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"zenbook.testing.{kind}_store_tests" for kind in ("artifact", "metadata")),
    *(f"zenbook.testing.metadata_{part}_tests" for part in ("reading", "writing")),
    "zenbook.testing.orchestrator_tests",
)  # so that a failing assert shows its values, as it does in a test's own file

from zenbook.testing.artifact_store_tests import ArtifactStoreTests  # noqa: E402
from zenbook.testing.metadata_store_tests import MetadataStoreTests  # noqa: E402
from zenbook.testing.orchestrator_tests import OrchestratorTests, WorkerOrchestratorTests  # noqa: E402

__all__ = ["ArtifactStoreTests", "MetadataStoreTests", "OrchestratorTests", "WorkerOrchestratorTests"]
