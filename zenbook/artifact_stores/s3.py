"""The flavour `s3`: artifacts in Amazon S3, or a service that speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, SecretStr

from zenbook.artifact_stores.object_storage.bucket_flavour import BucketFlavour
from zenbook.artifact_stores.object_storage.object_errors import Fault, Service, fault_of_status, qualified_name
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, reveal

DOWNLOAD_PART_BYTES = 16 * 1024 * 1024
UPLOAD_PART_BYTES = 6 * 1024 * 1024
MAX_PARTS = 10_000  # of one upload
PARALLEL_PARTS = 4


class S3Settings(ObjectSettings):
    """Options of the flavour `s3`. Without credentials, boto looks for some (environment, profile, machine)."""

    path: str = Field(description="URL of the folder for artifacts: s3://bucket/folder")
    endpoint_url: str | None = Field(None, description="address of a service other than Amazon's: https://host:port")
    region: str | None = Field(None, description="region of the bucket, like eu-central-1")
    profile: str | None = Field(None, description="profile of ~/.aws/config that has the credentials")
    access_key_id: str | None = Field(None, description="access key; without one, boto looks for credentials")
    secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    session_token: SecretStr | None = Field(None, description="token of temporary credentials")
    anonymous: bool = Field(False, description="send no credentials: for public buckets")


_BY_CODE = {
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
_BY_CLASS = {
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


def classify_error(error: BaseException) -> Fault | None:
    """Classify one exception of boto.

    Args:
        error: Any exception, without its causes.

    Returns:
        The fault, or None for an exception of other libraries.
    """
    package, _, name = qualified_name(error).partition(".")
    if package not in ("botocore", "aiobotocore"):
        return None
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str((response.get("Error") or {}).get("Code", ""))
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        return _BY_CODE.get(code) or (Fault.OTHER_REGION if status in (301, 307) else fault_of_status(status))
    return _BY_CLASS.get(name)


SERVICE = Service(
    title="S3",
    classify=classify_error,
    login="Log in with `aws sso login` or `aws configure`, or set access_key_id and secret_access_key.",
    rights="Ask for the permissions s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there, or log in as "
    "somebody else (`aws sts get-caller-identity` says who you are).",
    make_bucket="Create it with `aws s3 mb s3://{bucket}`, or correct the path: "
    "zen config artifacts set s3://BUCKET/FOLDER.",
    region="Find it with `aws s3api get-bucket-location --bucket {bucket}`, and set it as the store's option region.",
)


class S3Flavour(BucketFlavour):
    """Artifacts in Amazon S3, or a service that speaks its protocol."""

    name = "s3"
    settings = S3Settings
    schemes = ("s3", "s3a")
    extra = "s3"
    packages = ("s3fs",)
    service = SERVICE
    example = "s3://bucket/folder"

    def _connect(self, settings: S3Settings) -> Any:
        from s3fs import S3FileSystem

        config: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}
        if settings.endpoint_url:  # other services don't know Amazon's checksums
            config |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
        return S3FileSystem(
            anon=settings.anonymous,
            key=settings.access_key_id,
            secret=reveal(settings.secret_access_key),
            token=reveal(settings.session_token),
            endpoint_url=settings.endpoint_url,
            client_kwargs={"region_name": settings.region} if settings.region else None,
            config_kwargs=config,
            default_block_size=DOWNLOAD_PART_BYTES,
            max_concurrency=PARALLEL_PARTS,
            use_listings_cache=False,
            skip_instance_cache=True,
            **({"profile": settings.profile} if settings.profile else {}),
        )

    def _secrets(self, settings: S3Settings) -> tuple[str | None, ...]:
        return reveal(settings.secret_access_key), reveal(settings.session_token)

    def _upload_options(self, size: int) -> Mapping[str, object]:
        return {
            "chunksize": max(UPLOAD_PART_BYTES, -(-size // MAX_PARTS)),
            "max_concurrency": PARALLEL_PARTS,
        }
