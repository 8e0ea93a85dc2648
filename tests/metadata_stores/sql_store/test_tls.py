"""TLS to database servers: verified where the host is remote, with certificates of both sides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notebooks.servers import MariaDB, PostgreSQL, Server
from tests.servers.certificates import Authority
from tests.servers.databases import new_database, running, store_at
from zenbook.errors import StoreError
from zenbook.metadata_stores.mysql import MysqlSettings
from zenbook.metadata_stores.postgresql import PostgresqlSettings
from zenbook.metadata_stores.sql_store.server_settings import Tls
from zenbook.stack.records import RunQuery


@dataclass
class Secured:
    """A server whose certificate is for 127.0.0.1, and users that must use TLS."""

    server: Server
    authority: Path
    stranger: Path
    client: tuple[Path, Path]

    def read(self, user: str = "tls", host: str = "127.0.0.1", **options: Any) -> str:
        """What protects the connection of a store that is opened with options."""
        kind = "mysql" if isinstance(self.server, MariaDB) else "postgresql"
        store = store_at(f"{kind}://{user}:pw@{host}:{self.server.port}/{new_database()}", **options)
        try:
            store.runs(RunQuery())
            database: Any = store._database
            question = (
                "SHOW STATUS LIKE 'Ssl_cipher'"
                if kind == "mysql"
                else "SELECT 'x', cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            )
            rows = database._run(lambda connection: database.driver.fetch(connection, [(question, ())]))
            return rows[0][0][1] or ""
        finally:
            store.close()


@pytest.fixture(scope="module", params=[MariaDB, PostgreSQL])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    certificate, key = authority.certify("server", "127.0.0.1")
    if request.param is MariaDB:
        server: Server = MariaDB(f"--ssl-ca={authority.file}", f"--ssl-cert={certificate}", f"--ssl-key={key}")
        with running(server):
            for user, must in (("tls", "REQUIRE SSL"), ("certified", "REQUIRE X509"), ("anyone", "")):
                name = f"'{user}'@'127.0.0.1'"
                server.execute(f"CREATE USER {name} IDENTIFIED BY 'pw' {must}", f"GRANT ALL ON *.* TO {name}")
            yield Secured(server, authority.file, stranger.file, authority.certify("certified"))
        return
    server = PostgreSQL()
    with running(server):
        data = server.folder / "data"
        for name, source in (("server.crt", certificate), ("server.key", key), ("root.crt", authority.file)):
            shutil.copy(source, data / name)
            if os.geteuid() == 0:
                shutil.chown(data / name, server.account)
            (data / name).chmod(0o600)
        server.execute(*(f"CREATE ROLE {user} LOGIN CREATEDB PASSWORD 'pw'" for user in ("tls", "certified", "anyone")))
        rules = "local all all trust\nhostssl all tls all scram-sha-256\nhostssl all certified all scram-sha-256 clientcert=verify-full\n"
        (data / "pg_hba.conf").write_text(f"{rules}host all anyone all scram-sha-256\n")
        server.execute(
            "ALTER SYSTEM SET ssl = on",
            "ALTER SYSTEM SET ssl_ca_file = 'root.crt'",
            "SELECT pg_reload_conf()",
        )
        server.stop()
        server.start()
        yield Secured(server, authority.file, stranger.file, authority.certify("certified"))


def test_a_server_with_a_certificate_of_a_known_ca_is_accepted(secured: Secured) -> None:
    assert secured.read(ssl_ca=secured.authority)
    assert secured.read(ssl_ca=secured.authority, tls="verify")


def test_a_server_with_a_certificate_of_an_unknown_ca_is_refused(secured: Secured) -> None:
    with pytest.raises(StoreError, match="could not be verified") as caught:
        secured.read(ssl_ca=secured.stranger)
    assert "--ssl-ca" in caught.value.hint


def test_the_system_s_ca_certificates_are_used_by_default(secured: Secured) -> None:
    with pytest.raises(StoreError, match="could not be verified"):
        secured.read(tls="verify")


def test_a_certificate_for_another_host_is_refused_unless_names_don_t_matter(secured: Secured) -> None:
    with pytest.raises(StoreError, match=r"its certificate is for another host than 'localhost'") as caught:
        secured.read(host="localhost", ssl_ca=secured.authority)
    assert "--no-verify-identity" in caught.value.hint
    assert secured.read(host="localhost", ssl_ca=secured.authority, verify_identity=False)


def test_a_user_who_must_show_a_certificate_does(secured: Secured) -> None:
    certificate, key = secured.client
    assert secured.read("certified", ssl_ca=secured.authority, ssl_cert=certificate, ssl_key=key)
    with pytest.raises(StoreError, match=r"refuses the user 'certified'|requires a certificate of 'certified'"):
        secured.read("certified", ssl_ca=secured.authority)


def test_encryption_alone_can_be_required_or_switched_off(secured: Secured) -> None:
    assert secured.read(tls="required")
    assert secured.read("anyone", tls="off") == ""
    with pytest.raises(StoreError, match=r"refuses the user|doesn't let 'tls' log in"):
        secured.read("tls", tls="off")


def test_a_server_without_tls_is_refused_if_it_is_required(server: Server) -> None:
    for tls in ("required", "verify"):
        with pytest.raises(StoreError, match="offers no encrypted connection"):
            store_at(server.url(new_database()), tls=tls).runs(RunQuery())


def test_a_file_that_is_missing_is_named(secured: Secured, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"the file '{tmp_path}/none.pem' does not exist"):
        secured.read(ssl_ca=tmp_path / "none.pem")


@pytest.mark.parametrize("model", [MysqlSettings, PostgresqlSettings])
@pytest.mark.parametrize(
    ("options", "protection"),
    [
        ({"host": "db.example.com"}, Tls.VERIFY),
        ({"host": "10.0.0.7"}, Tls.VERIFY),
        ({"host": "db.example.com", "tls": "off"}, Tls.OFF),
        ({"host": "db.example.com", "tls": "required"}, Tls.REQUIRED),
        ({"host": "localhost"}, Tls.AUTO),
        ({"host": "127.0.0.5"}, Tls.AUTO),
        ({"host": "::1"}, Tls.AUTO),
        ({"unix_socket": "/run/mysqld/mysqld.sock"}, Tls.AUTO),
        ({"host": "localhost", "ssl_ca": "ca.pem"}, Tls.VERIFY),
        ({"host": "localhost", "tls": "verify"}, Tls.VERIFY),
    ],
)
def test_a_remote_host_is_verified_unless_an_option_says_otherwise(model: Any, options: Any, protection: Tls) -> None:
    assert model(**options).protection is protection
