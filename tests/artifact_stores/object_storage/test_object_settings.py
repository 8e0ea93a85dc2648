"""Wrong settings of object stores, and secrets that no text shows."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from tests.servers.object_stores import make_store
from zenbook.artifact_stores.object_storage.object_errors import exception_chain
from zenbook.errors import StackError, ZenbookError
from zenbook.stack.flavour import ComponentKind, flavour

SECRET = "s3cr3t-pl4nted/in+base64=="


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".zen"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("s3", "gs://bucket"),
        ("s3", "s3://"),
        ("s3", "bucket/dir"),
        ("gcs", "gs:///dir"),
        ("azure", "az://"),
        ("s3", "s3://b/x?y"),
    ],
)
def test_a_wrong_url_is_refused_with_an_example(name, path, home):
    with pytest.raises(StackError, match="is not the URL of a folder for artifacts") as caught:
        make_store(name, home, path=path)
    assert "://" in caught.value.hint


def test_an_unknown_scheme_is_an_error_with_close_matches(home):
    with pytest.raises(StackError, match="Unknown filesystem sfpt://") as caught:
        make_store("filesystem", home, path="sfpt://host/dir")
    assert "'sftp'" in caught.value.hint


def test_a_missing_package_is_an_error_that_names_the_command(home, monkeypatch):
    with pytest.raises(StackError, match="needs a package that is not installed") as caught:
        make_store("filesystem", home, path="oci://bucket/dir")
    assert caught.value.hint == "pip install ocifs"
    import importlib.util

    find_spec = importlib.util.find_spec
    for name, package in (("s3", "s3fs"), ("gcs", "gcsfs"), ("azure", "adlfs")):
        target = "zenbook.artifact_stores.object_storage.object_settings.find_spec"
        monkeypatch.setattr(target, lambda module, package=package: None if module == package else find_spec(module))
        with pytest.raises(StackError, match=f"needs the package {package}") as caught:
            make_store(name, home, path="x://y")
        assert caught.value.hint == f'pip install "zenbook[{name}]"'


def test_an_azure_url_without_an_account_says_how_to_name_it(home):
    with pytest.raises(StackError, match="doesn't name a storage account") as caught:
        make_store("azure", home, path="az://container/dir")
    assert "account_name" in caught.value.hint
    store = make_store("azure", home, path="abfss://container@account.dfs.core.windows.net/dir")
    assert store.describe() == "objects in az://container/dir"


@pytest.mark.parametrize("name", ["s3", "gcs", "azure", "memory", "filesystem"])
def test_every_option_describes_itself_and_an_unknown_one_is_refused(name):
    settings = flavour(ComponentKind.ARTIFACT_STORE, name).settings
    assert all(field.description for field in settings.model_fields.values())
    assert next(iter(settings.model_fields)) == "path"
    with pytest.raises(ValueError, match="extra_forbidden"):
        settings(path="memory://x", pth="y")


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("s3", {"path": "s3://b/d", "access_key_id": "AKIA", "secret_access_key": SECRET, "session_token": SECRET}),
        ("gcs", {"path": "gs://b/d", "token": SECRET}),
        ("gcs", {"path": "gs://b/d", "token": json.dumps({"type": "service_account", "private_key": SECRET})}),
        ("azure", {"path": "az://b/d", "account_name": "a", "account_key": SECRET}),
        (
            "azure",
            {
                "path": "az://b/d",
                "connection_string": f"AccountName=a;AccountKey={SECRET};BlobEndpoint=http://127.0.0.1:1/a",
            },
        ),
        ("azure", {"path": "az://b/d", "connection_string": f"nonsense {SECRET}"}),
        ("azure", {"path": "az://b/d", "account_name": "a", "sas_token": f"?sig={SECRET}"}),
        ("filesystem", {"path": "ftp://127.0.0.1/d", "secrets": {"password": SECRET}, "options": {"port": 1}}),
    ],
)
def test_no_text_of_a_store_shows_a_secret(name, options, home):
    if name in ("s3", "gcs", "azure") and "connection_string" not in options:
        options = {**options, "endpoint_url": "http://127.0.0.1:1/a"}
    kind = flavour(ComponentKind.ARTIFACT_STORE, name)
    settings = kind.settings(**options, retry_seconds=0)
    store = kind.make(settings, home)
    texts = [
        repr(settings),
        repr(store),
        str(vars(store)),
        repr(store._location),
        store.describe(),
        store.uri("ab/" + "0" * 62),
    ]
    with pytest.raises(ZenbookError) as caught:
        store.check()
    texts += [
        "".join(traceback.format_exception(caught.value)),
        *(f"{cause!r} {cause}" for cause in exception_chain(caught.value)),
    ]
    assert not [text for text in texts if SECRET in text or "s3cr3t" in text]


@pytest.mark.parametrize("url", ["sftp://me:pw-in-url@host/dir", "ftp://me:pw-in-url@host/d"])
def test_a_password_in_a_url_is_refused_without_being_shown(url, home):
    with pytest.raises(StackError, match="contains a password") as caught:
        make_store("filesystem", home, path=url)
    assert "pw-in-url" not in "".join(traceback.format_exception(caught.value))
