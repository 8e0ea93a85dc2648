"""Revisions on every kind of database: none becomes visible before a lower one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from notebooks.servers import Server
from tests.servers.databases import new_database, store_at
from tests.servers.rows import new_run, run_of, step_of
from zenbook.metadata_stores.sql_store.compiled_statements import StatementName
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import Batch
from zenbook.testing import MetadataStoreTests

PROMISES = (
    "test_every_write_to_a_run_gives_it_a_newer_revision",
    "test_no_change_gets_a_revision_below_one_that_was_seen",
    "test_bare_rows_have_the_fields_of_the_records",
)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_promises_hold_on_every_database(store: SqlMetadataStore, promise: str) -> None:
    given: dict[str, Any] = {"store": store}
    if promise != PROMISES[2]:
        given["other_store"] = store
    getattr(MetadataStoreTests(), promise)(**given)


def test_marks_are_kept_on_every_database(store: SqlMetadataStore) -> None:
    MetadataStoreTests().test_tags_notes_and_stars_are_added_replaced_and_removed(store, store)


def test_a_transaction_that_commits_late_is_not_overtaken(server: Server) -> None:
    """Who comes after it waits for it, so that a reader can't see the later revision first."""
    store = store_at(server.url(new_database()))
    for n in (1, 2):
        new_run(store, run_of(n), step_of(n))
    before = store.changes(0).revision
    database: Any = store._database
    late = database.driver.connect()
    cursor = late.cursor()
    cursor.execute("BEGIN")
    cursor.execute(database.prepared(StatementName.TICK).sql)
    cursor.execute(database.prepared(StatementName.PUT_CHANGE).sql, ("run-0001",))
    writing = threading.Thread(target=store.write, args=(Batch(steps=[step_of(2, attempt=7)]),))
    writing.start()
    writing.join(0.3)
    assert writing.is_alive()
    assert store.changes(before).runs == ()
    cursor.execute("COMMIT")
    writing.join(30)
    late.close()
    after = store.changes(before)
    assert [(one.run, one.revision) for one in after.runs] == [("run-0001", before + 1), ("run-0002", before + 2)]
    assert after.revision == before + 2
    store.close()


def test_a_client_that_dies_in_a_transaction_holds_nobody_up(server: Server) -> None:
    store = store_at(server.url(new_database()))
    new_run(store, run_of(1))
    before = store.changes(0).revision
    database: Any = store._database
    dying = database.driver.connect()
    dying.cursor().execute("BEGIN")
    dying.cursor().execute(database.prepared(StatementName.TICK).sql)
    dying.close()
    store.write(Batch(steps=[step_of(1)]))
    assert [one.revision for one in store.changes(before).runs] == [before + 1]
    store.close()
