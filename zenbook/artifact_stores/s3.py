"""The flavour `s3`: artifacts in Amazon S3, or a service that speaks its protocol."""

from __future__ import annotations

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

PART_BYTES = 16 * 1024 * 1024  # of a download
UPLOAD_PART_BYTES = 6 * 1024 * 1024
PARTS_LIMIT = 10_000  # of one upload
PARTS_AT_ONCE = 4


class S3Settings(ObjectSettings):
    """Options of the flavour `s3`. Without credentials those of boto's chain count (environment, profile, machine)."""

    path: str = Field(description="URL of the folder for artifacts: s3://bucket/folder")
    endpoint_url: str | None = Field(None, description="address of a service other than Amazon's: https://host:port")
    region: str | None = Field(None, description="region of the bucket, like eu-central-1")
    profile: str | None = Field(None, description="profile of ~/.aws/config to take credentials from")
    access_key_id: str | None = Field(None, description="access key; without one, boto's chain of credentials counts")
    secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    session_token: SecretStr | None = Field(None, description="token of temporary credentials")
    anonymous: bool = Field(False, description="send no credentials: for public buckets")


class S3Flavour(Flavour):
    """Artifacts in Amazon S3, or a service that speaks its protocol."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "s3"
    settings = S3Settings
    schemes = ("s3", "s3a")
    extra = "s3"
    packages = ("s3fs",)

    def make(self, settings: S3Settings, home: Path) -> ArtifactStore:
        """The store of that bucket. Raises `StackError` for a URL that is none, or where s3fs is missing."""
        need("s3fs", self.extra, self.name)
        folder = bucket_folder(settings.path, self.schemes, example="s3://bucket/folder")
        place = RemoteLocation(
            url=f"s3://{folder}",
            service=SERVICE,
            connect=lambda: (_connect(settings), folder),
            where=without_password(settings.endpoint_url or ""),
            bucket=folder.partition("/")[0],
            put_options=lambda size: {
                "chunksize": max(UPLOAD_PART_BYTES, -(-size // PARTS_LIMIT)),
                "max_concurrency": PARTS_AT_ONCE,
            },
            patience=settings.retry_seconds,
            secrets=given(revealed(settings.secret_access_key), revealed(settings.session_token)),
        )
        return make_store(place, settings, home)


def _connect(settings: S3Settings) -> Any:
    from s3fs import S3FileSystem

    config: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}
    if settings.endpoint_url:  # other services don't know the checksums that Amazon's takes
        config |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return S3FileSystem(
        anon=settings.anonymous,
        key=settings.access_key_id,
        secret=revealed(settings.secret_access_key),
        token=revealed(settings.session_token),
        endpoint_url=settings.endpoint_url,
        client_kwargs={"region_name": settings.region} if settings.region else None,
        config_kwargs=config,
        default_block_size=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
        use_listings_cache=False,
        skip_instance_cache=True,
        **({"profile": settings.profile} if settings.profile else {}),
    )


_CODES = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"), Fault.EXPIRED),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId", "AuthFailure"),
        Fault.REFUSED,
    ),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden"), Fault.FORBIDDEN),
    **dict.fromkeys(("NoSuchKey", "NotFound"), Fault.MISSING),
    "NoSuchBucket": Fault.NO_BUCKET,
    **dict.fromkeys(
        (
            "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException", "301",
        ),
        Fault.OTHER_REGION,
    ),
    **dict.fromkeys(
        (
            "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "ThrottlingException",
            "OperationAborted", "RequestLimitExceeded",
        ),
        Fault.BUSY,
    ),
}  # fmt: skip
_KINDS = {
    **dict.fromkeys(
        ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoAuthTokenError"), Fault.NO_CREDENTIALS
    ),
    **dict.fromkeys(
        (
            "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "CredentialRetrievalError",
            "LoginRefreshRequired",
        ),
        Fault.EXPIRED,
    ),
    **dict.fromkeys(("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"), Fault.UNREACHABLE),
    **dict.fromkeys(
        ("HTTPClientError", "ConnectionClosedError", "ReadTimeoutError", "ResponseParserError", "IncompleteReadError"),
        Fault.BUSY,
    ),
}  # fmt: skip


def fault(error: BaseException) -> Fault | None:
    """What an exception of boto's says."""
    package, _, name = kind(error).partition(".")
    if package not in ("botocore", "aiobotocore"):
        return None
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str((response.get("Error") or {}).get("Code", ""))
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        return _CODES.get(code) or (Fault.OTHER_REGION if status in (301, 307) else by_status(status))
    return _KINDS.get(name)


SERVICE = Service(
    title="S3",
    fault=fault,
    login="Log in with `aws sso login` or `aws configure`, or set access_key_id and secret_access_key.",
    rights="Ask for the rights s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there, or log in as "
    "somebody else (`aws sts get-caller-identity` says who you are).",
    make_bucket="Make it with `aws s3 mb s3://{bucket}`, or correct the path: "
    "zen config artifacts set s3://BUCKET/FOLDER.",
    region="`aws s3api get-bucket-location --bucket {bucket}` names it: set it as the store's option region.",
)
