"""The flavour `azure`: artifacts in Azure Blob Storage."""

from __future__ import annotations

import os
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
from zenbook.errors import StackError
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, Flavour

BLOCKS_AT_ONCE = 4


class AzureSettings(ObjectSettings):
    """Options of the flavour `azure`. Without credentials those of the environment or of `az login` count."""

    path: str = Field(
        description="URL of the folder for artifacts: az://container/folder or "
        "abfss://container@account.dfs.core.windows.net/folder"
    )
    account_name: str | None = Field(None, description="storage account, where the URL does not name it")
    account_key: SecretStr | None = Field(None, description="access key of the storage account")
    connection_string: SecretStr | None = Field(None, description="connection string of the storage account")
    sas_token: SecretStr | None = Field(None, description="shared access signature")
    endpoint_url: str | None = Field(
        None, description="address of the blob service: https://account.blob.core.windows.net"
    )
    anonymous: bool = Field(False, description="send no credentials: for public containers")


class AzureFlavour(Flavour):
    """Artifacts in Azure Blob Storage."""

    kind = ComponentKind.ARTIFACT_STORE
    name = "azure"
    settings = AzureSettings
    schemes = ("az", "abfs", "abfss", "azure")
    extra = "azure"
    packages = ("adlfs",)

    def make(self, settings: AzureSettings, home: Path) -> ArtifactStore:
        """The store of that container. Raises `StackError` for a URL that is none, no account, or a missing adlfs."""
        need("adlfs", self.extra, self.name)
        folder = bucket_folder(settings.path, self.schemes, example="az://container/folder")
        container, at, rest = folder.partition("@")
        account = settings.account_name or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        if at:
            host, _, below = rest.partition("/")
            account = account or host.partition(".")[0]
            folder = f"{container}/{below}".rstrip("/")
        connection_string = revealed(settings.connection_string) or os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
        if not account and not connection_string:
            raise StackError(
                f"The URL {settings.path!r} doesn't say which storage account it is in.",
                "Set the option account_name, or write abfss://container@account.dfs.core.windows.net/folder.",
            )
        place = RemoteLocation(
            url=f"az://{folder}",
            service=SERVICE,
            connect=lambda: (_connect(settings, account), folder),
            where=without_password(settings.endpoint_url or ""),
            bucket=folder.partition("/")[0],
            put_options=lambda _: {"max_concurrency": BLOCKS_AT_ONCE},
            get_options={"max_concurrency": BLOCKS_AT_ONCE},
            patience=settings.retry_seconds,
            secrets=given(
                revealed(settings.account_key), connection_string, revealed(settings.sas_token), _key(connection_string)
            ),
        )
        return make_store(place, settings, home)


def _connect(settings: AzureSettings, account: str | None) -> Any:
    from zenbook.artifact_stores.object_storage.azure_client import BlobFileSystem

    return BlobFileSystem(
        endpoint_url=settings.endpoint_url,
        account_name=account,
        account_key=revealed(settings.account_key),
        connection_string=revealed(settings.connection_string),
        sas_token=revealed(settings.sas_token),
        anon=settings.anonymous,
        max_concurrency=BLOCKS_AT_ONCE,
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def _key(connection_string: str | None) -> str | None:
    for part in (connection_string or "").split(";"):
        name, _, value = part.partition("=")
        if name.strip() in ("AccountKey", "SharedAccessSignature"):
            return value.strip()
    return None


_CODES = {
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
_KINDS = {
    "CredentialUnavailableError": Fault.NO_CREDENTIALS,
    "AuthenticationRequiredError": Fault.EXPIRED,
    "ServiceRequestError": Fault.UNREACHABLE,
    "ServiceRequestTimeoutError": Fault.UNREACHABLE,
    "ServiceResponseError": Fault.BUSY,
    "ServiceResponseTimeoutError": Fault.BUSY,
    "IncompleteReadError": Fault.BUSY,
    "ResourceNotFoundError": Fault.MISSING,
}


def fault(error: BaseException) -> Fault | None:
    """What an exception of Azure's libraries says."""
    package, _, name = kind(error).partition(".")
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
    return _CODES.get(code) or _KINDS.get(name) or by_status(getattr(error, "status_code", None))


SERVICE = Service(
    title="Azure Blob Storage",
    fault=fault,
    login="Log in with `az login`, or set account_key, sas_token or connection_string.",
    rights="Ask for the role 'Storage Blob Data Contributor' on the container, or log in as somebody else: `az login`.",
    make_bucket="Make it with `az storage container create --name {bucket}`, or correct the path: "
    "zen config artifacts set az://CONTAINER/FOLDER.",
    bucket="container",
)
