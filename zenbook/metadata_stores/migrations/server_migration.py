"""Create or migrate the tables on a server, under a lock that one client holds at a time.

MySQL commits each statement that changes a table. So a new store is marked as incomplete until all tables exist, and
another client that sees the mark creates the rest. PostgreSQL does all in one transaction.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from zenbook.errors import StoreError
from zenbook.metadata_stores import migrations
from zenbook.metadata_stores.migrations import upgrade
from zenbook.metadata_stores.sql_store.tables import clock, metadata, version

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from zenbook.metadata_stores.sql_store.drivers.driver import Driver

INCOMPLETE = "making"  # the revision of a store that does not have all tables


def upgrade_to_head(driver: Driver) -> None:
    """Create the tables or migrate them.

    Args:
        driver: How to reach the server.

    Raises:
        StoreError: For a foreign database, and for one of a newer zenbook.
        DBAPIError: An error that the driver does not know; its own errors are raised themselves.
    """
    engine = driver.engine()
    try:
        with engine.connect() as connection, driver.migration_lock(connection):
            revision = _revision(connection, driver)
            if revision == INCOMPLETE:
                _create_tables(connection)
            elif revision != migrations.HEAD:
                upgrade(connection, revision, driver.store)
    except DBAPIError as error:
        if isinstance(error.orig, driver.failures):
            raise error.orig from None  # SQLAlchemy's own text shows the values of a row
        raise
    except SQLAlchemyError as error:
        raise StoreError(
            f"{driver.store} could not be migrated: {error}.", "Run `zen doctor` to check the store."
        ) from error


def _revision(connection: Connection, driver: Driver) -> str:
    names = set(inspect(connection).get_table_names())
    if version.name not in names:
        if foreign := sorted(names.intersection(metadata.tables)):
            raise StoreError(
                f"{driver.store} contains tables that aren't zenbook's: {', '.join(foreign)}.",
                "Use a separate database for zenbook.",
            )
        version.create(connection)
    revision = connection.execute(select(version.c.version_num)).scalar()
    if revision is None:
        connection.execute(version.insert().values(version_num=INCOMPLETE))
    return str(revision or INCOMPLETE)


def _create_tables(connection: Connection) -> None:
    metadata.create_all(connection)
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        existing = {index["name"] for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in existing:
                index.create(connection)
    if connection.execute(select(clock.c.store)).first() is None:
        connection.execute(clock.insert().values(store=uuid.uuid4().hex, revision=0))
    connection.execute(version.update().values(version_num=migrations.HEAD))
