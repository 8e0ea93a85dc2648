"""The flavour `memory`: artifacts that exist as long as the process, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from zenbook.artifact_stores.object_storage.object_errors import Service
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, bucket_folder, make_store
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class MemorySettings(ObjectSettings):
    """Options of the flavour `memory`."""

    path: str = Field("memory://zenbook", description="URL of the folder for artifacts: memory://folder")


class MemoryFlavour(Flavour):
    """Artifacts in the memory of this process."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "memory"
    settings = MemorySettings
    schemes = ("memory",)

    def make(self, settings: MemorySettings, home: Path) -> ArtifactStore:
        """The store of that folder. Raises `StackError` for a wrong URL."""
        folder = bucket_folder(settings.path, self.schemes, example="memory://folder")
        location = RemoteLocation(
            url=f"memory://{folder}",
            service=Service("memory", lambda _: None, bucket="folder"),
            connect=lambda: (_connect(), f"/{folder}"),
            atomic=False,
            retry_seconds=settings.retry_seconds,
        )
        return make_store(location, settings, home)


def _connect() -> Any:
    from fsspec.implementations.memory import MemoryFileSystem

    return MemoryFileSystem(skip_instance_cache=True)
