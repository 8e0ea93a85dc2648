"""Errors of object storage: retried where that helps, otherwise reported with a hint."""

from __future__ import annotations

import json
import socket
import traceback
from pathlib import Path

import pytest
import requests

from notebooks.emulators import S3, Azure
from tests.servers.object_stores import CLOUDS, Servers, make_store
from tests.servers.proxy import DROP, Proxy
from zenbook.artifact_stores.object_storage.object_store import ObjectStore
from zenbook.errors import StoreError, StoreUnreachableError

SECRET = "s3cr3t-pl4nted/in+base64=="
LOGIN = {"s3": "aws sso login", "gcs": "gcloud auth application-default login", "azure": "az login"}
MAKE = {
    "s3": "aws s3 mb s3://nowhere",
    "gcs": "gcloud storage buckets create gs://nowhere",
    "azure": "az storage container create --name nowhere",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".zen"


@pytest.fixture(params=CLOUDS)
def watched(request: pytest.FixtureRequest, servers: Servers, home: Path):
    """A store behind a proxy, that gives up after some seconds."""
    options = servers.options(request.param, home)
    with Proxy(servers[request.param].endpoint) as proxy:
        yield request.param, proxy, make_store(request.param, home, **{**options, "endpoint_url": proxy.url})


def check_error(store: ObjectStore) -> StoreError:
    with pytest.raises(StoreError) as caught:
        store.check()
    return caught.value


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# --- transient --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 500, DROP])
def test_a_transient_error_is_retried_silently(watched, status):
    _, proxy, store = watched
    store.check()
    proxy.fail_first(2, status)
    stored = store.put_bytes(f"in the end {status}".encode(), suffix=".txt")
    proxy.fail_first(2, status)
    assert store.exists(stored.address)
    proxy.fail_first(2, status, methods=("GET",))
    store._cache.folder.delete(stored.address)
    assert store.local_path(stored.address).read_bytes().startswith(b"in the end")


def test_more_errors_than_the_libraries_retry_are_retried(servers, home):
    options = servers.options("s3", home)
    with Proxy(servers["s3"].endpoint) as proxy:
        store = make_store("s3", home, **{**options, "endpoint_url": proxy.url, "retry_seconds": 60})
        store.check()
        proxy.fail_first(7, 503)
        stored = store.put_bytes(b"at last", suffix=".txt")
        assert proxy.failed == 7
    other_machine = make_store("s3", home / "other", **options)
    assert other_machine.local_path(stored.address).read_bytes() == b"at last"


def test_an_error_that_stays_is_reported_as_unreachable(servers, home):
    options = servers.options("s3", home)
    with Proxy(servers["s3"].endpoint) as proxy:
        store = make_store("s3", home, **{**options, "endpoint_url": proxy.url, "retry_seconds": 1})
        proxy.fail_first(10_000, 503)
        with pytest.raises(
            StoreUnreachableError, match=r"s3://.* could not be read: S3 keeps failing .*Service Unavailable"
        ):
            store.put_bytes(b"never", suffix=".txt")


def test_a_permanent_error_is_not_retried(watched):
    name, proxy, store = watched
    store.check()
    proxy.fail_first(10_000, 403)
    before = len(proxy.calls)
    with pytest.raises(StoreError, match="these credentials do not have the right"):
        store.put_bytes(b"never", suffix=".txt")
    assert len(proxy.calls) - before <= 4


# --- reported --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOUDS)
def test_a_missing_bucket_is_named_with_the_command_that_makes_it(name, servers, home):
    options = {**servers.options(name, home)}
    options["path"] = options["path"].partition("://")[0] + "://nowhere/dir"
    store = make_store(name, home, **options)
    noun = "container" if name == "azure" else "bucket"
    for ask in (store.check, lambda: list(store.listing()), lambda: store.local_path("ab/" + "0" * 62)):
        with pytest.raises(StoreError, match=f"The {noun} 'nowhere' does not exist at http://127.0.0.1:") as caught:
            ask()
        assert MAKE[name] in caught.value.hint
        assert "zen config artifacts set" in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOUDS)
def test_an_endpoint_without_a_server_is_unreachable(name, servers, home):
    options = servers.options(name, home)
    options["endpoint_url"] = f"http://127.0.0.1:{closed_port()}" + ("/devstoreaccount1" if name == "azure" else "")
    error = check_error(make_store(name, home, **{**options, "retry_seconds": 1}))
    assert isinstance(error, StoreUnreachableError)
    assert f"{options['endpoint_url']} is unreachable" in error.message
    assert "endpoint" in error.hint


def test_wrong_keys_of_s3_are_refused_with_the_login_command(home):
    with S3() as s3:
        s3.make_bucket("data")
        requests.post(f"{s3.endpoint}/moto-api/reset-auth", data="0", timeout=10)  # from now on keys count
        options = {**s3.options("data"), "access_key_id": "AKIAXXXXXXXXXXXXXXXX", "secret_access_key": SECRET}
        error = check_error(make_store("s3", home, **options, retry_seconds=1))
    assert error.message == "S3 doesn't accept the credentials for s3://data."
    assert LOGIN["s3"] in error.hint


def test_a_wrong_key_of_azure_is_refused_with_the_login_command(servers, home):
    options = {**servers.options("azure", home), "account_key": "d3Jvbmc="}
    error = check_error(make_store("azure", home, **options))
    assert "Azure Blob Storage doesn't accept the credentials" in error.message
    assert LOGIN["azure"] in error.hint


