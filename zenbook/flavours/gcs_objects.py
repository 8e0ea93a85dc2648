"""Google Cloud Storage as a filesystem that gives up soon and knows its credentials. Imports gcsfs and google.auth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import google.auth
from gcsfs.core import GCSFileSystem  # the package's own class asks for each bucket's kind over gRPC first
from gcsfs.retry import retry_request
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from zenbook.errors import StackError

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TRIES = 3  # with pauses of 1 and 2 s; gcsfs has six, half a minute, before anything can be told


class ObjectFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs ships no types
    """gcsfs with fewer tries of its own."""

    _request = retry_request(retries=TRIES)(GCSFileSystem._request.__wrapped__)


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
