"""Make or migrate the tables of a server, under a lock that one client holds at a time.

MySQL keeps each statement that changes a table, so a new store says that it is being made until it is; whoever finds it
so goes on where the other stopped. PostgreSQL does all of it in one transaction.
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

MAKING = "making"  # the revision of a store whose tables are not all there yet


def bring_to_head(driver: Driver) -> None:
    """Make the tables or migrate them. Raises `StoreError` for a foreign database and for one of a newer zenbook."""
    engine = driver.engine()
    try:
        with engine.connect() as connection, driver.migrating(connection):
            revision = _revision(connection, driver)
            if revision == MAKING:
                _make(connection)
            elif revision != migrations.HEAD:
                upgrade(connection, revision, driver.store)
    except DBAPIError as error:
        if isinstance(error.orig, driver.failures):
            raise error.orig from None  # SQLAlchemy's own text shows the values of a row
        raise
    except SQLAlchemyError as error:
        raise StoreError(f"{driver.store} can't be migrated: {error}.", "`zen doctor` looks at the store.") from error


def _revision(connection: Connection, driver: Driver) -> str:
    names = set(inspect(connection).get_table_names())
    if version.name not in names:
        if foreign := sorted(names.intersection(metadata.tables)):
            raise StoreError(
                f"{driver.store} holds tables that aren't zenbook's: {', '.join(foreign)}.",
                "Give zenbook a database of its own.",
            )
        version.create(connection)
    revision = connection.execute(select(version.c.version_num)).scalar()
    if revision is None:
        connection.execute(version.insert().values(version_num=MAKING))
    return str(revision or MAKING)


def _make(connection: Connection) -> None:
    metadata.create_all(connection)
    seen = inspect(connection)
    for table in metadata.sorted_tables:
        there = {one["name"] for one in seen.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in there:
                index.create(connection)
    if connection.execute(select(clock.c.store)).first() is None:
        connection.execute(clock.insert().values(store=uuid.uuid4().hex, revision=0))
    connection.execute(version.update().values(version_num=migrations.HEAD))
