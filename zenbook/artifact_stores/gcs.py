"""The flavour `gcs`: artifacts in Google Cloud Storage."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from zenbook.artifact_stores.object_storage.bucket_flavour import BucketFlavour
from zenbook.artifact_stores.object_storage.object_errors import Fault, Service, fault_of_status, qualified_name
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, reveal


class GcsSettings(ObjectSettings):
    """Options of the flavour `gcs`. Without a token, Google's application default credentials are used."""

    path: str = Field(description="URL of the folder for artifacts: gs://bucket/folder")
    project: str | None = Field(
        None, description="project that pays for requests; by default the project of the credentials"
    )
    endpoint_url: str | None = Field(None, description="address of a service other than Google's: https://host:port")
    token: SecretStr | None = Field(
        None,
        description="path of a credentials file, its JSON, or an access token; by default Google's application default",
    )
    anonymous: bool = Field(False, description="send no credentials: for public buckets and emulators")


def _secrets_in(token: str | None) -> tuple[str | None, ...]:
    """The token, or the secret parts of the JSON that it is."""
    if not token or len(token) < 8:  # such as `anon`
        return ()
    try:
        content = json.loads(token)
    except ValueError:
        return (token,)
    keys = ("private_key", "private_key_id", "refresh_token", "client_secret")
    return (token, *(content.get(key) for key in keys)) if isinstance(content, dict) else (token,)


_BY_CLASS = {
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


def classify_error(error: BaseException) -> Fault | None:
    """Classify one exception of gcsfs or of Google's libraries.

    Args:
        error: Any exception, without its causes.

    Returns:
        The fault, or None for an exception of other libraries.
    """
    text = str(error)
    if qualified_name(error) == "gcsfs.HttpError":
        if "Anonymous caller" in text:
            return Fault.NO_CREDENTIALS
        if "bucket does not exist" in text:
            return Fault.NO_BUCKET
        return fault_of_status(getattr(error, "code", None))
    if qualified_name(error) == "builtins.OSError" and text.startswith("Forbidden:"):
        return Fault.FORBIDDEN
    if qualified_name(error) == "builtins.ValueError" and "token is either not valid, or expired" in text:
        return Fault.EXPIRED
    return _BY_CLASS.get(qualified_name(error))


SERVICE = Service(
    title="Google Cloud Storage",
    classify=classify_error,
    login="Log in with `gcloud auth application-default login`, or set the option token to a key file of a service "
    "account.",
    rights="Ask for the role roles/storage.objectUser on the bucket, or log in as somebody else: `gcloud auth "
    "application-default login`.",
    make_bucket="Create it with `gcloud storage buckets create gs://{bucket}`, or correct the path: "
    "zen config artifacts set gs://BUCKET/FOLDER.",
)


class GcsFlavour(BucketFlavour):
    """Artifacts in Google Cloud Storage."""

    name = "gcs"
    settings = GcsSettings
    schemes = ("gs", "gcs")
    extra = "gcs"
    packages = ("gcsfs",)
    service = SERVICE
    example = "gs://bucket/folder"
    download_options: ClassVar[Mapping[str, object]] = {"concurrency": 1}  # a stream to the disk needs little memory

    def _connect(self, settings: GcsSettings) -> Any:
        from aiohttp import ClientTimeout

        from zenbook.artifact_stores.object_storage.gcs_client import ObjectFileSystem, find_credentials

        logging.getLogger("gcsfs").addHandler(logging.NullHandler())  # it prints tracebacks of errors that we report
        return ObjectFileSystem(
            project=settings.project or "",
            token="anon" if settings.anonymous else find_credentials(reveal(settings.token)),
            access="read_write",
            endpoint_url=settings.endpoint_url,
            requests_timeout=ClientTimeout(total=None, sock_connect=15, sock_read=120),
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _secrets(self, settings: GcsSettings) -> tuple[str | None, ...]:
        return _secrets_in(reveal(settings.token))
