"""What the flavours of object stores share: common options, and checks before a store is made."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr

from zenbook.errors import StackError

if TYPE_CHECKING:
    from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
    from zenbook.stack.artifact_store import ArtifactStore

CACHE = "cache"  # the folder in the workspace


class ObjectSettings(BaseModel):
    """Options of every object store."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(description="URL of the folder for artifacts")
    cache_size: ByteSize = Field(
        ByteSize(10_000_000_000), gt=0, description="how much of the artifacts is kept on this machine, like '10 GB'"
    )
    retry_seconds: float = Field(30.0, ge=0, description="for how long transient faults are tried again")


def make_store(place: RemoteLocation, settings: ObjectSettings, home: Path) -> ArtifactStore:
    """The store of a place, with its copies in the workspace."""
    from zenbook.artifact_stores.object_storage.local_cache import DownloadCache
    from zenbook.artifact_stores.object_storage.object_store import ObjectStore

    return ObjectStore(place, DownloadCache(home / CACHE, limit=int(settings.cache_size)))


def bucket_folder(path: str, schemes: Iterable[str], *, example: str) -> str:
    """``bucket/folder`` of a URL, without a slash at its end. Raises `StackError` for what is no such URL."""
    without_password(path)
    scheme, separator, rest = path.partition("://")
    folder = "/".join(part for part in rest.split("/") if part)
    if not separator or scheme.lower() not in schemes or not folder or rest.startswith("/") or set(rest) & set("?#"):
        raise StackError(f"{path!r} is no URL of a folder for artifacts.", f"It looks like {example}.")
    return folder


def without_password(url: str) -> str:
    """The URL itself. Raises `StackError` for one that holds a password, since URLs are shown."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        raise StackError(
            "The URL of the artifact store holds a password, and URLs are shown.",
            "Take it out of the URL, and give it as a secret option of the store.",
        )
    return url


def need(package: str, extra: str, flavour: str) -> None:
    """Raise `StackError` where the package that a flavour needs is not installed."""
    if find_spec(package) is None:
        raise StackError(
            f"The artifact store flavour {flavour!r} needs the package {package}, which is not installed.",
            f'pip install "zenbook[{extra}]"',
        )


def revealed(secret: SecretStr | None) -> str | None:
    """What a secret option holds; None for none or an empty one."""
    return (secret.get_secret_value() or None) if secret is not None else None


def given(*secrets: str | None) -> tuple[str, ...]:
    """The secrets that there are."""
    return tuple(one for one in secrets if one)
