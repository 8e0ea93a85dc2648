"""What a list of runs and the recording of a step cost in each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, seconds
from notebooks.servers import MariaDB, PostgreSQL, Server
from zenbook.core.digest import digest_of_text
from zenbook.core.states import RunState, StepState
from zenbook.metadata_stores.sql_store.compiled_statements import StatementName
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    RunQuery,
    RunRecord,
    StepRecord,
)

PLAN = "x" * 2000  # a short chain's plan
SHOWN = 50
AT_ONCE = 1000


def measure(*, runs: int = 100_000, repeats: int = 40) -> Result:
    """Milliseconds for the latest 50 of ``runs`` runs, and for the three calls that record one step."""
    server, other = MariaDB("--innodb-flush-log-at-trx-commit=1"), PostgreSQL("-c", "fsync=on")
    with (
        empty_folder() as folder,
        _server_store(server, "mysql") as mariadb,
        _server_store(other, "postgresql") as postgresql,
    ):
        stores = {"SQLite": sqlite_store(folder / "metadata.sqlite"), "MariaDB": mariadb, "PostgreSQL": postgresql}
        for store in stores.values():
            _fill(store, runs)
        other.execute("ANALYZE", database="zenbook")  # as the server does by itself within a minute
        query = RunQuery(limit=SHOWN)
        lists = in_turns(
            {name: lambda n, s=one: seconds(lambda: s.runs(query)) for name, one in stores.items()}, repeats
        )
        recording = {name: lambda n, s=one: _record_step(s, n) for name, one in stores.items()}
        with _bare(server) as two_commits:
            steps = in_turns({**recording, "bare": lambda n: seconds(two_commits)}, repeats)
        stores["SQLite"].close()
    listed = {"SQLite": 50.0, "MariaDB": 100.0, "PostgreSQL": 100.0}
    recorded = {"SQLite": None, "MariaDB": 10.0, "PostgreSQL": None}
    return Result(
        f"Metadata stores with {runs:,} runs",
        (
            *(Figure(f"latest {SHOWN} runs, {name}", lists[name] * 1e3, "ms", most) for name, most in listed.items()),
            *(Figure(f"recording a step, {name}", steps[name] * 1e3, "ms", most) for name, most in recorded.items()),
            Figure("two commits of one row, MariaDB", steps["bare"] * 1e3, "ms"),
        ),
        "Timed: runs(limit=50); find_cached, the write at a step's start and that at its end (3 outputs, 2 inputs,\n"
        "  20 metrics, 20 pieces of text). Servers on loopback, each commit on disk.",
    )


@contextmanager
def _server_store(server: Server, kind: str) -> Iterator[SqlMetadataStore]:
    with server:
        chosen = flavour(ComponentKind.METADATA_STORE, kind)
        store = chosen.make(chosen.settings(path=server.url()), Path())
        yield store
        store.close()


@contextmanager
def _bare(server: Server) -> Iterator[Callable[[], None]]:
    """Two transactions of one row each, by the driver alone: what the server's disk takes."""
    import pymysql

    server.execute("CREATE TABLE bare (n int)", database="zenbook")
    with (
        pymysql.connect(
            host="127.0.0.1", port=server.port, user="root", database="zenbook", autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        yield lambda: [cursor.execute("INSERT INTO bare VALUES (1)") for _ in range(2)] and None


def _fill(store: SqlMetadataStore, runs: int) -> None:
    """Many runs in each transaction, below the store's interface, which writes one."""
    new_run = store._database.writer(StatementName.PUT_RUN)
    for start in range(0, runs, AT_ONCE):
        rows = [
            RunRecord(f"2020-{n:08d}", "training", "local", RunState.SUCCEEDED, n, n, n + 1, host="host", plan=PLAN)
            for n in range(start, min(start + AT_ONCE, runs))
        ]
        store._database.write([(new_run, rows)])


def _record_step(store: SqlMetadataStore, n: int) -> float:
    run, key, digest = f"2021-{n:08d}", digest_of_text(f"{n}"), digest_of_text(f"artifact {n}")
    running = StepRecord(run, "fit", 0, StepState.RUNNING, cache_key=key, attempt=1, started_at=1.0)
    end = Batch(
        steps=[StepRecord(run, "fit", 0, StepState.SUCCEEDED, cache_key=key, attempt=1, started_at=1.0, ended_at=2.0)],
        artifacts=[ArtifactRecord(digest, "json", "aa/a.json", 1, 1.0)],
        outputs=[OutputRecord(run, "fit", name, digest, "json") for name in "abc"],
        inputs=[InputRecord(run, "fit", name, "load", "output", digest, "json") for name in "ab"],
        metrics=[MetricRecord(run, "fit", "loss", i, 1 / (i + 1), 1.0, i) for i in range(20)],
        logs=[LogRecord(run, "fit", i, 1.0, "stdout", "epoch\n") for i in range(20)],
    )

    def record() -> None:
        store.find_cached(key)
        store.write(Batch(steps=[running]))
        store.write(end)

    return seconds(record)
