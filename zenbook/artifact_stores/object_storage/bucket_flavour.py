"""The base of the flavours whose artifacts are objects in a bucket: what the clouds have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from zenbook.artifact_stores.object_storage.object_errors import Service
from zenbook.artifact_stores.object_storage.object_settings import (
    bucket_folder,
    make_store,
    present,
    refuse_password,
    require_package,
)
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class BucketFlavour(Flavour):
    """A flavour on buckets. A subclass names its service and its package, and connects.

    Its settings have ``path``, ``endpoint_url`` and the options of `ObjectSettings`. The first of `schemes` is the
    scheme of the URLs that are shown.
    """

    kind = ComponentKind.ARTIFACT_STORE
    service: ClassVar[Service]
    example: ClassVar[str]  # of a URL, for hints
    download_options: ClassVar[Mapping[str, object]] = {}  # of the filesystem's `get_file`

    def make(self, settings: Any, home: Path) -> ArtifactStore:
        """The store of that bucket. Raises `StackError` for a wrong URL, or where the package is missing."""
        require_package(self.packages[0], self.extra, self.name)
        folder = self._folder(settings)
        location = RemoteLocation(
            url=f"{self.schemes[0]}://{folder}",
            service=self.service,
            connect=lambda: (self._connect(settings), folder),
            where=refuse_password(settings.endpoint_url or ""),
            bucket=folder.partition("/")[0],
            put_options=self._upload_options,
            get_options=self.download_options,
            retry_seconds=settings.retry_seconds,
            secrets=present(*self._secrets(settings)),
        )
        return make_store(location, settings, home)

    @abstractmethod
    def _connect(self, settings: Any) -> Any:
        """A new fsspec filesystem that shares nothing with others and caches no listings."""

    @abstractmethod
    def _secrets(self, settings: Any) -> tuple[str | None, ...]:
        """Texts that no error message may show."""

    def _folder(self, settings: Any) -> str:
        """``bucket/folder``."""
        return bucket_folder(settings.path, self.schemes, example=self.example)

    def _upload_options(self, size: int) -> Mapping[str, object]:
        """Options of the filesystem's `put_file` for a file of so many bytes."""
        return {}
