"""A copy of some runs of a metadata store in one schema of a DuckDB connection: made, and brought up to date."""

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
from zenbook.history.sql.mirror.mirror_schema import (
    METRICS,
    OTHERS,
    PARAMS,
    REPLICATED,
    RUN_COLUMNS,
    VERSION,
    Copied,
    ddl,
    quoted,
)
from zenbook.history.sql.mirror.typed_values import TYPES, Kind
from zenbook.history.sql.mirror.wide_runs import Name, Places, values_of
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import MarkRecord, RunRecord

if TYPE_CHECKING:
    import duckdb

AT_ONCE = 1000  # runs whose rows are in Python's memory at once
_GIT = ("commit", "branch", "dirty")
_ARROW = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "bool"}


class ReplicaTables:
    """Tables in one schema. Who calls sees to it that only one thread does so at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self.places = Places()
        self.size = 0  # runs
        self.known: set[str] = set()  # digests of code that need not be copied again
        self._environments: dict[str, dict[str, Any]] = {"": {}}  # what is told of each, by digest

    def create(self, store: str, revision: int) -> None:
        """Make empty tables."""
        tables = {one.name: one.columns for one in REPLICATED} | {"runs": RUN_COLUMNS} | OTHERS
        for name, columns in tables.items():
            self._do(f"CREATE TABLE {self._schema}.{name} ({ddl(columns)})")
        self._do(f"INSERT INTO {self._schema}.facts VALUES (?, ?, ?)", [VERSION, store, revision])

    def open(self) -> tuple[int, str, int]:
        """Read what is there of a copy that was made before: its version, store and revision."""
        version, store, revision = self._one(f"SELECT version, store, revision FROM {self._schema}.facts")
        if version == VERSION:
            rows = self._all(f"SELECT section, name, kind, place FROM {self._schema}.columns")
            columns = [row[0] for row in self._all(f"DESCRIBE {self._schema}.runs")]
            numbers = [int(name[1:]) for name in columns if name[0] == "v" and name[1:].isdecimal()]
            of = {Name(section, name, Kind(kind)): place for section, name, kind, place in rows}
            self.places = Places(of, max(numbers, default=-1) + 1)
            self.size = self._one(f"SELECT count(*) FROM {self._schema}.revisions")[0]
            self.known = {digest for (digest,) in self._all(f"SELECT digest FROM {self._schema}.code")}
        return version, store, revision

    def revisions(self, above: int) -> dict[str, int]:
        """The runs that changed last after a revision."""
        return dict(self._all(f"SELECT run, revision FROM {self._schema}.revisions WHERE revision > ?", [above]))

    def replace(self, store: MetadataStore, revisions: dict[str, int], gone: Collection[str], *, new: bool) -> None:
        """Take over some runs as they are now in the store, and forget others.

        ``new`` says that none of them is here, so that nothing need be looked for. The caller has begun a transaction:
        whoever reads meanwhile sees all of it or nothing.
        """
        if not new:
            self._forget([*revisions, *gone])
        runs = [*revisions]
        with _no_collecting() if len(runs) > AT_ONCE else nullcontext():
            for start in range(0, len(runs), AT_ONCE):
                some = runs[start : start + AT_ONCE]
                self._add(store, {run: revisions[run] for run in some})

    def begin(self) -> None:
        """Begin a transaction. When something fails in it, the connection is closed: there is no way back."""
        self._do("BEGIN")

    def commit(self) -> None:
        """End it."""
        self._do("COMMIT")

    def set_revision(self, revision: int) -> None:
        """Say up to which revision of the store this is complete."""
        self._do(f"UPDATE {self._schema}.facts SET revision = ?", [revision])

    def settle(self) -> None:
        """Forget the names that no run has any more, and write down where the others are."""
        present = self.present()
        self.places.of = {name: place for name, place in self.places.of.items() if name in present}
        self._do(f"DELETE FROM {self._schema}.columns")
        if self.places.of:
            names = [*self.places.of]
            columns = [
                ("section", "VARCHAR", [one.section for one in names]),
                ("name", "VARCHAR", [one.name for one in names]),
                ("kind", "VARCHAR", [str(one.kind) for one in names]),
                ("place", "VARCHAR", [self.places[one] for one in names]),
            ]
            with self._as_table("names", columns) as given:
                self._do(f"INSERT INTO {self._schema}.columns SELECT * FROM {given}")

    def present(self, but: str = "") -> set[Name]:
        """The names that runs have, leaving out those that the SQL text ``but`` excludes."""
        names = [*self.places.of]
        if not names:
            return set()
        counts = self._one(
            f"SELECT {', '.join(f'count({self.places[one]})' for one in names)} FROM {self._schema}.runs {but}"
        )
        return {name for name, count in zip(names, counts, strict=True) if count}

    # --- rows -------------------------------------------------------------------------------------------------------

    def _forget(self, runs: list[str]) -> None:
        with self._as_table("gone_runs", [("run", "VARCHAR", runs)]) as given:
            for table in REPLICATED:
                self._do(f"DELETE FROM {self._schema}.{table.name} WHERE run IN (SELECT run FROM {given})")
            self._do(f"DELETE FROM {self._schema}.runs WHERE id IN (SELECT run FROM {given})")
            before = self.size
            self._do(f"DELETE FROM {self._schema}.revisions WHERE run IN (SELECT run FROM {given})")
        if before:
            self.size = self._one(f"SELECT count(*) FROM {self._schema}.revisions")[0]

    def _add(self, store: MetadataStore, revisions: dict[str, int]) -> None:
        runs = [*revisions]
        rows = {table.name: store.rows(table.record, runs) for table in REPLICATED}
        for table in REPLICATED:
            self._insert(table, rows[table.name])
        self._add_runs(store, runs, rows[PARAMS.name], rows[METRICS.name])
        self._add_described(store, {row[5] for row in rows["steps"]})
        revised: list[tuple[str, str, Sequence[Any]]] = [
            ("run", "VARCHAR", runs),
            ("revision", "BIGINT", [*revisions.values()]),
        ]
        with self._as_table("revised", revised) as given:
            self._do(f"INSERT INTO {self._schema}.revisions SELECT * FROM {given}")
        self.size += len(runs)

    def _insert(self, table: Copied, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
        if table.name == "steps":
            columns[3] = [str(one) for one in columns[3]]
            columns[-1] = [one if isinstance(one, str) else json.dumps(one) for one in columns[-1]]
        if table.name == "metrics":
            columns[4] = [None if value is None or isnan(value) else value for value in columns[4]]
        typed = [(name, kind, values) for (name, kind), values in zip(table.columns, columns, strict=True)]
        with self._as_table("copied", typed) as given:
            self._do(f"INSERT INTO {self._schema}.{table.name} SELECT * FROM {given}")

    def _add_runs(
        self, store: MetadataStore, runs: list[str], params: Sequence[Sequence[Any]], metrics: Sequence[Sequence[Any]]
    ) -> None:
        names = [field.name for field in dataclasses.fields(RunRecord)]
        rows = sorted(
            (dict(zip(names, row, strict=True)) for row in store.rows(RunRecord, runs)), key=lambda one: one["id"]
        )
        if not rows:
            return
        marks: dict[str, list[MarkRecord]] = {}
        for row in store.rows(MarkRecord, runs):
            marks.setdefault(row[0], []).append(MarkRecord(*row))
        for one in rows:
            mine = sorted(marks.get(one["id"], ()), key=lambda mark: mark.name)
            one["state"] = str(one["state"])
            one["starred"] = any(mark.kind == "star" for mark in mine)
            one["tags"] = [mark.name for mark in mine if mark.kind == "tag"]
            one.update(self._environment(store, one["environment"]))
            one["note"] = next((mark.text for mark in mine if mark.kind == "note"), "")
        columns = [(name, kind, [one.get(name) for one in rows]) for name, kind in RUN_COLUMNS]
        for name, values in values_of({one["id"]: one["kind"] for one in rows}, params, metrics).items():
            columns.append((self._place(name), TYPES[name.kind], values))
        with self._as_table("wide", columns) as given:
            self._do(f"INSERT INTO {self._schema}.runs BY NAME SELECT * FROM {given}")

    def _place(self, name: Name) -> str:
        known = name in self.places.of
        place = self.places[name]
        if not known:
            self._do(f"ALTER TABLE {self._schema}.runs ADD COLUMN {place} {TYPES[name.kind]}")
        return place

    def _add_described(self, store: MetadataStore, capsules: set[str]) -> None:
        for digest in sorted(capsules - self.known - {""}):
            found = store.code(digest)
            if found is not None:
                source = Capsule.from_json(json.loads(found.capsule)).source if found.capsule.startswith("{") else ""
                self._do(f"INSERT INTO {self._schema}.code VALUES (?, ?)", [digest, source])
                self.known.add(digest)

    def _environment(self, store: MetadataStore, digest: str) -> dict[str, Any]:
        found = self._environments.get(digest)
        if found is None:
            record = store.environment(digest)
            body = json.loads(record.description) if record is not None else {}
            git = body.get("git") or {}
            found = {"python": body.get("python")} | {f"git_{name}": git.get(name) for name in _GIT}
            self._environments[digest] = found
        return found

    # --- DuckDB -----------------------------------------------------------------------------------------------------

    def _as_table(self, name: str, columns: Sequence[tuple[str, str, Sequence[Any]]]) -> _Registered:
        import pyarrow as pa

        types = {
            **{kind: pa.type_for_alias(alias) for kind, alias in _ARROW.items()},
            "VARCHAR[]": pa.list_(pa.string()),
            "DECIMAL(38, 0)": pa.decimal128(38, 0),
        }
        arrays = [pa.array(values, types[kind]) for _, kind, values in columns]
        return _Registered(self._connection, name, pa.table(arrays, names=[one for one, _, _ in columns]))

    def _do(self, sql: str, values: Sequence[Any] | None = None) -> None:
        self._connection.execute(sql, values)

    def _all(self, sql: str, values: Sequence[Any] | None = None) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence[Any] | None = None) -> Any:
        return self._connection.execute(sql, values).fetchall()[0]


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Millions of rows make Python look for cycles again and again, a fifth of the time; rows have none."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Registered:
    """An Arrow table under a name that DuckDB knows, for as long as the block lasts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, table: Any) -> None:
        self._connection, self._name, self._table = connection, f"zenbook_{name}", table

    def __enter__(self) -> str:
        self._connection.register(self._name, self._table)
        return quoted(self._name)

    def __exit__(self, *_: object) -> None:
        self._connection.unregister(self._name)
