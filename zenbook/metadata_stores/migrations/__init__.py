"""The schema's revisions. A new store is made at once and stamped; only an older one needs SQLAlchemy and Alembic.

Importing them takes 0.4 s, so nothing here does unless there is something to migrate. A new revision: a file in
``versions/``, the change in `zenbook.metadata_stores.sql_store.tables`, `HEAD`, and SQLite's statements made again
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
    """The schema's revision, None for a database in which zenbook has no tables.

    Raises `StoreError` for a database that has tables of our names and isn't ours.
    """
    *ours, version = for_sqlite().tables
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version in names:
        row = connection.execute(for_sqlite()[StatementName.REVISION].sql).fetchone()
        return str(row[0]) if row else None
    if foreign := sorted(names.intersection(ours)):
        raise StoreError(
            f"The database {str(path)!r} holds tables that aren't zenbook's: {', '.join(foreign)}.",
            "Give zenbook a database of its own.",
        )
    return None


def bring_to_head(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables or migrate them, in one transaction; at head there is nothing to do.

    Raises `StoreError` for a database that a newer zenbook made.
    """
    if revision_of(connection, path) == HEAD:
        return
    connection.execute("BEGIN IMMEDIATE")  # nobody else may look and then create or migrate as well
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
    """What Alembic's commands need to work on this connection."""
    from alembic.config import Config

    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", "\n".join(str(one) for one in VERSIONS).replace("%", "%%"))
    return made


def _migrate(path: Path) -> None:
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    shared = sqlite_rules.is_shared_disk(path.parent)
    engine = create_engine("sqlite://", creator=lambda: sqlite_rules.connect(path, shared=shared), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            # After the connection is made, since SQLAlchemy ends its first one's transaction.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            revision = connection.exec_driver_sql(for_sqlite()[StatementName.REVISION].sql).scalar()
            upgrade(connection, str(revision), f"The metadata store {str(path)!r}")
            connection.commit()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)  # SQLAlchemy's own text shows the values of a row
        if isinstance(cause, sqlite3.Error):
            raise cause from error
        raise StoreError(
            f"The metadata store {str(path)!r} can't be migrated: {error}.", "`zen doctor` looks at the store."
        ) from error


def upgrade(connection: Connection, revision: str, store: str) -> None:
    """Migrate in the transaction or under the lock that the caller has begun; another may have done it meanwhile.

    Raises `StoreError` for a revision that this zenbook doesn't know.
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
            "Upgrade this one: pip install -U zenbook",
        ) from error
    command.upgrade(config, HEAD)
