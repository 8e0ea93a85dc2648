"""Revisions on servers: none becomes visible before a lower one."""

from __future__ import annotations

import threading
from typing import Any

from notebooks.servers import Server
from tests.servers.databases import new_database, store_at
from tests.servers.rows import new_run, run_of, step_of
from zenbook.metadata_stores.sql_store.compiled_statements import StatementName
from zenbook.stack.records import Batch


def test_a_transaction_that_commits_late_is_not_overtaken(server: Server) -> None:
    """A later transaction waits for it, so that a reader can't see the later revision first."""
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
    assert [(change.run, change.revision) for change in after.runs] == [
        ("run-0001", before + 1),
        ("run-0002", before + 2),
    ]
    assert after.revision == before + 2
    store.close()


def test_a_client_that_dies_in_a_transaction_blocks_nobody(server: Server) -> None:
    store = store_at(server.url(new_database()))
    new_run(store, run_of(1))
    before = store.changes(0).revision
    database: Any = store._database
    dying = database.driver.connect()
    dying.cursor().execute("BEGIN")
    dying.cursor().execute(database.prepared(StatementName.TICK).sql)
    dying.close()
    store.write(Batch(steps=[step_of(1)]))
    assert [change.revision for change in store.changes(before).runs] == [before + 1]
    store.close()
