"""The flavour `mysql`: metadata in a database of MySQL (from 5.6 on) or MariaDB, in the cloud too."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from zenbook.errors import StackError
from zenbook.metadata_stores.sql_store.server_settings import ServerSettings
from zenbook.stack.flavour import ComponentKind, Flavour
from zenbook.stack.metadata_store import MetadataStore


class MysqlSettings(ServerSettings):
    """Where the database is, and who logs in."""

    port: int = Field(3306, ge=1, le=65535, description="Port of the server.")
    instance_connection_name: str | None = Field(
        None, description="Instance of Google Cloud SQL, as project:region:name, reached without a proxy."
    )

    @property
    def location(self) -> str:
        """Where the database is, for people."""
        if self.instance_connection_name is not None and self.unix_socket is None:
            return f"{self.instance_connection_name}/{self.database}"
        return super().location


class MysqlFlavour(Flavour):
    """Metadata in MySQL or MariaDB."""

    kind = ComponentKind.METADATA_STORE
    name = "mysql"
    settings = MysqlSettings
    schemes = ("mysql", "mariadb", "mysql+pymysql")
    extra = "mysql"
    packages = ("pymysql",)

    def make(self, settings: MysqlSettings, home: Path) -> MetadataStore:
        """The store; it connects on first use. Raises `StackError` if a package is missing."""
        from zenbook.metadata_stores.sql_store.server_database import ServerDatabase
        from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore

        try:
            from zenbook.metadata_stores.sql_store.drivers.mysql_driver import MysqlDriver
        except ImportError as error:
            raise StackError("The metadata store 'mysql' needs PyMySQL.", 'pip install "zenbook[mysql]"') from error
        instance, socket = settings.instance_connection_name, settings.unix_socket
        if instance is not None and socket is not None:  # in a proxy's folder each instance has a socket of its name
            settings = settings.model_copy(update={"unix_socket": socket / instance})
        elif instance is not None:
            _require_connector()
        return SqlMetadataStore(ServerDatabase(MysqlDriver(settings, instance if socket is None else None)))


def _require_connector() -> None:
    from importlib.util import find_spec

    try:
        is_installed = find_spec("google.cloud.sql.connector") is not None
    except ModuleNotFoundError:
        is_installed = False
    if not is_installed:
        raise StackError(
            "The option instance_connection_name needs the package cloud-sql-python-connector.",
            'pip install "zenbook[cloudsql]"',
        )
