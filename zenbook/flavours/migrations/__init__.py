"""The schema's revisions. A new store is made at once and stamped; only an older one needs Alembic.

Importing Alembic takes 0.2 s, so nothing here does unless there is something to migrate. A new revision: a file in
``versions/``, the change in `zenbook.flavours.sql_tables`, and `HEAD`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select

from zenbook.errors import StoreError
from zenbook.flavours.sql_tables import metadata, version

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
VERSIONS = [Path(__file__).parent / "versions"]


def revision_of(connection: Connection) -> str | None:
    """The schema's revision, None for a database in which zenbook has no tables.

    Raises `StoreError` for a database that has tables of our names and isn't ours.
    """
    names = set(inspect(connection).get_table_names())
    if version.name in names:
        return connection.execute(select(version.c.version_num)).scalar()
    if foreign := sorted(names & set(metadata.tables)):
        raise StoreError(
            f"The database {_where(connection)} holds tables that aren't zenbook's: {', '.join(foreign)}.",
            "Give zenbook a database of its own.",
        )
    return None


def bring_to_head(connection: Connection) -> None:
    """Make the tables or migrate them, in the transaction that the caller has begun and whose lock it holds.

    Raises `StoreError` for a database that a newer zenbook made.
    """
    revision = revision_of(connection)
    if revision is None:
        metadata.create_all(connection, checkfirst=False)
        version.create(connection)
        connection.execute(version.insert().values(version_num=HEAD))
    elif revision != HEAD:
        _migrate(connection, revision)


def configuration(connection: Connection) -> Config:
    """What Alembic's commands need to work on this connection."""
    from alembic.config import Config

    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", "\n".join(str(one) for one in VERSIONS).replace("%", "%%"))
    return made


def _migrate(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = configuration(connection)
    try:
        ScriptDirectory.from_config(config).get_revision(revision)
    except CommandError as error:
        raise StoreError(
            f"The metadata store {_where(connection)} was made by a newer zenbook "
            f"(schema {revision}; this one knows {HEAD}).",
            "Upgrade this one: pip install -U zenbook",
        ) from error
    command.upgrade(config, HEAD)


def _where(connection: Connection) -> str:
    url = connection.engine.url
    return repr(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
