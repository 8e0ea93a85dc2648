"""Azure's blobs as a filesystem that uses little memory and gives up soon. Imports adlfs."""

from __future__ import annotations

import os
import weakref
from functools import partial
from typing import Any

from adlfs import AzureBlobFileSystem
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.storage.blob.aio import BlobServiceClient, LinearRetry

BLOCK_BYTES = 4 * 1024 * 1024
SINGLE_PUT_BYTES = 8 * 1024 * 1024  # larger files are sent in blocks; the libraries' own 64 MB would fill the memory


class BlobFileSystem(AzureBlobFileSystem):  # type: ignore[misc]  # adlfs ships no types
    """adlfs with a client of our own, since adlfs has no options for sizes, pauses and plain HTTP.

    Args:
        endpoint_url: Address of the blob service; None for Azure's own.
        **options: What adlfs takes.
    """

    def __init__(self, *, endpoint_url: str | None, **options: Any) -> None:
        self.endpoint_url = endpoint_url
        super().__init__(**options)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_skip_closing_at_exit, weakref.ref(self)))

    def do_connect(self) -> None:
        """Create the client; adlfs calls this."""
        options: dict[str, Any] = {
            "max_block_size": BLOCK_BYTES,
            "max_single_put_size": SINGLE_PUT_BYTES,
            "max_chunk_get_size": BLOCK_BYTES,
            "max_single_get_size": SINGLE_PUT_BYTES,
            "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=1),
            "connection_timeout": 15,
            "read_timeout": 60,
        }
        if self.connection_string is not None:
            self.service_client = BlobServiceClient.from_connection_string(self.connection_string, **options)
            return
        url = self.endpoint_url or f"https://{self.account_name}.blob.core.windows.net"
        self.service_client = BlobServiceClient(url, credential=self._credential(), **options)

    def _credential(self) -> Any:
        if self.account_key is not None:
            return AzureNamedKeyCredential(self.account_name, self.account_key)
        if self.sas_token is not None:
            return AzureSasCredential(self.sas_token.removeprefix("?"))
        return self.credential


def _skip_closing_at_exit(reference: weakref.ref[BlobFileSystem]) -> None:
    """In a forked child: when it ends, adlfs would wait forever for a thread of the parent to close the filesystem."""
    filesystem = reference()
    for finalizer in list(vars(weakref.finalize).get("_registry", ())):
        alive = finalizer.peek()
        if alive is not None and alive[0] is filesystem:
            finalizer.detach()
