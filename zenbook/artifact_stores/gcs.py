"""The flavour `gcs`: artifacts in Google Cloud Storage."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from zenbook.artifact_stores.object_storage.object_errors import Fault, Service, by_status, kind
from zenbook.artifact_stores.object_storage.object_settings import (
    ObjectSettings,
    bucket_folder,
    given,
    make_store,
    need,
    revealed,
    without_password,
)
from zenbook.artifact_stores.object_storage.remote_filesystem import RemoteLocation
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour


class GcsSettings(ObjectSettings):
    """Options of the flavour `gcs`. Without a token Google's application default credentials count."""

    path: str = Field(description="URL of the folder for artifacts: gs://bucket/folder")
    project: str | None = Field(None, description="project that pays for requests; by default that of the credentials")
    endpoint_url: str | None = Field(None, description="address of a service other than Google's: https://host:port")
    token: SecretStr | None = Field(
        None, description="a credentials file's path, its JSON or an access token; by default the application's default"
    )
    anonymous: bool = Field(False, description="send no credentials: for public buckets and emulators")


class GcsFlavour(Flavour):
    """Artifacts in Google Cloud Storage."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "gcs"
    settings = GcsSettings
    schemes = ("gs", "gcs")
    extra = "gcs"
    packages = ("gcsfs",)

    def make(self, settings: GcsSettings, home: Path) -> ArtifactStore:
        """The store of that bucket. Raises `StackError` for a URL that is none, or where gcsfs is missing."""
        need("gcsfs", self.extra, self.name)
        folder = bucket_folder(settings.path, self.schemes, example="gs://bucket/folder")
        place = RemoteLocation(
            url=f"gs://{folder}",
            service=SERVICE,
            connect=lambda: (_connect(settings), folder),
            where=without_password(settings.endpoint_url or ""),
            bucket=folder.partition("/")[0],
            get_options={"concurrency": 1},  # a stream to the disk holds little in memory
            patience=settings.retry_seconds,
            secrets=_secrets(revealed(settings.token)),
        )
        return make_store(place, settings, home)


def _connect(settings: GcsSettings) -> Any:
    from aiohttp import ClientTimeout

    from zenbook.artifact_stores.object_storage.gcs_client import ObjectFileSystem, credentials

    logging.getLogger("gcsfs").addHandler(logging.NullHandler())  # it prints tracebacks of what is told here
    return ObjectFileSystem(
        project=settings.project or "",
        token="anon" if settings.anonymous else credentials(revealed(settings.token)),
        access="read_write",
        endpoint_url=settings.endpoint_url,
        requests_timeout=ClientTimeout(total=None, sock_connect=15, sock_read=120),
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def _secrets(token: str | None) -> tuple[str, ...]:
    if not token or len(token) < 8:  # such as `anon`
        return ()
    try:
        inside = json.loads(token)
    except ValueError:
        return (token,)
    keys = ("private_key", "private_key_id", "refresh_token", "client_secret")
    return given(token, *(inside.get(one) for one in keys)) if isinstance(inside, dict) else (token,)


_KINDS = {
    "google.DefaultCredentialsError": Fault.NO_CREDENTIALS,
    "google.RefreshError": Fault.EXPIRED,
    "google.ReauthFailError": Fault.EXPIRED,
    "google.TransportError": Fault.UNREACHABLE,
    "requests.ProxyError": Fault.BUSY,  # gcsfs raises it for 502
    "requests.ConnectionError": Fault.UNREACHABLE,
    "requests.ConnectTimeout": Fault.UNREACHABLE,
    "requests.ReadTimeout": Fault.BUSY,
    "requests.ChunkedEncodingError": Fault.BUSY,
    "gcsfs.NonRetryableError": Fault.EXPIRED,
    "gcsfs.ChecksumError": Fault.BUSY,
}


def fault(error: BaseException) -> Fault | None:
    """What an exception of gcsfs or Google's libraries says."""
    text = str(error)
    if kind(error) == "gcsfs.HttpError":
        if "Anonymous caller" in text:
            return Fault.NO_CREDENTIALS
        if "bucket does not exist" in text:
            return Fault.NO_BUCKET
        return by_status(getattr(error, "code", None))
    if kind(error) == "builtins.OSError" and text.startswith("Forbidden:"):
        return Fault.FORBIDDEN
    if kind(error) == "builtins.ValueError" and "token is either not valid, or expired" in text:
        return Fault.EXPIRED
    return _KINDS.get(kind(error))


SERVICE = Service(
    title="Google Cloud Storage",
    fault=fault,
    login="Log in with `gcloud auth application-default login`, or set the option token to a key file of a service "
    "account.",
    rights="Ask for the role roles/storage.objectUser on the bucket, or log in as somebody else: `gcloud auth "
    "application-default login`.",
    make_bucket="Make it with `gcloud storage buckets create gs://{bucket}`, or correct the path: "
    "zen config artifacts set gs://BUCKET/FOLDER.",
)
