"""The flavour `azure`: artifacts in Azure Blob Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from zenbook.artifact_stores.object_storage.bucket_flavour import BucketFlavour
from zenbook.artifact_stores.object_storage.object_errors import Fault, Service, fault_of_status, qualified_name
from zenbook.artifact_stores.object_storage.object_settings import ObjectSettings, reveal
from zenbook.errors import StackError
from zenbook.stack.artifact_store import ArtifactStore

PARALLEL_BLOCKS = 4


class AzureSettings(ObjectSettings):
    """Options of the flavour `azure`. Without credentials, those of the environment or of `az login` are used."""

    path: str = Field(
        description="URL of the folder for artifacts: az://container/folder or "
        "abfss://container@account.dfs.core.windows.net/folder"
    )
    account_name: str | None = Field(None, description="storage account, if the URL does not name it")
    account_key: SecretStr | None = Field(None, description="access key of the storage account")
    connection_string: SecretStr | None = Field(None, description="connection string of the storage account")
    sas_token: SecretStr | None = Field(None, description="shared access signature")
    endpoint_url: str | None = Field(
        None, description="address of the blob service: https://account.blob.core.windows.net"
    )
    anonymous: bool = Field(False, description="send no credentials: for public containers")


def _connection_string(settings: AzureSettings) -> str | None:
    return reveal(settings.connection_string) or os.environ.get("AZURE_STORAGE_CONNECTION_STRING")


def _key_in(connection_string: str | None) -> str | None:
    for part in (connection_string or "").split(";"):
        name, _, value = part.partition("=")
        if name.strip() in ("AccountKey", "SharedAccessSignature"):
            return value.strip()
    return None


_BY_CODE = {
    "ContainerNotFound": Fault.NO_BUCKET,
    "BlobNotFound": Fault.MISSING,
    "ContainerBeingDeleted": Fault.BUSY,
    "ServerBusy": Fault.BUSY,
    "OperationTimedOut": Fault.BUSY,
    "InternalError": Fault.BUSY,
    "AuthenticationFailed": Fault.REFUSED,
    "InvalidAuthenticationInfo": Fault.REFUSED,
    "NoAuthenticationInformation": Fault.NO_CREDENTIALS,
    "PublicAccessNotPermitted": Fault.NO_CREDENTIALS,
    "AuthorizationFailure": Fault.FORBIDDEN,
    "AuthorizationPermissionMismatch": Fault.FORBIDDEN,
    "AuthorizationResourceTypeMismatch": Fault.FORBIDDEN,
    "InsufficientAccountPermissions": Fault.FORBIDDEN,
}
_BY_CLASS = {
    "CredentialUnavailableError": Fault.NO_CREDENTIALS,
    "AuthenticationRequiredError": Fault.EXPIRED,
    "ServiceRequestError": Fault.UNREACHABLE,
    "ServiceRequestTimeoutError": Fault.UNREACHABLE,
    "ServiceResponseError": Fault.BUSY,
    "ServiceResponseTimeoutError": Fault.BUSY,
    "IncompleteReadError": Fault.BUSY,
    "ResourceNotFoundError": Fault.MISSING,
}


def classify_error(error: BaseException) -> Fault | None:
    """Classify one exception of Azure's libraries.

    Args:
        error: Any exception, without its causes.

    Returns:
        The fault, or None for an exception of other libraries.
    """
    package, _, name = qualified_name(error).partition(".")
    if package != "azure":
        return Fault.NO_BUCKET if "No such container" in str(error) else None
    text = str(error)
    if "Server failed to authenticate" in text and "time frame" not in text:
        return Fault.REFUSED
    if "not valid in the specified time frame" in text or "ExpiredAuthenticationToken" in text:
        return Fault.EXPIRED
    if "DefaultAzureCredential failed to retrieve" in text:
        return Fault.NO_CREDENTIALS
    code = str(getattr(getattr(error, "error_code", ""), "value", getattr(error, "error_code", "")))
    return _BY_CODE.get(code) or _BY_CLASS.get(name) or fault_of_status(getattr(error, "status_code", None))


SERVICE = Service(
    title="Azure Blob Storage",
    classify=classify_error,
    login="Log in with `az login`, or set account_key, sas_token or connection_string.",
    rights="Ask for the role 'Storage Blob Data Contributor' on the container, or log in as somebody else: `az login`.",
    make_bucket="Create it with `az storage container create --name {bucket}`, or correct the path: "
    "zen config artifacts set az://CONTAINER/FOLDER.",
    bucket="container",
)


class AzureFlavour(BucketFlavour):
    """Artifacts in Azure Blob Storage."""

    name = "azure"
    settings = AzureSettings
    schemes = ("az", "abfs", "abfss", "azure")
    extra = "azure"
    packages = ("adlfs",)
    service = SERVICE
    example = "az://container/folder"
    download_options: ClassVar[Mapping[str, object]] = {"max_concurrency": PARALLEL_BLOCKS}

    def make(self, settings: AzureSettings, home: Path) -> ArtifactStore:
        """As for every bucket; also raises `StackError` where no storage account is named."""
        store = super().make(settings, home)
        if not self._account(settings) and not _connection_string(settings):
            raise StackError(
                f"The URL {settings.path!r} doesn't name a storage account.",
                "Set the option account_name, or write abfss://container@account.dfs.core.windows.net/folder.",
            )
        return store

    def _connect(self, settings: AzureSettings) -> Any:
        from zenbook.artifact_stores.object_storage.azure_client import BlobFileSystem

        return BlobFileSystem(
            endpoint_url=settings.endpoint_url,
            account_name=self._account(settings),
            account_key=reveal(settings.account_key),
            connection_string=reveal(settings.connection_string),
            sas_token=reveal(settings.sas_token),
            anon=settings.anonymous,
            max_concurrency=PARALLEL_BLOCKS,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _secrets(self, settings: AzureSettings) -> tuple[str | None, ...]:
        connection_string = _connection_string(settings)
        return (
            reveal(settings.account_key),
            connection_string,
            reveal(settings.sas_token),
            _key_in(connection_string),
        )

    def _folder(self, settings: AzureSettings) -> str:
        """``container/folder``; the URL may have ``container@account.dfs.core.windows.net/folder``."""
        container, at, rest = super()._folder(settings).partition("@")
        return f"{container}/{rest.partition('/')[2]}".rstrip("/") if at else container

    def _account(self, settings: AzureSettings) -> str | None:
        """The storage account by its option, the environment or the URL."""
        account = settings.account_name or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        host = super()._folder(settings).partition("@")[2].partition("/")[0]
        return account or host.partition(".")[0] or None

    def _upload_options(self, size: int) -> Mapping[str, object]:
        return {"max_concurrency": PARALLEL_BLOCKS}
