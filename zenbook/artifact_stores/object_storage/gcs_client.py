"""Google Cloud Storage as a filesystem that gives up soon and knows its credentials. Imports gcsfs and google.auth."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import google.auth
from gcsfs.core import (  # the package's own class first asks for each bucket's type over gRPC
    GCSFileSystem,
    initiate_upload,
)
from gcsfs.retry import retry_request
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from zenbook.errors import StackError

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
SINGLE_REQUEST_BYTES = 4 * 1024 * 1024
PART_BYTES = 96 * 1024 * 1024  # sent again after an error; a multiple of 256 KiB
ATTEMPTS = 3  # with pauses of 1 and 2 s; gcsfs makes six in half a minute before it reports an error


class ObjectFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs ships no types
    """gcsfs with fewer retries of its own, and uploads that don't keep their parts in memory."""

    _request = retry_request(retries=ATTEMPTS)(GCSFileSystem._request.__wrapped__)

    async def _put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        """Send a file in large parts, each read as it is sent; gcsfs keeps a part in memory three times."""
        size = Path(lpath).stat().st_size
        if size <= SINGLE_REQUEST_BYTES:
            await super()._put_file(lpath, rpath, **options)
            return
        bucket, key, _ = self.split_path(rpath)
        location = await initiate_upload(self, bucket, key)
        with Path(lpath).open("rb") as file:
            offset = 0
            while offset < size:
                part = _Part(file, offset, min(PART_BYTES, size - offset))
                headers = {
                    "Content-Range": f"bytes {offset}-{offset + part.size - 1}/{size}",
                    "Content-Length": str(part.size),
                    "Content-Type": "application/octet-stream",
                }
                answer, _ = await self._call("PUT", location, headers=headers, data=part)
                received = answer.get("Range", "") if offset + part.size < size else ""
                offset = int(received.rpartition("-")[2]) + 1 if received else offset + part.size


class _Part(io.RawIOBase):
    """A part of a file, which may be read again from its beginning."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = self.size - self._at
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def close(self) -> None:
        """Stay open: the sender closes it, and may have to send it again."""


def find_credentials(token: str | None) -> Any:
    """Credentials that are valid now and refresh themselves.

    gcsfs could look for them itself, but it would continue without any where there are none, and show a token that it
    can't check.

    Args:
        token: Path of a credentials file, its JSON, or an access token; None for the application default credentials.

    Returns:
        Credentials of google.auth, whose errors pass through. A token of another form raises `StackError`.
    """
    if token is not None and not token.lstrip().startswith("{") and not Path(token).is_file():
        return Credentials(token)  # type: ignore[no-untyped-call]
    credentials = google.auth.default(scopes=[SCOPE])[0] if token is None else _credentials_from_json(token)
    credentials.refresh(Request())
    return credentials


def _credentials_from_json(token: str) -> Any:
    is_json = token.lstrip().startswith("{")
    try:
        info = json.loads(token if is_json else Path(token).read_text(encoding="utf-8"))
        if info.get("type") == "service_account":
            return service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        if info.get("type") == "authorized_user":
            return Credentials.from_authorized_user_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        return google.auth.load_credentials_from_dict(info, scopes=[SCOPE])[0]  # type: ignore[no-untyped-call]
    except (ValueError, AttributeError, OSError):
        pass  # the error's text may hold a part of the key
    raise StackError(
        "The option token does not contain Google credentials."
        if is_json
        else f"The file {token} does not contain Google credentials.",
        "Set it to the path of a credentials file: gcloud auth application-default login creates one.",
    )
