"""The SQL metadata store on servers: round trips, lost connections, other writers, forks."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from notebooks.servers import MariaDB, Server
from tests.servers.databases import new_database, running, store_at
from tests.servers.rows import END_OF_STEP, A, new_run, run_of, step_of
from tests.servers.wire import Wire, wire_to
from zenbook.core.states import RunState, StepState
from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store import server_database
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    LogRecord,
    MetricRecord,
    OutputRecord,
    RunQuery,
    RunUpdate,
)


@pytest.fixture
def url(server: Server) -> str:
    return server.url(new_database())


@pytest.fixture
def store(url: str) -> Iterator[SqlMetadataStore]:
    store = store_at(url, patience=20)
    yield store
    store.close()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with wire_to(server.port) as wire:
        yield wire


@pytest.fixture
def far_store(url: str, server: Server, wire: Wire) -> Iterator[SqlMetadataStore]:
    """A store on the other end of a wire."""
    store = store_at(url.replace(str(server.port), str(wire.port)), patience=20)
    store.runs(RunQuery())
    yield store
    store.close()


# -- round trips


def test_a_step_is_recorded_in_one_round_trip_at_its_start_and_one_at_its_end(
    far_store: SqlMetadataStore, wire: Wire
) -> None:
    def trips(work: Callable[[], object]) -> int:
        before = wire.trips
        work()
        return wire.trips - before

    new_run(far_store, run_of(1))
    assert trips(lambda: far_store.find_cached(A)) == 1
    assert trips(lambda: far_store.write(Batch(steps=[step_of(1, state=StepState.RUNNING)]))) == 1
    assert trips(lambda: far_store.write(END_OF_STEP)) == 1
    assert trips(lambda: far_store.find_cached(A)) == 1
    assert trips(lambda: far_store.runs(RunQuery(limit=50))) == 1
    assert len(far_store.find_cached(A)[0].outputs) == 3
    assert len(far_store.find_cached(A)[0].metrics) == 20


# -- connections


def end_all_connections(server: Server) -> int:
    if isinstance(server, MariaDB):
        ids = server.execute("SELECT id FROM information_schema.processlist WHERE user = 'root' AND db LIKE 'zen%'")
        server.execute(*(f"KILL {number}" for (number,) in ids))
    else:
        ids = server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'zen%'")
    return len(ids)


def use_several_connections(store: SqlMetadataStore, several: int) -> None:
    """Leave so many idle ones behind."""
    database, together = store._database, threading.Barrier(several)
    assert isinstance(database, server_database.ServerDatabase)
    threads = [threading.Thread(target=database._run, args=(lambda _: together.wait(10),)) for _ in range(several)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_connections_that_the_server_ended_are_replaced_unseen(
    store: SqlMetadataStore, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    use_several_connections(store, 4)
    new_run(store, run_of(1))
    assert end_all_connections(server) >= 4
    new_run(store, run_of(2))
    assert end_all_connections(server) >= 1
    assert len(store.runs(RunQuery())) == 2
    assert capfd.readouterr() == ("", "")


def test_an_idle_connection_is_checked_before_it_is_used(
    far_store: SqlMetadataStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.cut()
    monkeypatch.setattr(server_database, "IDLE_SECONDS", 0.0)
    before = wire.connections
    new_run(far_store, run_of(1))
    assert wire.connections == before + 1
    trips = wire.trips
    far_store.runs(RunQuery())
    assert wire.trips == trips + 2  # the check, and the query


def test_a_forked_child_has_connections_of_its_own(store: SqlMetadataStore) -> None:
    new_run(store, run_of(1))
    child = os.fork()
    if child == 0:
        try:
            new_run(store, run_of(2))
            os._exit(0 if len(store.runs(RunQuery())) == 2 else 1)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store.runs(RunQuery())) == 2
    new_run(store, run_of(3))


def test_transactions_that_lock_each_other_out_are_done_again(store: SqlMetadataStore) -> None:
    """Two threads write the same steps, one in reverse order."""
    steps = [step_of(n) for n in range(40)]
    store.write(Batch(steps=steps))
    failures: list[BaseException] = []

    def work(rows: list[object]) -> None:
        try:
            for _ in range(30):
                store.write(Batch(steps=rows))  # type: ignore[arg-type]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in (steps, steps[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.steps([f"run-{n:04d}" for n in range(40)])) == 40


def test_an_interrupt_in_a_write_leaves_no_transaction_open(store: SqlMetadataStore, url: str) -> None:
    new_run(store, run_of(1))
    database = store._database
    assert isinstance(database, server_database.ServerDatabase)

    def interrupted(connection: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("BEGIN")
        cursor.execute("UPDATE runs SET error = 'half'")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database._run(interrupted)
    other = store_at(url)
    other.write(Batch(runs=[RunUpdate("run-0001", RunState.FAILED, None, None, "whole")]))
    assert store.run("run-0001").error == "whole"  # type: ignore[union-attr]
    other.close()


# -- values


def test_a_descriptive_text_is_truncated_to_its_column_and_found_again(store: SqlMetadataStore) -> None:
    long = run_of(1, host="h" * 300, user="ü" * 300, process="p" * 90, pipeline="t" * 150, stack="s" * 101)
    new_run(store, long, step_of(1))
    run = store.run("run-0001")
    assert run is not None
    assert run.host == "h" * 254 + "…"
    assert run.user == "ü" * 254 + "…"
    assert [run.id for run in store.runs(RunQuery(pipeline="t" * 150))] == ["run-0001"]
    assert store.previous_step("t" * 150, "fit", before="run-0002") == step_of(1)
    store.write(
        Batch(
            outputs=[OutputRecord("run-0001", "fit", "o", A, "json", type="T" * 300)],
            artifacts=[ArtifactRecord(A, "json", "a", 1, 1.0)],
        )
    )
    assert store.outputs(["run-0001"])[0].type == "T" * 254 + "…"


def test_a_key_that_is_too_long_is_an_error_and_never_truncated(store: SqlMetadataStore) -> None:
    with pytest.raises(StoreError, match="can't store a name that long"):
        store.write(Batch(steps=[step_of(1, "s" * 101)]))
    assert store.steps(["run-0001"]) == []


def test_texts_of_any_length_and_alphabet_come_back(store: SqlMetadataStore) -> None:
    text = "🎉 größer 日本 'quoted' \"double\" back\\slash %s %(x)s ; -- \n" * 40_000  # 2 MB in UTF-8
    new_run(store, run_of(1, plan=text, error=text[:1000]))
    assert store.run("run-0001") == run_of(1, plan=text, error=text[:1000])
    many = [LogRecord("run-0001", "fit", n, 1.0, "stdout", text[:60_000]) for n in range(40)]  # in several packets
    store.write(Batch(logs=many))
    assert store.logs("run-0001") == many


def test_names_that_differ_by_case_or_accent_differ(store: SqlMetadataStore) -> None:
    store.write(Batch(steps=[step_of(1, name) for name in ("fit", "Fit", "fít")]))
    assert sorted(step.name for step in store.steps(["run-0001"])) == sorted(["fit", "Fit", "fít"])


def test_the_largest_numbers_keep_their_order(store: SqlMetadataStore) -> None:
    values = [math.inf, -math.inf, 1.7e308, -5e-324, 0.1 + 0.2, 2**53 - 1]
    store.write(Batch(metrics=[MetricRecord("r", "s", "m", n, value, n) for n, value in enumerate(values)]))
    assert [metric.value for metric in store.metrics(["r"])] == values


def test_a_row_larger_than_the_server_accepts_is_reported(mariadb: Server) -> None:
    store = store_at(mariadb.url(new_database()))
    with pytest.raises(StoreError, match=r"accepts 16\.8 MB at once, but one row has 17\.0 MB") as caught:
        new_run(store, run_of(1, plan="x" * 17_000_000))
    assert "max_allowed_packet" in caught.value.hint
    assert store.run("run-0001") is None
    store.close()


def test_a_server_whose_log_holds_statements_is_written() -> None:
    """It refuses the isolation that zenbook uses elsewhere."""
    with running(MariaDB("--log-bin", "--binlog-format=STATEMENT", "--server-id=1")) as server:
        store = store_at(server.url())
        new_run(store, run_of(1))
        store.write(END_OF_STEP)
        assert len(store.metrics(["run-0001"])) == 20
        store.close()


def test_a_batch_that_fails_in_a_later_packet_writes_nothing(store: SqlMetadataStore) -> None:
    logs = [LogRecord("run-0001", "fit", n, 1.0, "stdout", "x" * 100_000) for n in range(40)]
    with pytest.raises(StoreError):
        store.write(Batch(steps=[step_of(1)], logs=[*logs, replace(logs[0], n=2**40)]))
    assert store.steps(["run-0001"]) == store.logs("run-0001") == []
    store.write(Batch(steps=[step_of(1)], logs=logs))
    assert len(store.logs("run-0001")) == 40


def test_sqlalchemy_is_imported_only_for_servers() -> None:
    import subprocess

    code = "import sys, zenbook.metadata_stores.mysql, zenbook.metadata_stores.postgresql; print('sqlalchemy' in sys.modules, 'pymysql' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
