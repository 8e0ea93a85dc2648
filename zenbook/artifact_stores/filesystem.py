"""The flavour `filesystem`: artifacts on any other filesystem that fsspec reaches (sftp, smb, hdfs, …)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, SecretStr

from zenbook.artifact_stores.object_storage.object_errors import Service
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, given, make_store, without_password
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
from zenbook.errors import StackError, did_you_mean
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class FilesystemSettings(ObjectSettings):
    """Options of the flavour `filesystem`."""

    path: str = Field(description="URL of the folder for artifacts, like sftp://host/folder")
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="what else the filesystem wants to know, as fsspec's storage options"
    )
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="those of the filesystem's options that are secret"
    )


class FilesystemFlavour(Flavour):
    """Artifacts on any other filesystem that fsspec reaches."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "filesystem"
    settings = FilesystemSettings

    def make(self, settings: FilesystemSettings, home: Path) -> ArtifactStore:
        """The store of that folder. Raises `StackError` for an unknown scheme, or one whose package is missing."""
        url = without_password(settings.path).rstrip("/")
        scheme, separator, rest = url.partition("://")
        if not separator or not rest:
            raise StackError(
                f"{settings.path!r} is no URL of a folder for artifacts.",
                "It looks like sftp://host/folder; a folder of this machine is the flavour local.",
            )
        found = _class_of(scheme)
        secrets = {name: secret.get_secret_value() for name, secret in settings.secrets.items()}

        def connect() -> tuple[Any, str]:
            options = {**found._get_kwargs_from_urls(url), **settings.options, **secrets}
            return found(use_listings_cache=False, skip_instance_cache=True, **options), found._strip_protocol(url)

        place = RemoteLocation(
            url=url,
            service=Service(scheme, lambda _: None, bucket="folder"),
            connect=connect,
            atomic=False,
            patience=settings.retry_seconds,
            secrets=given(*secrets.values()),
        )
        return make_store(place, settings, home)


def _class_of(scheme: str) -> Any:
    from fsspec.registry import available_protocols, get_filesystem_class

    try:
        return get_filesystem_class(scheme)
    except ValueError as error:
        raise StackError(
            f"There is no filesystem for {scheme}:// URLs.", did_you_mean(scheme, available_protocols(), noun="scheme")
        ) from error
    except ImportError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        package = re.search(r"(?:pip install|[Ii]nstall) [\"'`]?([\w.-]+)", reason) or re.search(
            r"[\"'`]([\w.-]+)[\"'`]", reason
        )
        raise StackError(
            f"The filesystem for {scheme}:// URLs needs a package that is missing: {reason}.",
            f"pip install {package[1]}" if package else "Install that package.",
        ) from error
