"""What the flavours of object stores share: common options, and checks before a store is created."""

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
        ByteSize(10_000_000_000), gt=0, description="size limit of the artifact copies on this machine, like '10 GB'"
    )
    retry_seconds: float = Field(30.0, ge=0, description="how long transient errors are retried, in seconds")


def make_store(location: RemoteLocation, settings: ObjectSettings, home: Path) -> ArtifactStore:
    """The store of a location, with its local copies in the workspace.

    Args:
        location: Where the objects are.
        settings: For the size limit of the copies.
        home: The workspace's folder.

    Returns:
        A store that connects on first use.
    """
    from zenbook.artifact_stores.object_storage.local_cache import DownloadCache
    from zenbook.artifact_stores.object_storage.object_store import ObjectStore

    return ObjectStore(location, DownloadCache(home / CACHE, limit=int(settings.cache_size)))


def bucket_folder(path: str, schemes: Iterable[str], *, example: str) -> str:
    """Take bucket and folder from a URL.

    Args:
        path: The URL.
        schemes: Those that the flavour accepts.
        example: A correct URL, for the hint.

    Returns:
        ``bucket/folder``, without a slash at its end.

    Raises:
        StackError: For a URL of another form.
    """
    refuse_password(path)
    scheme, separator, rest = path.partition("://")
    folder = "/".join(part for part in rest.split("/") if part)
    if not separator or scheme.lower() not in schemes or not folder or rest.startswith("/") or set(rest) & set("?#"):
        raise StackError(f"{path!r} is not the URL of a folder for artifacts.", f"It looks like {example}.")
    return folder


def refuse_password(url: str) -> str:
    """The URL itself, since URLs are shown.

    Args:
        url: A URL, or any other text.

    Returns:
        The same text.

    Raises:
        StackError: For a URL that contains a password.
    """
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        raise StackError(
            "The URL of the artifact store contains a password, and URLs are shown.",
            "Remove it from the URL, and set it as a secret option of the store.",
        )
    return url


def require_package(package: str, extra: str, flavour: str) -> None:
    """Check that the package of a flavour is installed.

    Args:
        package: Name of the package's module.
        extra: The extra of zenbook that installs it.
        flavour: Name of the flavour.

    Raises:
        StackError: Where it is missing.
    """
    if find_spec(package) is None:
        raise StackError(
            f"The artifact store flavour {flavour!r} needs the package {package}, which is not installed.",
            f'pip install "zenbook[{extra}]"',
        )


def reveal(secret: SecretStr | None) -> str | None:
    """The text of a secret option.

    Args:
        secret: The option.

    Returns:
        Its text; None for an option that is not set or empty.
    """
    return (secret.get_secret_value() or None) if secret is not None else None


def present(*secrets: str | None) -> tuple[str, ...]:
    """Drop the secrets that are not set.

    Args:
        *secrets: Texts, or None.

    Returns:
        The texts that are not empty.
    """
    return tuple(secret for secret in secrets if secret)
