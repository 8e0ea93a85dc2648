"""Settings of database servers, the ways to reach one, and what goes wrong on the way, in plain words."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from notebooks.servers import MariaDB, Server
from tests.servers.databases import error_of, new_database, store_at
from tests.servers.rows import new_run, run_of
from zenbook.errors import StackError, StoreError, StoreUnreachableError
from zenbook.metadata_stores import mysql
from zenbook.metadata_stores.mysql import MysqlFlavour, MysqlSettings
from zenbook.metadata_stores.postgresql import PostgresqlFlavour, PostgresqlSettings
from zenbook.metadata_stores.sql_store import server_retry
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import RunQuery

SECRET = "pl4nted-s3cret"
MODELS = [MysqlSettings, PostgresqlSettings]


# -- settings


@pytest.mark.parametrize("model", MODELS)
def test_a_url_becomes_settings_and_its_password_a_secret(model: Any) -> None:
    settings = model(path=f"mysql://me%40home:{SECRET}%2F%25@db.example.com:4000/team?ssl_ca=/ca.pem&tls=required")
    assert (settings.username, settings.host, settings.port, settings.database) == (
        "me@home",
        "db.example.com",
        4000,
        "team",
    )
    assert settings.password.get_secret_value() == f"{SECRET}/%"
    assert settings.path is None
    assert (settings.ssl_ca, settings.tls) == (Path("/ca.pem"), "required")
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()} {settings.location}"


def test_an_option_wins_over_the_url() -> None:
    settings = MysqlSettings(path="mysql://me:old@host:1/db", user="you", passwd="new", port=2)
    assert (settings.username, settings.password, settings.port, settings.host) == ("you", SecretStr("new"), 2, "host")
    assert MysqlSettings(path=SecretStr("mysql://me:x@host/db")).database == "db"


def test_the_usual_short_names_are_understood() -> None:
    settings = MysqlSettings(user="me", passwd="x", db="team")
    assert settings == MysqlSettings(username="me", password="x", database="team")
    assert (MysqlSettings().port, PostgresqlSettings().port, settings.host) == (3306, 5432, "127.0.0.1")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "options",
    [
        {"path": f"me:{SECRET}@host/db"},
        {"path": f"mysql://me:{SECRET}@host:port/db"},
        {"path": f"mysql://me:{SECRET}/x@host/db"},
        {"path": f"mysql://me:{SECRET}@host/db?colour=red"},
        {"password": SECRET, "port": 99999},
        {"password": SECRET, "colour": "red"},
        {"password": [SECRET]},
    ],
)
def test_invalid_settings_are_refused_without_the_secret(model: Any, options: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        model(**options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_described_and_others_are_refused(model: Any) -> None:
    assert all(field.description for field in model.model_fields.values())
    assert model.model_config["extra"] == "forbid"


# -- how to reach a server


def test_a_unix_socket(server: Server) -> None:
    kind = "mysql://root@" if isinstance(server, MariaDB) else "postgresql://postgres@"
    store = store_at(f"{kind}/{new_database()}", unix_socket=server.socket, port=server.port)
    new_run(store, run_of(1))
    assert str(server.socket) in store.describe()
    store.close()


def test_a_folder_of_sockets_as_a_cloud_sql_proxy_makes_it(mariadb: Server, postgresql: Server, tmp_path: Path) -> None:
    instance = "project:region:name"
    sockets = Path("/tmp") / f"zenbook-sockets-{os.getpid()}"  # a socket's path has at most 107 characters
    sockets.mkdir()
    try:
        (sockets / instance).symlink_to(mariadb.socket)
        flavour = MysqlFlavour()
        for options in ({}, {"instance_connection_name": instance}):
            settings = MysqlSettings(username="root", database=new_database(), unix_socket=sockets, **options)
            store = flavour.make(settings, tmp_path)
            new_run(store, run_of(1))
            store.close()
        (sockets / "other").symlink_to(mariadb.socket)
        with pytest.raises(StoreError, match="contains 2 sockets") as caught:
            flavour.make(MysqlSettings(unix_socket=sockets), tmp_path).runs(RunQuery())
        assert instance in caught.value.hint
    finally:
        for socket in sockets.iterdir():
            socket.unlink()
        sockets.rmdir()
    store = store_at(f"postgresql://postgres@/{new_database()}", unix_socket=postgresql.folder, port=postgresql.port)
    new_run(store, run_of(1))
    store.close()


def test_an_instance_of_cloud_sql_needs_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = MysqlSettings(instance_connection_name="project:region:name", username="me", password=SECRET)
    store = MysqlFlavour().make(settings, tmp_path)
    assert store._database.driver.instance == "project:region:name"
    assert settings.location == "project:region:name/zenbook"
    monkeypatch.setitem(sys.modules, "google.cloud.sql.connector", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StackError) as caught:
        MysqlFlavour().make(settings, tmp_path)
    assert 'pip install "zenbook[cloudsql]"' in caught.value.hint
    assert mysql.MysqlFlavour.extra == "mysql"


def test_an_instance_of_cloud_sql_needs_a_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server_retry, "FIRST_WAIT", 0.1)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    settings = MysqlSettings(instance_connection_name="project:region:name", username="me", password=SECRET)
    error = error_of(MysqlFlavour().make(settings, tmp_path))
    assert isinstance(error, StoreUnreachableError)
    assert "mysql at project:region:name/zenbook could not be reached: DefaultCredentialsError" in error.message
    assert "gcloud auth application-default login" in error.hint


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for flavour, module, package in (
        (MysqlFlavour(), "mysql_driver", "pymysql"),
        (PostgresqlFlavour(), "postgresql_driver", "psycopg"),
    ):
        monkeypatch.delitem(sys.modules, f"zenbook.metadata_stores.sql_store.drivers.{module}")
        monkeypatch.delattr(f"zenbook.metadata_stores.sql_store.drivers.{module}")
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(StackError) as caught:
            flavour.make(flavour.settings(), tmp_path)
        assert caught.value.hint == f'pip install "zenbook[{flavour.extra}]"'


def test_a_store_is_one_class_for_all() -> None:
    assert type(store_at("mysql://me@host/db")) is type(store_at("postgresql://me@host/db")) is SqlMetadataStore
