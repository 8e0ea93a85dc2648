"""A database server that does not answer, for a while or for good."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from notebooks.servers import MariaDB, PostgreSQL, Server, free_port
from tests.servers.databases import store_at
from tests.servers.rows import END_OF_STEP, new_run, run_of
from zenbook import interrupts
from zenbook.errors import StoreUnreachableError
from zenbook.metadata_stores.sql_store import server_retry
from zenbook.stack.records import (
    RunQuery,
)


@pytest.fixture(params=[MariaDB, PostgreSQL])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that a test may stop."""
    with request.param() as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_is_started_again_costs_a_pause(
    own_server: Server, how: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    store = store_at(own_server.url(), patience=60)
    new_run(store, run_of(1))
    own_server.stop(how)
    starting = threading.Timer(0.5, own_server.start)
    starting.start()
    store.write(END_OF_STEP)
    starting.join()
    assert len(store.outputs(["run-0001"])) == 3
    printed = capfd.readouterr().err
    assert printed.count("does not answer: waiting up to 60 s") == 1
    assert printed.count("is back") == 1
    store.close()


def test_after_the_longest_wait_the_store_is_unreachable_and_later_calls_do_not_wait(
    own_server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    store = store_at(own_server.url(), patience=1)
    new_run(store, run_of(1))
    own_server.stop()
    started = time.monotonic()
    with pytest.raises(
        StoreUnreachableError,
        match=r"(mysql|postgresql) at 127.0.0.1:\d+/zenbook could not be reached: connection refused",
    ):
        store.write(END_OF_STEP)
    assert time.monotonic() - started >= 1
    assert capfd.readouterr().err.count("waiting up to 1 s") == 1
    with pytest.raises(StoreUnreachableError):
        store.write(END_OF_STEP)
    assert "waiting" not in capfd.readouterr().err
    own_server.start()
    store.write(END_OF_STEP)
    assert len(store.outputs(["run-0001"])) == 3
    own_server.stop()
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError):
        store.write(END_OF_STEP)
    assert time.monotonic() - started >= 1  # it has been there again, so it is waited for again
    store.close()


def test_an_interrupt_that_is_put_off_ends_the_waiting(own_server: Server) -> None:
    store = store_at(own_server.url(), patience=60)
    new_run(store, run_of(1))
    own_server.stop()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    met = None
    with pytest.raises(KeyboardInterrupt), interrupts.interrupts_can_wait():
        with interrupts.uninterrupted():
            try:
                store.write(END_OF_STEP)
            except StoreUnreachableError as error:
                met = error
        pytest.fail("the interrupt is lost")
    assert met is not None  # long before 60 s are over: the test's own limit
    store.close()


def test_a_server_that_was_never_there_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_retry, "FIRST_WAIT", 0.3)
    for url in ("mysql://me@127.0.0.1", "postgresql://me@127.0.0.1"):
        started = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="could not be reached: connection refused"):
            store_at(f"{url}:{free_port()}/zen").runs(RunQuery())
        assert time.monotonic() - started < 5
