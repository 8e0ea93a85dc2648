"""The flavour `local` of artifact stores: files in a folder, by default in the workspace."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class LocalFilesSettings(BaseModel):
    """Where the files are."""

    model_config = ConfigDict(extra="forbid")
    path: Path = Field(Path("artifacts"), description="The folder; a relative path counts from the .zen folder.")


class LocalFilesFlavour(Flavour):
    """Artifacts as files of this machine."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "local"
    settings = LocalFilesSettings

    def make(self, settings: LocalFilesSettings, home: Path) -> ArtifactStore:
        """The store of that folder, which is made on first use."""
        from zenbook.artifact_stores.local_store import LocalArtifactStore

        return LocalArtifactStore(home / settings.path)
