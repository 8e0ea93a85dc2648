"""Copy runs of a metadata store to the tables of one DuckDB schema, and keep them up to date."""

# ruff: noqa: S608  # names are ours, values are bound

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import isnan
from typing import TYPE_CHECKING, Any

from zenbook.core.capsule import Capsule
from zenbook.history.sql.mirror import mirror_schema
from zenbook.history.sql.mirror.mirror_schema import (
    METRICS,
    OTHER_TABLES,
    PARAMS,
    REPLICATED,
    RUN_COLUMNS,
    ReplicatedTable,
    ddl,
    quoted,
)
from zenbook.history.sql.mirror.typed_values import TYPES, Kind
from zenbook.history.sql.mirror.wide_runs import ValueColumns, ValueName, collect_value_columns
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import MarkRecord, RunRecord

if TYPE_CHECKING:
    import duckdb

BATCH_RUNS = 1000  # runs whose rows are in Python's memory at the same time
_GIT = ("commit", "branch", "dirty")
_ARROW = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "bool"}


class ReplicaTables:
    """The tables of one schema. The caller makes sure that only one thread uses them at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self.columns = ValueColumns()
        self.size = 0  # number of runs
        self.code_digests: set[str] = set()  # of the code that has been copied
        self._environments: dict[str, dict[str, Any]] = {"": {}}  # columns of the runs, by digest

    def create(self, store: str, revision: int) -> None:
        """Create empty tables.

        Args:
            store: The id of the metadata store's history.
            revision: The revision of the store up to which the tables are complete.
        """
        tables = {table.name: table.columns for table in REPLICATED} | {"runs": RUN_COLUMNS} | OTHER_TABLES
        for name, columns in tables.items():
            self._execute(f"CREATE TABLE {self._schema}.{name} ({ddl(columns)})")
        self._execute(f"INSERT INTO {self._schema}.facts VALUES (?, ?, ?)", [mirror_schema.VERSION, store, revision])

    def open(self) -> tuple[int, str, int]:
        """Read the state of existing tables: their version, store and revision."""
        version, store, revision = self._fetch_one(f"SELECT version, store, revision FROM {self._schema}.facts")
        if version == mirror_schema.VERSION:
            rows = self._fetch_all(f"SELECT section, name, kind, place FROM {self._schema}.columns")
            columns = [row[0] for row in self._fetch_all(f"DESCRIBE {self._schema}.runs")]
            numbers = [int(name[1:]) for name in columns if name[0] == "v" and name[1:].isdecimal()]
            of = {ValueName(section, name, Kind(kind)): place for section, name, kind, place in rows}
            self.columns = ValueColumns(of, max(numbers, default=-1) + 1)
            self.size = self._fetch_one(f"SELECT count(*) FROM {self._schema}.revisions")[0]
            self.code_digests = {digest for (digest,) in self._fetch_all(f"SELECT digest FROM {self._schema}.code")}
        return version, store, revision

    def revisions(self, above: int) -> dict[str, int]:
        """List the runs whose last change is after a revision.

        Args:
            above: The revision.

        Returns:
            The revision of each run's last change, by run id.
        """
        return dict(self._fetch_all(f"SELECT run, revision FROM {self._schema}.revisions WHERE revision > ?", [above]))

    def replace(self, store: MetadataStore, revisions: dict[str, int], gone: Collection[str], *, new: bool) -> None:
        """Copy some runs as they are now in the store, and remove others.

        The caller has begun a transaction, so that readers see all of it or nothing.

        Args:
            store: The metadata store.
            revisions: The runs to copy, with the revision of each one's last change.
            gone: The runs to remove.
            new: Whether the tables have none of these runs, so that no old rows need to be removed.
        """
        if not new:
            self._remove([*revisions, *gone])
        runs = [*revisions]
        with _without_garbage_collection() if len(runs) > BATCH_RUNS else nullcontext():
            for start in range(0, len(runs), BATCH_RUNS):
                self._add(store, {run: revisions[run] for run in runs[start : start + BATCH_RUNS]})

    def begin(self) -> None:
        """Begin a transaction. If something fails in it, the caller closes the connection; nothing is rolled back."""
        self._execute("BEGIN")

    def commit(self) -> None:
        """Commit the transaction."""
        self._execute("COMMIT")

    def set_revision(self, revision: int) -> None:
        """Record up to which revision of the store the tables are complete.

        Args:
            revision: The revision.
        """
        self._execute(f"UPDATE {self._schema}.facts SET revision = ?", [revision])

    def save_columns(self) -> None:
        """Remove the names that no run has any more, and write down the columns of the others."""
        present = self.present()
        self.columns.of = {name: column for name, column in self.columns.of.items() if name in present}
        self._execute(f"DELETE FROM {self._schema}.columns")
        if self.columns.of:
            names = [*self.columns.of]
            columns = [
                ("section", "VARCHAR", [name.section for name in names]),
                ("name", "VARCHAR", [name.name for name in names]),
                ("kind", "VARCHAR", [str(name.kind) for name in names]),
                ("place", "VARCHAR", [self.columns[name] for name in names]),
            ]
            with self._as_table("names", columns) as table:
                self._execute(f"INSERT INTO {self._schema}.columns SELECT * FROM {table}")

    def present(self, join: str = "") -> set[ValueName]:
        """Find the names for which some run has a value.

        Args:
            join: SQL after the table ``runs``, to leave out some runs.

        Returns:
            The names.
        """
        names = [*self.columns.of]
        if not names:
            return set()
        counts = self._fetch_one(
            f"SELECT {', '.join(f'count({self.columns[name]})' for name in names)} FROM {self._schema}.runs {join}"
        )
        return {name for name, count in zip(names, counts, strict=True) if count}

    # --- rows -------------------------------------------------------------------------------------------------------

    def _remove(self, runs: list[str]) -> None:
        with self._as_table("gone_runs", [("run", "VARCHAR", runs)]) as gone:
            for table in REPLICATED:
                self._execute(f"DELETE FROM {self._schema}.{table.name} WHERE run IN (SELECT run FROM {gone})")
            self._execute(f"DELETE FROM {self._schema}.runs WHERE id IN (SELECT run FROM {gone})")
            before = self.size
            self._execute(f"DELETE FROM {self._schema}.revisions WHERE run IN (SELECT run FROM {gone})")
        if before:
            self.size = self._fetch_one(f"SELECT count(*) FROM {self._schema}.revisions")[0]

    def _add(self, store: MetadataStore, revisions: dict[str, int]) -> None:
        runs = [*revisions]
        rows = {table.name: store.rows(table.record, runs) for table in REPLICATED}
        for table in REPLICATED:
            self._insert(table, rows[table.name])
        self._add_runs(store, runs, rows[PARAMS.name], rows[METRICS.name])
        self._add_code(store, {row[5] for row in rows["steps"]})
        revised: list[tuple[str, str, Sequence[Any]]] = [
            ("run", "VARCHAR", runs),
            ("revision", "BIGINT", [*revisions.values()]),
        ]
        with self._as_table("revised", revised) as source:
            self._execute(f"INSERT INTO {self._schema}.revisions SELECT * FROM {source}")
        self.size += len(runs)

    def _insert(self, table: ReplicatedTable, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
        if table.name == "steps":
            columns[3] = [str(state) for state in columns[3]]
            columns[-1] = [notes if isinstance(notes, str) else json.dumps(notes) for notes in columns[-1]]
        if table.name == "metrics":
            columns[4] = [None if value is None or isnan(value) else value for value in columns[4]]
        typed = [(name, kind, values) for (name, kind), values in zip(table.columns, columns, strict=True)]
        with self._as_table("copied", typed) as source:
            self._execute(f"INSERT INTO {self._schema}.{table.name} SELECT * FROM {source}")

    def _add_runs(
        self, store: MetadataStore, runs: list[str], params: Sequence[Sequence[Any]], metrics: Sequence[Sequence[Any]]
    ) -> None:
        names = [field.name for field in dataclasses.fields(RunRecord)]
        rows = sorted(
            (dict(zip(names, row, strict=True)) for row in store.rows(RunRecord, runs)), key=lambda row: row["id"]
        )
        if not rows:
            return
        marks: dict[str, list[MarkRecord]] = {}
        for row in store.rows(MarkRecord, runs):
            marks.setdefault(row[0], []).append(MarkRecord(*row))
        for run in rows:
            own = sorted(marks.get(run["id"], ()), key=lambda mark: mark.name)
            run["state"] = str(run["state"])
            run["starred"] = any(mark.kind == "star" for mark in own)
            run["tags"] = [mark.name for mark in own if mark.kind == "tag"]
            run.update(self._environment(store, run["environment"]))
            run["note"] = next((mark.text for mark in own if mark.kind == "note"), "")
        columns = [(name, kind, [run.get(name) for run in rows]) for name, kind in RUN_COLUMNS]
        for name, values in collect_value_columns({run["id"]: run["kind"] for run in rows}, params, metrics).items():
            columns.append((self._column(name), TYPES[name.kind], values))
        with self._as_table("wide", columns) as table:
            self._execute(f"INSERT INTO {self._schema}.runs BY NAME SELECT * FROM {table}")

    def _column(self, name: ValueName) -> str:
        """The column of a name; it is created if the name is new."""
        is_new = name not in self.columns.of
        column = self.columns[name]
        if is_new:
            self._execute(f"ALTER TABLE {self._schema}.runs ADD COLUMN {column} {TYPES[name.kind]}")
        return column

    def _add_code(self, store: MetadataStore, capsules: set[str]) -> None:
        for digest in sorted(capsules - self.code_digests - {""}):
            record = store.code(digest)
            if record is not None:
                source = Capsule.from_json(json.loads(record.capsule)).source if record.capsule.startswith("{") else ""
                self._execute(f"INSERT INTO {self._schema}.code VALUES (?, ?)", [digest, source])
                self.code_digests.add(digest)

    def _environment(self, store: MetadataStore, digest: str) -> dict[str, Any]:
        columns = self._environments.get(digest)
        if columns is None:
            record = store.environment(digest)
            body = json.loads(record.description) if record is not None else {}
            git = body.get("git") or {}
            columns = {"python": body.get("python")} | {f"git_{name}": git.get(name) for name in _GIT}
            self._environments[digest] = columns
        return columns

    # --- DuckDB -----------------------------------------------------------------------------------------------------

    def _as_table(self, name: str, columns: Sequence[tuple[str, str, Sequence[Any]]]) -> _RegisteredTable:
        import pyarrow as pa

        types = {
            **{kind: pa.type_for_alias(alias) for kind, alias in _ARROW.items()},
            "VARCHAR[]": pa.list_(pa.string()),
            "DECIMAL(38, 0)": pa.decimal128(38, 0),
        }
        arrays = [pa.array(values, types[kind]) for _, kind, values in columns]
        return _RegisteredTable(self._connection, name, pa.table(arrays, names=[column for column, _, _ in columns]))

    def _execute(self, sql: str, values: Sequence[Any] | None = None) -> None:
        self._connection.execute(sql, values)

    def _fetch_all(self, sql: str, values: Sequence[Any] | None = None) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _fetch_one(self, sql: str, values: Sequence[Any] | None = None) -> Any:
        return self._connection.execute(sql, values).fetchall()[0]


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the search for reference cycles: over millions of rows it takes a fifth of the time, and finds none."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _RegisteredTable:
    """An Arrow table that DuckDB knows by a name while the block runs."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, table: Any) -> None:
        self._connection, self._name, self._table = connection, f"zenbook_{name}", table

    def __enter__(self) -> str:
        self._connection.register(self._name, self._table)
        return quoted(self._name)

    def __exit__(self, *_: object) -> None:
        self._connection.unregister(self._name)
