"""The schema's revisions. A new store is created at head; only an older one needs SQLAlchemy and Alembic.

Importing them takes 0.4 s, so this happens only if there is something to migrate. To add a revision: write a file in
``versions/``, change `zenbook.metadata_stores.sql_store.tables` and `HEAD`, and write SQLite's statements again
(`zenbook.metadata_stores.sql_store.statements`).
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store import sqlite_rules
from zenbook.metadata_stores.sql_store.compiled_statements import StatementName, for_sqlite

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

HEAD = "0003"
VERSIONS = [Path(__file__).parent / "versions"]


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of a SQLite database's schema.

    Args:
        connection: To the database.
        path: Of its file, for messages.

    Returns:
        The revision; None for a database in which zenbook has no tables.

    Raises:
        StoreError: For a database that has tables of our names and isn't ours.
    """
    *ours, version = for_sqlite().tables
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version in names:
        row = connection.execute(for_sqlite()[StatementName.REVISION].sql).fetchone()
        return str(row[0]) if row else None
    if foreign := sorted(names.intersection(ours)):
        raise StoreError(
            f"The database {str(path)!r} contains tables that aren't zenbook's: {', '.join(foreign)}.",
            "Use a separate database for zenbook.",
        )
    return None


def upgrade_to_head(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a SQLite database or migrate them, in one transaction; at head nothing happens.

    Raises `StoreError` for a database of a newer zenbook.

    Args:
        connection: To the database; it commits each statement.
        path: Of its file.
    """
    if revision_of(connection, path) == HEAD:
        return
    connection.execute("BEGIN IMMEDIATE")  # so that no other process checks the revision meanwhile
    revision = revision_of(connection, path)
    if revision is None:
        for statement in for_sqlite().schema:
            connection.execute(statement)
        connection.execute(for_sqlite()[StatementName.START_CLOCK].sql, (uuid.uuid4().hex,))
        connection.execute(for_sqlite()[StatementName.STAMP].sql, (HEAD,))
        connection.execute("COMMIT")
    else:
        connection.rollback()
        _migrate(path)


def configuration(connection: Connection) -> Config:
    """What Alembic's commands need.

    Args:
        connection: On which they work.

    Returns:
        A configuration without a file.
    """
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, VERSIONS)).replace("%", "%%"))
    return config


def _migrate(path: Path) -> None:
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    shared = sqlite_rules.is_shared_disk(path.parent)
    engine = create_engine("sqlite://", creator=lambda: sqlite_rules.connect(path, shared=shared), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            # After the connection is open, since SQLAlchemy ends the transaction of its first one.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            revision = connection.exec_driver_sql(for_sqlite()[StatementName.REVISION].sql).scalar()
            upgrade(connection, str(revision), f"The metadata store {str(path)!r}")
            connection.commit()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)  # SQLAlchemy's own text shows the values of a row
        if isinstance(cause, sqlite3.Error):
            raise cause from error
        raise StoreError(
            f"Could not migrate the metadata store {str(path)!r}: {error}.", "Run `zen doctor` to check the store."
        ) from error


def upgrade(connection: Connection, revision: str, store: str) -> None:
    """Migrate to head, in the transaction or under the lock of the caller.

    Args:
        connection: On which Alembic works.
        revision: Of the schema now; it may be head already.
        store: The store's name in a sentence.

    Raises:
        StoreError: For a revision that this zenbook doesn't know.
    """
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = configuration(connection)
    try:
        ScriptDirectory.from_config(config).get_revision(revision)
    except CommandError as error:
        raise StoreError(
            f"{store} was made by a newer zenbook (schema {revision}; this one knows {HEAD}).",
            "Upgrade zenbook: pip install -U zenbook",
        ) from error
    command.upgrade(config, HEAD)
