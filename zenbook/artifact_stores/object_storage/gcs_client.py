"""Google Cloud Storage as a filesystem that gives up soon and knows its credentials. Imports gcsfs and google.auth."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import google.auth
from gcsfs.core import (  # the package's own class asks for each bucket's kind over gRPC first
    GCSFileSystem,
    initiate_upload,
)
from gcsfs.retry import retry_request
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from zenbook.errors import StackError

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
ONE_REQUEST_BYTES = 4 * 1024 * 1024
PART_BYTES = 96 * 1024 * 1024  # what is sent again after a fault; a multiple of 256 KiB
TRIES = 3  # with pauses of 1 and 2 s; gcsfs has six, half a minute, before anything can be told


class ObjectFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs ships no types
    """gcsfs with fewer tries of its own, and uploads that don't hold their parts in memory."""

    _request = retry_request(retries=TRIES)(GCSFileSystem._request.__wrapped__)

    async def _put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        """Send a file in large parts, each read as it is sent; gcsfs holds a part three times."""
        size = Path(lpath).stat().st_size
        if size <= ONE_REQUEST_BYTES:
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
                taken = answer.get("Range", "") if offset + part.size < size else ""
                offset = int(taken.rpartition("-")[2]) + 1 if taken else offset + part.size


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
        """Stay open: what sends it closes it, and may have to send it again."""


def credentials(token: str | None) -> Any:
    """Credentials that refresh themselves, valid now; ``token`` is a file's path, its JSON, or an access token.

    gcsfs would find them itself, but go on without any where there are none, and show a token that it can't check.
    Raises what google.auth raises, and `StackError` for a token that is none.
    """
    if token is not None and not token.lstrip().startswith("{") and not Path(token).is_file():
        return Credentials(token)  # type: ignore[no-untyped-call]
    made = google.auth.default(scopes=[SCOPE])[0] if token is None else _from_json(token)
    made.refresh(Request())
    return made


def _from_json(token: str) -> Any:
    inside = token.lstrip().startswith("{")
    try:
        info = json.loads(token if inside else Path(token).read_text(encoding="utf-8"))
        if info.get("type") == "service_account":
            return service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        if info.get("type") == "authorized_user":
            return Credentials.from_authorized_user_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        return google.auth.load_credentials_from_dict(info, scopes=[SCOPE])[0]  # type: ignore[no-untyped-call]
    except (ValueError, AttributeError, OSError):
        pass  # the error's text may hold a part of the key
    raise StackError(
        "The option token holds no credentials of Google's." if inside else f"There are no credentials in {token}.",
        "Give the path of a credentials file: gcloud auth application-default login makes one.",
    )
