"""The flavour `filesystem`: artifacts on any other filesystem that fsspec reaches (sftp, smb, hdfs, …)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, SecretStr

from zenbook.artifact_stores.object_storage.object_errors import Service
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, make_store, present, refuse_password
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
from zenbook.errors import StackError, did_you_mean
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class FilesystemSettings(ObjectSettings):
    """Options of the flavour `filesystem`."""

    path: str = Field(description="URL of the folder for artifacts, like sftp://host/folder")
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="other options of the filesystem, as in fsspec's storage_options"
    )
    secrets: dict[str, SecretStr] = Field(default_factory=dict, description="options of the filesystem that are secret")


class FilesystemFlavour(Flavour):
    """Artifacts on any other filesystem that fsspec reaches."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "filesystem"
    settings = FilesystemSettings

    def make(self, settings: FilesystemSettings, home: Path) -> ArtifactStore:
        """The store of that folder. Raises `StackError` for an unknown scheme, or if its package is missing."""
        url = refuse_password(settings.path).rstrip("/")
        scheme, separator, rest = url.partition("://")
        if not separator or not rest:
            raise StackError(
                f"{settings.path!r} is not the URL of a folder for artifacts.",
                "It looks like sftp://host/folder. For a folder on this machine use the flavour local.",
            )
        filesystem = _filesystem_class(scheme)
        secrets = {name: secret.get_secret_value() for name, secret in settings.secrets.items()}

        def connect() -> tuple[Any, str]:
            options = {**filesystem._get_kwargs_from_urls(url), **settings.options, **secrets}
            connected = filesystem(use_listings_cache=False, skip_instance_cache=True, **options)
            return connected, filesystem._strip_protocol(url)

        location = RemoteLocation(
            url=url,
            service=Service(scheme, lambda _: None, bucket="folder"),
            connect=connect,
            atomic=False,
            retry_seconds=settings.retry_seconds,
            secrets=present(*secrets.values()),
        )
        return make_store(location, settings, home)


def _filesystem_class(scheme: str) -> Any:
    from fsspec.registry import available_protocols, get_filesystem_class

    try:
        return get_filesystem_class(scheme)
    except ValueError as error:
        raise StackError(
            f"Unknown filesystem {scheme}:// in the URL of the artifact store.",
            did_you_mean(scheme, available_protocols(), noun="scheme"),
        ) from error
    except ImportError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        package = re.search(r"(?:pip install|[Ii]nstall) [\"'`]?([\w.-]+)", reason) or re.search(
            r"[\"'`]([\w.-]+)[\"'`]", reason
        )
        raise StackError(
            f"The filesystem {scheme}:// needs a package that is not installed: {reason}.",
            f"pip install {package[1]}" if package else "Install that package.",
        ) from error