S3_FAULT = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"


@pytest.mark.parametrize(
    ("status", "code", "says", "hint"),
    [
        (400, "ExpiredToken", "The credentials for S3 have expired", "aws sso login"),
        (403, "InvalidAccessKeyId", "S3 doesn't accept the credentials", "aws configure"),
        (403, "AccessDenied", "could not be written: these credentials do not have the right", "s3:PutObject"),
        (301, "PermanentRedirect", "is in another region", "get-bucket-location --bucket"),
        (400, "AuthorizationHeaderMalformed", "is in another region", "region"),
        (404, "NoSuchBucket", "does not exist at", "aws s3 mb"),
    ],
)
def test_errors_of_s3_are_reported_with_a_hint(servers, home, status, code, says, hint):
    options = servers.options("s3", home)
    with Proxy(servers["s3"].endpoint) as proxy:
        store = make_store("s3", home, **{**options, "endpoint_url": proxy.url})
        body = S3_FAULT.format(code, "no").encode()
        proxy.answer = lambda method, path: (status, body) if method == "PUT" else (404, b"")
        error = check_error(store)
    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("status", "message", "says", "hint"),
    [
        (
            401,
            "Anonymous caller does not have storage.objects.create access",
            "No credentials found for Google",
            "gcloud auth application-default login",
        ),
        (401, "Unauthorized", "Google Cloud Storage doesn't accept the credentials", "gcloud auth"),
        (
            403,
            "caller does not have storage.objects.create access",
            "do not have the right",
            "roles/storage.objectUser",
        ),
        (404, "The specified bucket does not exist.", "does not exist at", "gcloud storage buckets create"),
    ],
)
def test_errors_of_google_are_reported_with_a_hint(servers, home, status, message, says, hint):
    options = servers.options("gcs", home)
    with Proxy(servers["gcs"].endpoint) as proxy:
        store = make_store("gcs", home, **{**options, "endpoint_url": proxy.url})
        body = json.dumps({"error": {"code": status, "message": message}}).encode()
        proxy.answer = lambda method, path: (status, body) if method == "POST" else None
        error = check_error(store)
    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("status", "code", "message", "says", "hint"),
    [
        (403, "AuthenticationFailed", "Signature not valid in the specified time frame", "have expired", "az login"),
        (403, "AuthenticationFailed", "Server failed to authenticate", "doesn't accept the credentials", "az login"),
        (
            403,
            "AuthorizationPermissionMismatch",
            "not authorized",
            "do not have the right",
            "Storage Blob Data Contributor",
        ),
    ],
)
def test_errors_of_azure_are_reported_with_a_hint(servers, home, status, code, message, says, hint):
    options = servers.options("azure", home)
    with Proxy(servers["azure"].endpoint) as proxy:
        store = make_store("azure", home, **{**options, "endpoint_url": proxy.url})
        body = S3_FAULT.format(code, message).encode()
        proxy.answer = lambda method, path: (status, body) if method == "PUT" else None
        error = check_error(store)
    assert says in error.message
    assert hint in error.hint


def test_missing_credentials_are_reported_with_the_login_command(servers, home, monkeypatch, tmp_path):
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    s3 = {**servers.options("s3", home), "access_key_id": None, "secret_access_key": None}
    gcs = {**servers.options("gcs", home), "anonymous": False}
    for name, options in (("s3", s3), ("gcs", gcs)):
        error = check_error(make_store(name, home, **options))
        assert error.message.startswith("No credentials found for ")
        assert LOGIN[name] in error.hint


def test_a_credentials_file_that_google_no_longer_accepts_has_expired(servers, home, tmp_path):
    with Proxy(servers["gcs"].endpoint) as proxy:
        proxy.answer = lambda method, path: (
            400,
            b'{"error": "invalid_grant", "error_description": "Token has been expired"}',
        )
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        token = json.dumps(
            {
                "type": "service_account",
                "client_email": "x@y.z",
                "token_uri": f"{proxy.url}/token",
                "private_key": key.decode(),
            }
        )
        options = {**servers.options("gcs", home), "anonymous": False, "token": token, "retry_seconds": 0}
        file = tmp_path / "key.json"
        file.write_text(token)
        for option in (token, str(file)):
            error = check_error(make_store("gcs", home, **{**options, "token": option}))
            assert error.message.startswith("The credentials for Google Cloud Storage have expired")
            assert LOGIN["gcs"] in error.hint
            assert "PRIVATE KEY" not in str(error)


def test_an_exception_that_shows_a_secret_is_not_shown_as_cause(servers, home):
    options = servers.options("azure", home)
    with Proxy(servers["azure"].endpoint) as proxy:
        store = make_store("azure", home, **{**options, "endpoint_url": proxy.url})
        body = S3_FAULT.format("Odd", f"you said {Azure.key}").encode()
        proxy.answer = lambda method, path: (409, body)
        error = check_error(store)
    assert Azure.key not in "".join(traceback.format_exception(error))
    assert "could not be" in error.message


def test_a_check_reports_a_missing_server_at_once(servers, home):
    options = {**servers.options("s3", home), "endpoint_url": f"http://127.0.0.1:{closed_port()}"}
    with pytest.raises(StoreUnreachableError, match="is unreachable"):  # though `retry_seconds` are an hour
        make_store("s3", home, **{**options, "retry_seconds": 3600}).check()
